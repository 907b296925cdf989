"""Rego values in Python's own types.

| Rego    | Python                                                                    |
| ------- | ------------------------------------------------------------------------- |
| null    | `None`                                                                    |
| boolean | `bool`                                                                    |
| number  | `int`, `float`, or `Decimal` where a float would lose digits              |
| string  | `str`                                                                     |
| array   | `list` or `tuple`                                                         |
| object  | `dict` whose keys are *key forms*                                         |
| set     | `set` or `frozenset` of *key forms*                                       |

JSON as the parser gives it is already a Rego value. No value is changed once made.

A **key form** stands for a value where Python needs a hash: a string, a number or null stands for itself; a
boolean (which
Python would take for 0 or 1) and a composite are wrapped in a `Key`. `key` wraps, `unkey` unwraps, and both
are the
identity on what policies use nearly always: strings.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from decimal import Decimal
from functools import cmp_to_key
from typing import Any, Final, TypeAlias

__all__ = [
    "UNDEFINED",
    "Key",
    "Undefined",
    "Value",
    "compare",
    "equal",
    "key",
    "number",
    "ordered",
    "type_name",
    "unkey",
]

Value: TypeAlias = Any
"""None | bool | int | float | Decimal | str | list | tuple | dict | set | frozenset; see the table above."""


class Undefined:
    """The type of `UNDEFINED`, the absence of a value. Never inside another value."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "UNDEFINED"

    def __bool__(self) -> bool:
        raise TypeError("undefined has no truth value: compare with `is UNDEFINED`")


UNDEFINED: Final = Undefined()

_SELF_KEYED: Final = frozenset({str, int, float, Decimal, type(None)})
_COMPOSITE: Final = frozenset({list, tuple, dict, set, frozenset})


class Key:
    """A boolean or composite value as a member of a set or a key of an object: hashable, equal as Rego has
    it."""

    __slots__ = ("_hash", "value")

    def __init__(self, value: Value) -> None:
        self.value = value
        self._hash = _hash(value)

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        return type(other) is Key and self._hash == other._hash and equal(self.value, other.value)

    def __repr__(self) -> str:
        return f"Key({self.value!r})"


def _hash(value: Value) -> int:
    kind = type(value)
    if kind in _SELF_KEYED:
        return hash(value)
    if kind is bool:
        return hash((bool, value))
    return _hash_composite(value, {})


def _hash_composite(value: Value, known: dict[int, int]) -> int:
    """The hash of a composite. `known` holds those of its parts by identity: a value of few parts may hold
    them so often
    that going through all of it would never end.
    """
    made = known.get(id(value))
    if made is not None:
        return made
    kind = type(value)

    def part(member: Value) -> int:
        return _hash_composite(member, known) if type(member) in _COMPOSITE else _hash(member)

    if kind is list or kind is tuple:
        made = hash((list, tuple([part(member) for member in value])))
    elif kind is dict:
        made = hash((dict, frozenset((hash(k), part(v)) for k, v in value.items())))
    else:
        made = hash((set, frozenset(value)))
    known[id(value)] = made
    return made


def key(value: Value) -> Any:
    """The key form of a value."""
    return value if type(value) in _SELF_KEYED else Key(value)


def unkey(form: Any) -> Value:
    """The value that a key form stands for."""
    return form.value if type(form) is Key else form


_MAX_INTEGRAL_EXPONENT: Final = 4096


def number(exact: Decimal) -> int | float | Decimal:
    """The number in its plainest type: an int when it is whole, a float when that loses nothing, else as it
    is."""
    if not exact.is_finite():
        return float(exact)
    _, digits, exponent = exact.as_tuple()
    if isinstance(exponent, int) and exponent >= 0:
        # A whole number of absurd size stays in its short form: `1e999999999` must not fill the memory.
        return int(exact) if exponent <= _MAX_INTEGRAL_EXPONENT else exact
    if len(digits) <= _MAX_INTEGRAL_EXPONENT and exact == exact.to_integral_value():
        return int(exact)
    rounded = float(exact)
    return rounded if math.isfinite(rounded) and Decimal(repr(rounded)) == exact else exact


def equal(left: Value, right: Value) -> bool:
    """Rego equality: `true` is not `1`, `1` is `1.0`, composites by their members."""
    if left is right:
        return True
    a, b = type(left), type(right)
    if a is bool or b is bool:
        return False  # two equal booleans are one object
    if a in _COMPOSITE and b in _COMPOSITE:
        return _equal_composites(left, right, set())
    return bool(left == right)


def _equal_composites(left: Value, right: Value, known: set[tuple[int, int]]) -> bool:
    """Equality of composites. `known` holds the pairs of parts found equal, so that none is gone through
    twice."""
    a, b = type(left), type(right)
    if a is set or a is frozenset:
        return (b is set or b is frozenset) and bool(left == right)
    pair = (id(left), id(right))
    if pair in known:
        return True
    if a is dict:
        if b is not dict or len(left) != len(right):
            return False
        same = all(k in right and _equal_parts(v, right[k], known) for k, v in left.items())
    else:
        if (b is not list and b is not tuple) or len(left) != len(right):
            return False
        same = all(_equal_parts(v, w, known) for v, w in zip(left, right, strict=True))
    if same:
        known.add(pair)
    return same


def _equal_parts(left: Value, right: Value, known: set[tuple[int, int]]) -> bool:
    if left is right:
        return True
    if type(left) in _COMPOSITE and type(right) in _COMPOSITE:
        return _equal_composites(left, right, known)
    return equal(left, right)


def _rank(value: Value) -> int:
    if value is None:
        return 0
    kind = type(value)
    if kind is bool:
        return 1
    if kind is int or kind is float or kind is Decimal:
        return 2
    if kind is str:
        return 3
    if kind is list or kind is tuple:
        return 4
    if kind is dict:
        return 5
    return 6


def compare(left: Value, right: Value) -> int:
    """Rego's total order: null < booleans < numbers < strings < arrays < objects < sets; -1, 0 or 1."""
    return _compare(left, right, set())


def _compare(left: Value, right: Value, known: set[tuple[int, int]]) -> int:
    if left is right:
        return 0
    a, b = _rank(left), _rank(right)
    if a != b:
        return -1 if a < b else 1
    if a <= 3:
        return 0 if a == 0 else int(left > right) - int(left < right)
    pair = (id(left), id(right))
    if pair in known:
        return 0
    order = _compare_objects(left, right, known) if a == 5 else _compare_sequences(left, right, a == 6, known)
    if order == 0:
        known.add(pair)
    return order


def _compare_objects(left: Value, right: Value, known: set[tuple[int, int]]) -> int:
    for x, y in zip(ordered(map(unkey, left)), ordered(map(unkey, right)), strict=False):
        if order := _compare(x, y, known) or _compare(left[key(x)], right[key(y)], known):
            return order
    return (len(left) > len(right)) - (len(left) < len(right))


def _compare_sequences(left: Value, right: Value, sets: bool, known: set[tuple[int, int]]) -> int:
    if sets:
        left, right = ordered(map(unkey, left)), ordered(map(unkey, right))
    for x, y in zip(left, right, strict=False):
        if order := _compare(x, y, known):
            return order
    return (len(left) > len(right)) - (len(left) < len(right))


_by_order = cmp_to_key(compare)


def ordered(values: Iterable[Value]) -> list[Value]:
    """The values in Rego's total order."""
    items = list(values)
    kinds = set(map(type, items))
    if kinds == {str} or (kinds <= {int, float} and not any(map(_is_nan, items))):
        items.sort()
    else:
        items.sort(key=_by_order)
    return items


def _is_nan(value: float) -> bool:
    return type(value) is float and math.isnan(value)


def type_name(value: Value) -> str:
    """Rego's name of the type: null, boolean, number, string, array, object or set."""
    return ("null", "boolean", "number", "string", "array", "object", "set")[_rank(value)]
