"""Ranges, bits and random numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from doorward.run.errors import BuiltinError
from doorward.run.values import Value

from .builtin import BuiltinCall, pure
from .effectful import effectful
from .numeric import sized
from .operands import bounded, integer, integral, operand_error, string

__all__ = ["BUILTINS", "MAX_RANGE"]

MAX_RANGE: Final = 1_000_000
"""The most numbers that a range makes."""

_MAX_SHIFT: Final = 16_384


def _range(name: str, first: int, last: int, step: int) -> Value:
    bounded(name, abs(last - first) // step + 1, MAX_RANGE)
    return list(range(first, last + 1, step) if first <= last else range(first, last - 1, -step))


def span(first: Value, last: Value) -> Value:
    return _range("numbers.range", integral("numbers.range", 1, first), integral("numbers.range", 2, last), 1)


def strides(first: Value, last: Value, step: Value) -> Value:
    name = "numbers.range_step"
    low, high, width = integral(name, 1, first), integral(name, 2, last), integral(name, 3, step)
    if width <= 0:
        raise BuiltinError(f"{name}: numbers.range_step: step must be a positive integer")
    return _range(name, low, high, width)


def _bits(name: str, operation: Callable[[int, int], int]) -> Callable[[Value, Value], Value]:
    def combine(left: Value, right: Value) -> Value:
        return operation(integral(name, 1, left), integral(name, 2, right))

    return combine


def negate(value: Value) -> Value:
    return ~integral("bits.negate", 1, value)


def shift_left(value: Value, places: Value) -> Value:
    number, shift = integral("bits.lsh", 1, value), _places("bits.lsh", places)
    if number == 0:
        return 0
    if shift > _MAX_SHIFT:
        raise BuiltinError(f"bits.lsh: a shift by more than {_MAX_SHIFT} places is refused")
    return sized("bits.lsh", number << shift)


def shift_right(value: Value, places: Value) -> Value:
    return integral("bits.rsh", 1, value) >> min(_places("bits.rsh", places), _MAX_SHIFT)


def _places(name: str, places: Value) -> int:
    shift = integral(name, 2, places)
    if shift < 0:
        raise operand_error(name, 2, "must be an unsigned integer number but got a negative integer")
    return shift


def random_integer(call: BuiltinCall, label: Value, bound: Value) -> Value:
    string("rand.intn", 1, label)
    limit = abs(integer("rand.intn", 2, bound))
    return call.random().randrange(limit) if limit else 0


BUILTINS: Final = {
    **pure(
        {
            "numbers.range": span,
            "numbers.range_step": strides,
            "bits.and": _bits("bits.and", int.__and__),
            "bits.or": _bits("bits.or", int.__or__),
            "bits.xor": _bits("bits.xor", int.__xor__),
            "bits.negate": negate,
            "bits.lsh": shift_left,
            "bits.rsh": shift_right,
        }
    ),
    "rand.intn": effectful("rand.intn", random_integer),
}
