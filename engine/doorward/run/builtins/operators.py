"""The operators, `walk` and membership: what the compiler calls for infix notation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from doorward.run.errors import BuiltinError
from doorward.run.values import Value, compare, equal, key

from .builtin import Builtin, pure
from .numeric import Number, Wide, sized, wide
from .operands import ARRAYS, NUMBERS, SETS, exact_integer, items, members, number, set_of, wrong_type

__all__ = ["BUILTINS", "walk"]


def plus(left: Value, right: Value) -> Value:
    if type(left) is int and type(right) is int:
        return left + right
    x, y = number("plus", 1, left), number("plus", 2, right)
    a, b = exact_integer(x), exact_integer(y)
    return a + b if a is not None and b is not None else (wide(x) + wide(y)).number()


def minus(left: Value, right: Value) -> Value:
    if type(left) is int and type(right) is int:
        return left - right
    if type(left) in SETS and type(right) in SETS:
        return left - right
    if type(left) in NUMBERS and type(right) in NUMBERS:
        a, b = exact_integer(left), exact_integer(right)
        return a - b if a is not None and b is not None else (wide(left) - wide(right)).number()
    if type(left) not in NUMBERS and type(left) not in SETS:
        raise wrong_type("minus", 1, left, "number", "set")
    raise wrong_type("minus", 2, right, "set" if type(right) in NUMBERS else "number")


def mul(left: Value, right: Value) -> Value:
    if type(left) is int and type(right) is int:
        return sized("mul", left * right)
    x, y = number("mul", 1, left), number("mul", 2, right)
    a, b = exact_integer(x), exact_integer(y)
    return sized("mul", a * b) if a is not None and b is not None else (wide(x) * wide(y)).number()


def div(left: Value, right: Value) -> Value:
    x, y = number("div", 1, left), number("div", 2, right)
    if y == 0:
        raise BuiltinError("div: divide by zero")
    return (wide(x) / wide(y)).number()


def _small(value: Number) -> bool:
    """Whether the number is an integer that needs no rounding to 64 bits."""
    return type(value) is int and value.bit_length() <= 64


def rem(left: Value, right: Value) -> Value:
    x, y = exact_integer(number("rem", 1, left)), exact_integer(number("rem", 2, right))
    if x is None or y is None:
        raise BuiltinError("rem: modulo on floating-point number")
    if y == 0:
        raise BuiltinError("rem: modulo by zero")
    rest = abs(x) % abs(y)
    return -rest if x < 0 else rest


def absolute(value: Value) -> Value:
    x = number("abs", 1, value)
    if _small(x):
        return abs(x)
    approximate = wide(x)
    return Wide(abs(approximate.significand), approximate.exponent).number()


def rounded(value: Value) -> Value:
    x = number("round", 1, value)
    if _small(x):
        return x
    approximate = wide(x)
    return (approximate + Wide(-1 if approximate.significand < 0 else 1, -1)).truncated()


def ceil(value: Value) -> Value:
    x = number("ceil", 1, value)
    if _small(x):
        return x
    approximate = wide(x)
    whole = approximate.truncated()
    # like OPA, where what is truncated to zero has lost its sign: `ceil(-0.5)` is 1
    return whole if whole < 0 or _is(approximate, whole) else whole + 1


def floor(value: Value) -> Value:
    x = number("floor", 1, value)
    if _small(x):
        return x
    approximate = wide(x)
    whole = approximate.truncated()
    return whole if whole >= 0 or _is(approximate, whole) else whole - 1


def _is(approximate: Wide, whole: int) -> bool:
    return (approximate - wide(whole)).significand == 0


def intersect(left: Value, right: Value) -> Value:
    return set_of("and", 1, left) & set_of("and", 2, right)


def unite(left: Value, right: Value) -> Value:
    return set_of("or", 1, left) | set_of("or", 2, right)


def differ(left: Value, right: Value) -> bool:
    return not equal(left, right)


def less(left: Value, right: Value) -> bool:
    return compare(left, right) < 0


def less_or_equal(left: Value, right: Value) -> bool:
    return compare(left, right) <= 0


def greater(left: Value, right: Value) -> bool:
    return compare(left, right) > 0


def greater_or_equal(left: Value, right: Value) -> bool:
    return compare(left, right) >= 0


def member(value: Value, collection: Value) -> bool:
    kind = type(collection)
    if kind in SETS:
        return key(value) in collection
    if kind in ARRAYS:
        return any(equal(value, item) for item in collection)
    if kind is dict:
        return any(equal(value, item) for item in collection.values())
    return False


def member_at(place: Value, value: Value, collection: Value) -> bool:
    kind = type(collection)
    if kind in SETS:
        return key(place) in collection and equal(place, value)
    if kind in ARRAYS:
        index = exact_integer(place) if type(place) in NUMBERS else None
        return index is not None and 0 <= index < len(collection) and equal(collection[index], value)
    if kind is dict:
        form = key(place)
        return form in collection and equal(collection[form], value)
    return False


def walk(value: Value) -> Iterator[list[Value]]:
    """Every nested value as `[path, value]`, parents before their parts; a relation."""
    waiting: list[tuple[list[Value], Value]] = [([], value)]
    while waiting:
        path, here = waiting.pop()
        yield [path, here]
        kind = type(here)
        if kind in ARRAYS:
            parts: list[tuple[Value, Value]] = list(enumerate(here))
        elif kind is dict:
            parts = items(here)
        elif kind in SETS:
            parts = [(item, item) for item in members(here)]
        else:
            continue
        waiting.extend(([*path, step], part) for step, part in reversed(parts))


BUILTINS: Final = {
    **pure(
        {
            "plus": plus,
            "minus": minus,
            "mul": mul,
            "div": div,
            "rem": rem,
            "abs": absolute,
            "round": rounded,
            "ceil": ceil,
            "floor": floor,
            "and": intersect,
            "or": unite,
            "eq": equal,
            "assign": equal,
            "equal": equal,
            "neq": differ,
            "lt": less,
            "lte": less_or_equal,
            "gt": greater,
            "gte": greater_or_equal,
            "internal.member_2": member,
            "internal.member_3": member_at,
        }
    ),
    "walk": Builtin("walk", walk, relation=True),
}
