"""Quantities with units, semantic versions and UUIDs: small texts with a grammar of their own."""

from __future__ import annotations

import re
from decimal import ROUND_HALF_UP, Decimal, localcontext
from fractions import Fraction
from typing import Final

from doorward.run.errors import BuiltinError
from doorward.run.values import UNDEFINED, Value

from .builtin import BuiltinCall, pure
from .effectful import effectful
from .numeric import parse_number, simplest, sized, wide
from .operands import string
from .terms import quoted

__all__ = ["BUILTINS"]

_DECIMAL: Final = {letter: 1000**power for power, letter in enumerate("kmgtpe", start=1)}
_BINARY: Final = {letter: 1024**power for power, letter in enumerate("kmgtpe", start=1)}
# what Go's 0.001 is, since that is what a milli multiplies by
_MILLI: Final = Fraction(0.001)


def _amount_and_unit(name: str, text: str) -> tuple[str, str]:
    """The number at the start of a text, which may have an exponent, and what follows it."""
    place = 0
    while place < len(text):
        char = text[place]
        if char in "eE":
            exponent = re.match(r"[-+]?([0-9]*)", text[place + 1 :])
            if exponent is None or not exponent.group():
                break
            if len(exponent[1]) > 6:
                raise BuiltinError(f"{name}: {name}: exponent too large")
            place += 1 + (exponent.group()[0] in "-+")
        elif char not in "0123456789.+-":
            break
        place += 1
    return text[:place], text[place:]


def _checked(name: str, text: str, what: str) -> tuple[str, str]:
    text = text.replace('"', "")
    if " " in text:
        raise BuiltinError(f"{name}: {name}: spaces not allowed in resource strings")
    amount, unit = _amount_and_unit(name, text)
    if not amount:
        raise BuiltinError(f"{name}: {name}: no {what} provided")
    return amount, unit


def parse_units(value: Value) -> Value:
    name = "units.parse"
    amount, unit = _checked(name, string(name, 1, value), "amount")
    unit = unit[:1] + unit[1:].lower()
    factor: int | Fraction
    if unit in ("", "m", "M"):
        factor = _MILLI if unit == "m" else 1000**2 if unit else 1
    elif unit.lower() in _DECIMAL:
        factor = _DECIMAL[unit.lower()]
    elif len(unit) == 2 and unit[1] == "i" and unit[0].lower() in _BINARY:
        factor = _BINARY[unit[0].lower()]
    else:
        raise BuiltinError(f"{name}: {name}: unit {unit} not recognized")
    number = parse_number(amount)
    if number is None:
        raise BuiltinError(f"{name}: {name}: could not parse amount to a number")
    exact = Fraction(Decimal(amount)) * factor
    if exact.denominator == 1:
        return sized(name, exact.numerator)
    with localcontext() as context:
        context.prec = 5_000
        rounded = (Decimal(exact.numerator) / Decimal(exact.denominator)).quantize(
            Decimal("1e-10"), ROUND_HALF_UP
        )
    return simplest(rounded, keep_point=True)


def parse_bytes(value: Value) -> Value:
    name = "units.parse_bytes"
    amount, unit = _checked(name, string(name, 1, value).lower(), "byte amount")
    bare = unit.removesuffix("b") if len(unit) > 1 else unit
    if bare == "":
        factor = 1
    elif bare in _DECIMAL:
        factor = _DECIMAL[bare]
    elif len(bare) == 2 and bare[1] == "i" and bare[0] in _BINARY:
        factor = _BINARY[bare[0]]
    else:
        raise BuiltinError(f"{name}: {name}: byte unit {unit} not recognized")
    number = parse_number(amount)
    if number is None:
        raise BuiltinError(f"{name}: {name}: could not parse byte amount to a number")
    return sized(name, (wide(number) * wide(factor)).truncated())


_VERSION: Final = re.compile(
    r"v?(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)"
    r"(?:-((?:0|[1-9][0-9]*|[0-9]*[A-Za-z-][0-9A-Za-z-]*)(?:\.(?:0|[1-9][0-9]*|[0-9]*[A-Za-z-][0-9A-Za-z-]*))*))?"
    r"(?:\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?",
    re.ASCII,
)
_MAX_VERSION: Final = 1_000

_Version = tuple[tuple[int, ...], tuple[tuple[int, int, str], ...]]


def _version(text: str) -> _Version | None:
    """A version so that Python orders it; None where the text is none. Identifiers of digits come before
    others.
    """
    match = _VERSION.fullmatch(text) if len(text) <= _MAX_VERSION else None
    if match is None:
        return None
    numbers = tuple(map(int, match.groups()[:3]))
    if max(numbers) >= 1 << 63:
        return None
    if match[4] is None:
        return numbers, ((2, 0, ""),)  # no pre-release is after every pre-release
    parts = match[4].split(".")
    return numbers, tuple((0, int(part), "") if part.isdigit() else (1, 0, part) for part in parts)


def semver_compare(left: Value, right: Value) -> Value:
    name = "semver.compare"
    versions = []
    for position, value in enumerate((string(name, 1, left), string(name, 2, right)), start=1):
        version = _version(value)
        if version is None:
            raise BuiltinError(f"{name}: operand {position}: string {quoted(value)} is not a valid SemVer")
        versions.append(version)
    return (versions[0] > versions[1]) - (versions[0] < versions[1])


def semver_is_valid(value: Value) -> bool:
    return type(value) is str and _version(value) is not None


_UUID: Final = re.compile(
    r"(?:urn:uuid:)?([0-9a-f]{8})-([0-9a-f]{4})-([0-9a-f]{4})-([0-9a-f]{4})-([0-9a-f]{12})|([0-9a-f]{32})",
    re.IGNORECASE | re.ASCII,
)
# 100 ns intervals from the start of the Gregorian calendar to 1970
_GREGORIAN: Final = 0x01B21DD213814000


def uuid_parse(value: Value) -> Value:
    text = string("uuid.parse", 1, value)
    if len(text) == 38:
        text = text[1:-1]  # in braces; what stands there is not looked at
    match = _UUID.fullmatch(text)
    if match is None:
        return UNDEFINED
    data = bytes.fromhex("".join(part for part in match.groups() if part))
    version = data[6] >> 4
    found: dict[str, Value] = {"version": version, "variant": _variant(data[8])}
    if version in (1, 2):
        ticks = int.from_bytes(data[6:8], "big") & 0x0FFF
        ticks = ticks << 48 | int.from_bytes(data[4:6], "big") << 32 | int.from_bytes(data[:4], "big")
        found["time"] = (ticks - _GREGORIAN) * 100
        found["nodeid"] = data[10:].hex("-")
        scope, kind = "local" if data[10] & 2 else "global", "multicast" if data[10] & 1 else "unicast"
        found["macvariables"] = f"{scope}:{kind}"
        found["clocksequence"] = int.from_bytes(data[8:10], "big") & 0x3FFF
    if version == 2:
        found["id"] = int.from_bytes(data[:4], "big")
        found["domain"] = {0: "Person", 1: "Group", 2: "Org"}.get(data[9], f"Domain{data[9]}")
    return found


def _variant(byte: int) -> str:
    if byte & 0xC0 == 0x80:
        return "RFC4122"
    if byte & 0xE0 == 0xC0:
        return "Microsoft"
    return "Future" if byte & 0xE0 == 0xE0 else "Reserved"


def uuid_random(call: BuiltinCall, label: Value) -> Value:
    bits = call.random().getrandbits(128)
    bits = bits & ~(0xF000 << 64) | 0x4000 << 64  # version 4
    bits = bits & ~(0xC000 << 48) | 0x8000 << 48  # variant of RFC 4122
    digits = f"{bits:032x}"
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


BUILTINS: Final = {
    **pure(
        {
            "units.parse": parse_units,
            "units.parse_bytes": parse_bytes,
            "semver.compare": semver_compare,
            "semver.is_valid": semver_is_valid,
            "uuid.parse": uuid_parse,
        }
    ),
    "uuid.rfc4122": effectful("uuid.rfc4122", uuid_random),
}
