"""Checks of arguments, shared by all families, with the messages that users of Rego know.

Each check takes the name of the built-in, the place of the operand (from 1) and the value, and returns the
value in the Python type that the name says, or raises `TypeMismatchError`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from decimal import Decimal
from typing import Any, Final

from doorward.run.errors import BuiltinError, TypeMismatchError
from doorward.run.values import Value, key, ordered, type_name, unkey

__all__ = [
    "ARRAYS",
    "MAX_EXPONENT",
    "MAX_ITEMS",
    "MAX_TEXT",
    "NUMBERS",
    "SETS",
    "array",
    "bounded",
    "exact_integer",
    "integer",
    "integral",
    "items",
    "mapping",
    "members",
    "number",
    "operand_error",
    "set_of",
    "string",
    "strings",
    "text",
    "utf8",
    "wrong_element",
    "wrong_type",
]

ARRAYS: Final = frozenset({list, tuple})
SETS: Final = frozenset({set, frozenset})
NUMBERS: Final = frozenset({int, float, Decimal})

MAX_TEXT: Final = 16 * 1024 * 1024
"""The longest string, in characters, that a built-in makes."""

MAX_ITEMS: Final = 1_000_000
"""The most members of a collection that a built-in makes."""

MAX_EXPONENT: Final = 4_000
"""The largest decimal exponent of a number that takes part in arithmetic."""

_INT64: Final = 1 << 63


def operand_error(name: str, position: int, problem: str) -> TypeMismatchError:
    """The error for an operand that `problem` describes, such as `must be …`."""
    return TypeMismatchError(f"{name}: operand {position} {problem}")


def wrong_type(name: str, position: int, got: Value, *expected: str) -> TypeMismatchError:
    """The error for an operand of the wrong type."""
    wanted = expected[0] if len(expected) == 1 else f"one of {{{', '.join(expected)}}}"
    return operand_error(name, position, f"must be {wanted} but got {type_name(got)}")


def wrong_element(
    name: str, position: int, composite: Value, got: Value, *expected: str
) -> TypeMismatchError:
    """The error for a collection with a member of the wrong type."""
    kind = type_name(composite)
    wanted = f"{expected[0]}s" if len(expected) == 1 else f"(any of) {{{', '.join(expected)}}}"
    return operand_error(
        name, position, f"must be {kind} of {wanted} but got {kind} containing {type_name(got)}"
    )


def string(name: str, position: int, value: Value) -> str:
    """A string."""
    if type(value) is str:
        return value
    raise wrong_type(name, position, value, "string")


def number(name: str, position: int, value: Value) -> int | float | Decimal:
    """A number."""
    if type(value) in NUMBERS:
        return value  # type: ignore[no-any-return]
    raise wrong_type(name, position, value, "number")


def integer(name: str, position: int, value: Value) -> int:
    """A number that is an integer of 64 bits."""
    exact = exact_integer(value) if type(value) in NUMBERS else _not_a_number(name, position, value, "number")
    if exact is None or not -_INT64 <= exact < _INT64:
        raise operand_error(name, position, "must be integer number but got floating-point number")
    return exact


def integral(name: str, position: int, value: Value) -> int:
    """A number without a fraction, of any size."""
    exact = (
        exact_integer(value) if type(value) in NUMBERS else _not_a_number(name, position, value, "integer")
    )
    if exact is None:
        raise operand_error(name, position, "must be integer number but got floating-point number")
    return exact


def _not_a_number(name: str, position: int, value: Value, expected: str) -> int:
    raise wrong_type(name, position, value, expected)


def exact_integer(value: int | float | Decimal) -> int | None:
    """The integer that a number is, as it is written: `1e23` is a one and 23 zeros."""
    if type(value) is int:
        return value
    exact = Decimal(repr(value)) if type(value) is float else Decimal(value)
    if not exact.is_finite() or exact.adjusted() > MAX_EXPONENT or exact != exact.to_integral_value():
        return None
    return int(exact)


def array(name: str, position: int, value: Value) -> Sequence[Value]:
    """An array."""
    if type(value) in ARRAYS:
        return value  # type: ignore[no-any-return]
    raise wrong_type(name, position, value, "array")


def mapping(name: str, position: int, value: Value) -> dict[Any, Value]:
    """An object: a dict with key forms."""
    if type(value) is dict:
        return value
    raise wrong_type(name, position, value, "object")


def set_of(name: str, position: int, value: Value) -> AbstractSet[Any]:
    """A set of key forms."""
    if type(value) in SETS:
        return value  # type: ignore[no-any-return]
    raise wrong_type(name, position, value, "set")


def members(value: AbstractSet[Any]) -> list[Value]:
    """The members of a set, in order."""
    return ordered(map(unkey, value))


def items(value: Mapping[Any, Value]) -> list[tuple[Value, Value]]:
    """The keys (as values) and values of an object, in order of the keys."""
    return [(plain, value[key(plain)]) for plain in ordered(map(unkey, value))]


def strings(name: str, position: int, value: Value) -> list[str]:
    """An array or set of strings, in order."""
    if type(value) in SETS:
        texts: Sequence[Value] = members(value)
    elif type(value) in ARRAYS:
        texts = value
    else:
        raise wrong_type(name, position, value, "array", "set")
    for item in texts:
        if type(item) is not str:
            raise wrong_element(name, position, value, item, "string")
    return list(texts)


def bounded(name: str, size: int, limit: int = MAX_TEXT) -> None:
    """Refuse to make a result of `size` when that is over the limit."""
    if size > limit:
        raise BuiltinError(f"{name}: the result would have a size of {size}, more than the limit of {limit}")


def utf8(value: str) -> bytes:
    """The bytes of a string; bytes that are not UTF-8 come back as `text` took them in."""
    try:
        return value.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return value.encode("utf-8", "replace")


def text(data: bytes) -> str:
    """The string of some bytes; those that are not UTF-8 are kept as lone surrogates, so that `utf8` gives
    them back.
    """
    return data.decode("utf-8", "surrogateescape")
