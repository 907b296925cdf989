"""Finding, in the tables of an index, the functions that a request can concern."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeAlias

from doorward.run.access import values
from doorward.run.context import CallContext
from doorward.run.values import UNDEFINED, Value, key

__all__ = ["by_member", "by_value"]

_Functions: TypeAlias = tuple[Callable[..., Any], ...]
_NONE: _Functions = ()


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
