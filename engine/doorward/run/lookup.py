"""Finding, in the tables of an index, the functions that a request can concern."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain
from typing import Any, TypeAlias

from doorward.run.access import values
from doorward.run.context import CallContext
from doorward.run.values import UNDEFINED, Value, key

__all__ = ["Prefixes", "by_member", "by_prefix", "by_value"]

_Functions: TypeAlias = tuple[Callable[..., Any], ...]
_NONE: _Functions = ()


class Prefixes:
    """A table by the beginning of a string: looking up costs one step for each length that a prefix has."""

    __slots__ = ("all", "by_prefix", "lengths")

    def __init__(self, by_prefix: Mapping[str, _Functions]) -> None:
        self.by_prefix = by_prefix
        self.lengths = sorted(set(map(len, by_prefix)))
        self.all: _Functions = tuple(dict.fromkeys(one for some in by_prefix.values() for one in some))


def by_prefix(call: CallContext, table: Prefixes, value: Value) -> Iterable[Callable[..., Any]]:
    """The functions that need a string with one of their prefixes; all, where the value is no string: they fail."""
    if type(value) is str:
        known, size = table.by_prefix, len(value)
        found = [known.get(value[:length], _NONE) for length in table.lengths if length <= size]
        return found[0] if len(found) == 1 else chain.from_iterable(found)
    return _NONE if value is UNDEFINED else table.all


def by_value(call: CallContext, table: Mapping[Any, _Functions], value: Value) -> _Functions:
    """The functions that need just this value."""
    if value is UNDEFINED:
        return _NONE
    return table.get(value if type(value) is str else key(value), _NONE)


def by_member(
    call: CallContext, table: Mapping[Any, _Functions], value: Value
) -> Iterable[Callable[..., Any]]:
    """The functions that need one of the value's members."""
    return _by_member(table, values(call, value)) if value is not UNDEFINED else _NONE


def _by_member(table: Mapping[Any, _Functions], members: Iterable[Value]) -> Iterator[Callable[..., Any]]:
    seen = set()
    for member in members:
        form = key(member)
        if form in table and form not in seen:
            seen.add(form)
            yield from table[form]
