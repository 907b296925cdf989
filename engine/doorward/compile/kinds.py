"""What is known of values before any request: of a constant, and of what can be reached in one.

A *domain* is all that a value can be. What a policy reads in its own tables has one, and where all of it is
of one Python type, the generated code need not ask for the type.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, TypeAlias

from doorward.compile.plan import Const
from doorward.run.access import get
from doorward.run.values import UNDEFINED, Value, unkey

__all__ = ["Domain", "Kind", "all_plain", "all_texts", "keys_of", "kind_of", "members_of", "parts_of"]

Kind: TypeAlias = str
"""The name of a Python type that holds Rego values: `str`, `int`, `dict`, `list`, `set` or `frozenset`."""

Domain: TypeAlias = tuple[Value, ...]
"""All values that there can be; empty where nothing is known."""

_KINDS: Final[dict[type, Kind]] = {
    str: "str",
    int: "int",
    dict: "dict",
    list: "list",
    frozenset: "frozenset",
}
_PLAIN: Final = frozenset({str, int, float, type(None)})
_LARGEST: Final = 200


def kind_of(domain: Domain) -> Kind | None:
    """The kind of every value; None where they differ, or are of a kind not worth knowing."""
    kinds = {_KINDS.get(type(value)) for value in domain}
    return kinds.pop() if len(kinds) == 1 else None


def members_of(domain: Domain) -> Domain:
    """What a member of a value can be."""
    return _bounded(member for value in domain for member in _members(value))


def keys_of(domain: Domain) -> Domain:
    """What a key of an object or a member of a set can be."""
    if not all(isinstance(value, dict | frozenset) for value in domain):
        return ()
    return _bounded(unkey(form) for value in domain for form in value)


def parts_of(domain: Domain, index: Value) -> Domain:
    """What the member at a key can be."""
    return _bounded(part for value in domain if (part := get(value, index)) is not UNDEFINED)


def _members(value: Value) -> Iterable[Value]:
    match value:
        case dict():
            return value.values()
        case list():
            return value
        case frozenset():
            return map(unkey, value)
    return ()


def _bounded(values: Iterable[Value]) -> Domain:
    found = []
    for value in values:
        found.append(value)
        if len(found) > _LARGEST:
            return ()
    return tuple(found)


def all_texts(collection: Const) -> frozenset[str] | None:
    """The members of a constant array, set or object that holds nothing but strings."""
    members = list(_members(collection.value))
    return frozenset(members) if members and all(type(member) is str for member in members) else None


def all_plain(array: Value) -> bool:
    """Whether an array holds nothing but strings, numbers and nulls, which Python compares as Rego does."""
    return isinstance(array, list) and all(type(member) in _PLAIN for member in array)
