"""Indexes over collections that are gone through again and again for the few members that equal something at hand.

What two loops have in common is looked up then, as databases join two tables by hashing one: so that each collection
is gone through once rather than one of them in every round of the other.

An index belongs to one collection, found by its identity and kept with it, so that none ever answers for another: not
inside a `with`, not for another request. Those over base documents live as long as these do; others, as the evaluation.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final, TypeAlias

from doorward.run.access import pairs, pairs_in_order, subpart, values, values_in_order
from doorward.run.context import CallContext
from doorward.run.values import UNDEFINED, Value, key

__all__ = ["FEW", "Indexes", "joined", "joined_pairs", "recall", "remember"]

FEW: Final = 12
"""So many members are gone through sooner than looked up."""

_BEFORE: Final = 2
"""How often a collection is gone through before it is worth an index, which costs about as much."""

_MOST_IN_A_CALL: Final = 64
"""Collections that an evaluation has indexes of at a time: each is kept from being forgotten."""

_LARGEST: Final = 1 << 60
"""Whole numbers beyond are looked at one by one: a request could choose them so that they all have the same hash."""

_COLLECTIONS: Final = frozenset({dict, list, tuple, set, frozenset})
_NONE: Final[tuple[Any, ...]] = ()

Path: TypeAlias = tuple[str | int, ...]
_Buckets: TypeAlias = dict[Any, tuple[Any, ...]]


class _Index:
    """What is known of one collection: how often it was gone through, and then its members by what they hold.

    `buckets` never change once they are there; `hopeless` are those that hold what cannot be looked up.
    """

    __slots__ = ("buckets", "hopeless", "source", "visits")

    def __init__(self, source: Value) -> None:
        self.source = source
        self.visits = 0
        self.hopeless = False
        self.buckets: _Buckets | None = None


class Indexes(dict[Any, _Index]):
    """Indexes by the identity of their collection and by what they are about.

    Any number of threads may share them: two may make the same one at the same time, and one of both is kept.
    """

    __slots__ = ("_most",)

    def __init__(self, most: int = 1024) -> None:
        super().__init__()
        self._most = most

    def of(self, source: Value, place: Any) -> _Index:
        """The index of a collection at its place, from now on."""
        if len(self) >= self._most:
            self.clear()
        found = self[place] = _Index(source)
        return found


def joined(
    call: CallContext,
    source: Value,
    wanted: Sequence[Value],
    by: tuple[Path, ...],
    lasting: bool,
    in_order: bool,
) -> Iterable[Value]:
    """Those members of a collection, in order, that can have at the paths `by` what is `wanted` there.

    `lasting`: the collection is part of the base documents of the context, or a constant.
    """
    if type(source) in _COLLECTIONS and len(source) > FEW:
        found = _members(call, source, wanted, by, lasting, False, in_order)
        if found is not None:
            return found
    return values_in_order(call, source) if in_order else values(call, source)


def joined_pairs(
    call: CallContext,
    source: Value,
    wanted: Sequence[Value],
    by: tuple[Path, ...],
    lasting: bool,
    in_order: bool,
) -> Iterable[tuple[Value, Value]]:
    """As `joined`, of keys and members."""
    if type(source) in _COLLECTIONS and len(source) > FEW:
        found = _members(call, source, wanted, by, lasting, True, in_order)
        if found is not None:
            return found
    return pairs_in_order(call, source) if in_order else pairs(call, source)


def _members(
    call: CallContext,
    source: Value,
    wanted: Sequence[Value],
    by: tuple[Path, ...],
    lasting: bool,
    paired: bool,
    in_order: bool,
) -> Sequence[Any] | None:
    """What an index has for what is wanted, or None where going through all members is better."""
    indexes = call.indexes if lasting else None
    if indexes is None:
        indexes = call.cache.get(Indexes)
        if indexes is None:
            indexes = call.cache[Indexes] = Indexes(_MOST_IN_A_CALL)
    place = id(source), by, paired, in_order
    index = indexes.get(place)
    if index is None:
        index = indexes.of(source, place)
    buckets = index.buckets
    if buckets is None:
        if index.hopeless:
            return None
        if index.visits < _BEFORE:
            index.visits += 1
            return None
        buckets = _buckets(call, source, by, paired, in_order)
        index.buckets, index.hopeless = buckets, buckets is None
        if buckets is None:
            return None
    form = wanted if len(wanted) == 1 and type(wanted[0]) is str else _form(wanted)
    found: Sequence[Any] = _NONE if form is None else buckets.get(form, _NONE)
    call.charge(1 + len(found))
    return found


def _form(wanted: Sequence[Value]) -> Any:
    """By what `wanted` is looked up; None where there is no such thing: collections are in no index."""
    forms = []
    for value in wanted:
        kind = type(value)
        if kind in _COLLECTIONS:
            return None
        forms.append(value if kind is str else key(value))
    return tuple(forms)


def _buckets(
    call: CallContext, source: Value, by: tuple[Path, ...], paired: bool, in_order: bool
) -> _Buckets | None:
    """The members by what they hold at some paths; None where that cannot be looked up. Costs twice as many steps."""
    call.charge(len(source))
    through = (pairs_in_order if in_order else pairs) if paired else (values_in_order if in_order else values)
    buckets: dict[Any, list[Any]] = {}
    for member in through(call, source):
        value = member[1] if paired else member
        forms = []
        for path in by:
            part = subpart(value, path)
            kind = type(part)
            if kind is bool:
                part = key(part)
            elif kind is int:
                if not -_LARGEST < part < _LARGEST:
                    return None
            elif kind is not str and kind is not float and part is not None:
                if part is UNDEFINED:
                    break
                return None
            forms.append(part)
        else:
            buckets.setdefault(tuple(forms), []).append(member)
    return {form: tuple(members) for form, members in buckets.items()}


def recall(results: dict[Any, Value], wanted: Sequence[Value]) -> Value:
    """What an earlier round came to with the same `wanted`, or UNDEFINED."""
    form = _form(wanted)
    return UNDEFINED if form is None else results.get(form, UNDEFINED)


def remember(
    results: dict[Any, Value] | None, wanted: Sequence[Value], result: Value
) -> dict[Any, Value] | None:
    """The results with another one."""
    form = _form(wanted)
    if form is None:
        return results
    if results is None:
        results = {}
    results[form] = result
    return results
