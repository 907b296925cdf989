"""Places in a JSON document, as RFC 6901 writes them, emptied or written over in a copy.

The document itself is shared with others and never changed: only what lies on the way to a place is copied.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final, TypeAlias

__all__ = ["MISSING", "Place", "format_pointer", "parse_pointer", "value_at", "with_value", "without"]

Place: TypeAlias = tuple[str, ...]
"""The names and numbers that lead to a value."""

MISSING: Final = object()
"""What is nowhere in the document."""

_DEEPEST: Final = 128


@lru_cache(1024)
def parse_pointer(text: str) -> Place:
    """`/request/principal/claims/a~1b` as its parts. Raises ValueError."""
    if not text.startswith("/"):
        raise ValueError("a place begins with `/`")
    parts = text.split("/")[1:]
    if len(parts) > _DEEPEST:
        raise ValueError(f"a place has at most {_DEEPEST} parts")
    return tuple(part.replace("~1", "/").replace("~0", "~") for part in parts)


def format_pointer(place: Place) -> str:
    """The text of a place."""
    return "".join("/" + part.replace("~", "~0").replace("/", "~1") for part in place)


def value_at(document: Any, place: Place) -> Any:
    """The value at a place, or MISSING."""
    for part in place:
        document = _child(document, part)
        if document is MISSING:
            return MISSING
    return document


def with_value(document: Any, place: Place, value: Any) -> Any:
    """A copy in which `value` is at a place. What is around the place must be there; an object gets a new member, a list
    no new item. Without anything to change, the document itself.
    """
    if not place:
        return value
    first, *rest = place
    child = _child(document, first)
    if child is MISSING:
        return {**document, first: value} if type(document) is dict and not rest else document
    changed = with_value(child, tuple(rest), value)
    return document if changed is child else _replaced(document, first, changed)


def without(document: Any, place: Place) -> Any:
    """A copy without the member at a place; an item of a list becomes null, so that others keep their numbers."""
    *around, last = place
    parent = value_at(document, tuple(around))
    if parent is MISSING or _child(parent, last) is MISSING:
        return document
    if type(parent) is dict:
        rest = {name: value for name, value in parent.items() if name != last}
    else:
        rest = _replaced(parent, last, None)
    return with_value(document, tuple(around), rest)


def _child(document: Any, part: str) -> Any:
    if type(document) is dict:
        return document.get(part, MISSING)
    if (
        type(document) is list
        and part.isascii()
        and part.isdigit()
        and len(part) < 10
        and int(part) < len(document)
    ):
        return document[int(part)]
    return MISSING


def _replaced(document: Any, part: str, value: Any) -> Any:
    if type(document) is dict:
        return {**document, part: value}
    copy = list(document)
    copy[int(part)] = value
    return copy
