"""Finding, in the tables of an index, the functions that a request can concern."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain
from typing import Any, TypeAlias

from doorward.run.access import values
from doorward.run.context import CallContext
from doorward.run.values import UNDEFINED, Value, key

__all__ = ["Functions", "Prefixes", "by_member", "by_prefix", "by_value"]

_Functions: TypeAlias = tuple[Callable[..., Any], ...]
_NONE: _Functions = ()


class Functions(dict[Any, _Functions]):
    """A table by value (key form). What stands under a value is linked when somebody first asks for it.

    `positions` are those of the functions by value, `names` the functions' names by position; `link` gives a function by
    its name, the same each time.
    """

    __slots__ = ("_link", "_names", "positions")

    def __init__(
        self,
        positions: Mapping[Any, Iterable[int]],
        names: Mapping[int, str],
        link: Callable[[str], Callable[..., Any]],
    ) -> None:
        super().__init__()
        self.positions = positions
        self._names = names
        self._link = link

    def __missing__(self, value: Any) -> _Functions:
        positions = self.positions.get(value)
        if positions is None:
            return _NONE
        found = self[value] = tuple([self._link(self._names[position]) for position in positions])
        return found


class Prefixes:
    """A table by the beginning of a string: looking up costs one step for each length that a prefix has."""

    __slots__ = ("by_prefix", "lengths")

    def __init__(self, by_prefix: Functions) -> None:
        self.by_prefix = by_prefix
        self.lengths = sorted(set(map(len, by_prefix.positions)))

    @property
    def all(self) -> _Functions:
        """Every function in the table, once."""
        table = self.by_prefix
        return tuple(dict.fromkeys(one for prefix in table.positions for one in table[prefix]))


def by_prefix(call: CallContext, table: Prefixes, value: Value) -> Iterable[Callable[..., Any]]:
    """The functions that need a string with one of their prefixes; all, where the value is no string: they fail."""
    if type(value) is str:
        known, size = table.by_prefix, len(value)
        some = known.positions
        found = [
            known[start] for length in table.lengths if length <= size and (start := value[:length]) in some
        ]
        return found[0] if len(found) == 1 else chain.from_iterable(found)
    return _NONE if value is UNDEFINED else table.all


def by_value(call: CallContext, table: Functions, value: Value) -> _Functions:
    """The functions that need just this value."""
    if value is UNDEFINED:
        return _NONE
    return table[value if type(value) is str else key(value)]


def by_member(call: CallContext, table: Functions, value: Value) -> Iterable[Callable[..., Any]]:
    """The functions that need one of the value's members."""
    return _by_member(table, values(call, value)) if value is not UNDEFINED else _NONE


def _by_member(table: Functions, members: Iterable[Value]) -> Iterator[Callable[..., Any]]:
    seen = set()
    for member in members:
        form = key(member)
        if form not in seen:
            seen.add(form)
            yield from table[form]
