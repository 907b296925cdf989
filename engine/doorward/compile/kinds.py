"""What is known of the Python types of values before any request: of constants, and of what stands in them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from doorward.compile.plan import Const
from doorward.run.values import Value, unkey

__all__ = ["Kind", "all_texts", "key_kind", "kind_of", "member_kind"]

Kind = str
"""The name of a Python type that holds Rego values: `str`, `dict`, `list` or `frozenset`."""

_KINDS: Final[dict[type, Kind]] = {str: "str", dict: "dict", list: "list", frozenset: "frozenset"}


def kind_of(value: Value) -> Kind | None:
    """The kind of a value; None for those that are not worth knowing."""
    return _KINDS.get(type(value))


def _common(values: Iterable[Value]) -> Kind | None:
    kinds = {kind_of(value) for value in values}
    return kinds.pop() if len(kinds) == 1 else None


def member_kind(value: Value) -> Kind | None:
    """The kind of all members of a constant collection, where they are of one."""
    match value:
        case dict():
            return _common(value.values())
        case list():
            return _common(value)
        case frozenset():
            return _common(map(unkey, value))
    return None


def key_kind(value: Value) -> Kind | None:
    """The kind of all keys of a constant object or set, where they are of one."""
    return _common(map(unkey, value)) if isinstance(value, dict | frozenset) else None


def all_texts(collection: Const) -> frozenset[str] | None:
    """The members of a constant array, set or object that holds nothing but strings."""
    value = collection.value
    if not isinstance(value, list | dict | frozenset) or member_kind(value) != "str":
        return None
    return frozenset(value.values() if isinstance(value, dict) else value)
