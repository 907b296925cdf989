"""Numbers as Rego computes and prints them.

Integers are exact, of any size. Whatever has a fraction goes through binary floating point with a significand
of 64 bits, rounded to nearest even, and comes back as the shortest decimal that stands for the result: `0.1 +
0.2` is `0.3`, and `1 / 3` is `0.33333333333333333334`. A double has 53 bits, so such results are `Decimal`
where a `float` would lose digits.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Final

from doorward.run.errors import BuiltinError

from .operands import MAX_EXPONENT

__all__ = ["MAX_DIGITS", "Number", "Wide", "number_text", "parse_number", "simplest", "sized", "wide"]

Number = int | float | Decimal

MAX_DIGITS: Final = 4_000
"""The most decimal digits of an integer that a built-in makes; Python itself refuses to print more than
4,300.
"""

_MAX_BITS: Final = MAX_DIGITS * 3322 // 1000
_MOST_BITS: Final = (MAX_EXPONENT + 1) * 3322 // 1000
_PRECISION: Final = 64
_NUMBER: Final = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)


def sized(name: str, value: int) -> int:
    """The integer, unless it has grown over `MAX_DIGITS`."""
    if value.bit_length() > _MAX_BITS:
        raise BuiltinError(f"{name}: the result has more than {MAX_DIGITS} digits")
    return value


def parse_number(text: str) -> Number | None:
    """The number that a decimal text stands for, None where it is not one or is out of range."""
    if len(text) > MAX_DIGITS or _NUMBER.fullmatch(text) is None:
        return None
    try:
        return simplest(Decimal(text), keep_point="." in text or "e" in text.lower())
    except InvalidOperation:
        return None


def simplest(value: Decimal, *, keep_point: bool = False) -> Number | None:
    """The number in the plainest Python type that loses nothing, None when its exponent is out of range.

    With `keep_point` a number without a fraction stays a float, as JSON's `1.0` does.
    """
    if not -MAX_EXPONENT <= value.adjusted() <= MAX_EXPONENT:
        return None if value else 0
    if not keep_point and value == value.to_integral_value():
        return int(value)
    double = float(value)
    return double if abs(double) != float("inf") and Decimal(repr(double)) == value else value


def number_text(value: Number) -> str:
    """The number as JSON and Rego write it."""
    if type(value) is float:
        text = repr(value)
        if "e" not in text:
            return text
        decimal = Decimal(text)
        return format(decimal, "f") if -7 < decimal.adjusted() < 21 else text.replace("e-0", "e-")
    try:
        return str(value).lower()
    except ValueError:
        raise BuiltinError(f"a number of more than {MAX_DIGITS} digits cannot be written") from None


@dataclass(frozen=True, slots=True)
class Wide:
    """A binary floating-point number: `significand * 2 ** exponent`, the significand of at most `bits` bits.

    The result of an operation has the precision of its left operand.
    """

    significand: int
    exponent: int
    bits: int = _PRECISION

    def __add__(self, other: Wide) -> Wide:
        low = min(self.exponent, other.exponent)
        total = (self.significand << (self.exponent - low)) + (other.significand << (other.exponent - low))
        return _rounded(total, 1, low, self.bits)

    def __neg__(self) -> Wide:
        return Wide(-self.significand, self.exponent, self.bits)

    def __sub__(self, other: Wide) -> Wide:
        return self + -other

    def __mul__(self, other: Wide) -> Wide:
        return _rounded(self.significand * other.significand, 1, self.exponent + other.exponent, self.bits)

    def __truediv__(self, other: Wide) -> Wide:
        """The quotient; the divisor must not be zero."""
        return _rounded(self.significand, other.significand, self.exponent - other.exponent, self.bits)

    def truncated(self) -> int:
        """The integer part, towards zero."""
        size = abs(self.significand)
        size = size << self.exponent if self.exponent >= 0 else size >> -self.exponent
        return -size if self.significand < 0 else size

    def number(self) -> Number:
        """The number as Rego prints it: the shortest decimal that rounds to it."""
        if self.significand == 0:
            return 0
        if abs(self.exponent + self.significand.bit_length()) > _MOST_BITS:
            raise BuiltinError("the result of the calculation is out of range")
        whole = self.truncated()
        if self.exponent <= 0 and whole << -self.exponent == self.significand:
            return whole
        digits, exponent = _shortest(abs(self.significand), self.exponent, self.bits)
        decimal = Decimal((int(self.significand < 0), tuple(map(int, str(digits))), exponent))
        found = simplest(decimal)
        if found is None:
            raise BuiltinError("the result of the calculation is out of range")
        return found


def wide(value: Number) -> Wide:
    """The number as a `Wide`, rounded once from its decimal digits."""
    if type(value) is int:
        return _rounded(value, 1, 0)
    decimal = Decimal(repr(value)) if type(value) is float else Decimal(value)
    if not decimal.is_finite() or not -MAX_EXPONENT <= decimal.adjusted() <= MAX_EXPONENT:
        raise BuiltinError("a number with so large an exponent cannot be calculated with")
    numerator, denominator = decimal.as_integer_ratio()
    return _rounded(numerator, denominator, 0)


def _rounded(numerator: int, denominator: int, exponent: int, bits: int = _PRECISION) -> Wide:
    """`numerator / denominator * 2 ** exponent`, rounded to nearest even."""
    if numerator == 0:
        return Wide(0, 0, bits)
    negative = (numerator < 0) != (denominator < 0)
    numerator, denominator = abs(numerator), abs(denominator)
    if denominator == 1 and numerator.bit_length() <= bits:
        return Wide(-numerator if negative else numerator, exponent, bits)
    shift = bits + 1 - (numerator.bit_length() - denominator.bit_length())
    if shift > 0:
        numerator <<= shift
    else:
        denominator <<= -shift
    quotient, rest = divmod(numerator, denominator)
    spare = quotient.bit_length() - bits
    half, low = 1 << (spare - 1), quotient & ((1 << spare) - 1)
    quotient >>= spare
    if low > half or (low == half and (rest or quotient & 1)):
        quotient += 1
    return Wide(-quotient if negative else quotient, exponent - shift + spare, bits)


def _shortest(significand: int, exponent: int, bits: int) -> tuple[int, int]:
    """The shortest decimal `digits * 10 ** exponent` that rounds to `significand * 2 ** exponent`."""
    spare = bits - significand.bit_length()
    significand, exponent = significand << spare, exponent - spare
    # twice the value, so that the borders half a unit away are integers
    value, exponent = significand * 2, exponent - 1
    lower, upper = value - 1, value + 1
    inclusive = significand % 2 == 0
    top, bottom = (1 << exponent, 1) if exponent >= 0 else (1, 1 << -exponent)
    place = _decimal_places(value * top, bottom)
    while True:
        # units of 10 ** place
        up, down = (10**place, 1) if place >= 0 else (1, 10**-place)
        unit, numerator = bottom * up, top * down
        digits, rest = divmod(value * numerator, unit)
        fits_down = digits * unit > lower * numerator or (inclusive and digits * unit == lower * numerator)
        fits_up = (digits + 1) * unit < upper * numerator or (
            inclusive and (digits + 1) * unit == upper * numerator
        )
        if fits_down and fits_up:
            half = 2 * rest - unit
            return (digits + 1 if half > 0 or (half == 0 and digits % 2) else digits), place
        if fits_down and digits:
            return digits, place
        if fits_up:
            return digits + 1, place
        place -= 1


def _decimal_places(numerator: int, denominator: int) -> int:
    """The place of the first decimal digit of the quotient."""
    place = (numerator.bit_length() - denominator.bit_length()) * 30103 // 100000 + 1
    while numerator * 10 ** max(-place, 0) < denominator * 10 ** max(place, 0):
        place -= 1
    return place
