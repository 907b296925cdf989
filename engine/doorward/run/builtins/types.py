"""Tests and conversions of types."""

from __future__ import annotations

from typing import Final

from doorward.run.errors import BuiltinError
from doorward.run.values import Value, key, type_name

from .builtin import pure
from .numeric import parse_number
from .operands import ARRAYS, NUMBERS, SETS, members, wrong_type

__all__ = ["BUILTINS"]

_NOT_NUMBERS: Final = frozenset({"inf", "infinity", "nan"})
_LARGEST_DOUBLE: Final = 1.7976931348623157e308


def is_null(value: Value) -> bool:
    return value is None


def is_boolean(value: Value) -> bool:
    return type(value) is bool


def is_number(value: Value) -> bool:
    return type(value) in NUMBERS


def is_string(value: Value) -> bool:
    return type(value) is str


def is_array(value: Value) -> bool:
    return type(value) in ARRAYS


def is_object(value: Value) -> bool:
    return type(value) is dict


def is_set(value: Value) -> bool:
    return type(value) in SETS


def to_number(value: Value) -> Value:
    if value is None:
        return 0
    kind = type(value)
    if kind is bool:
        return int(value)
    if kind in NUMBERS:
        return value
    if kind is not str:
        raise wrong_type("to_number", 1, value, "null", "boolean", "number", "string")
    if value.lstrip("+-").lower() in _NOT_NUMBERS:
        raise wrong_type("to_number", 1, value, "valid number string")
    found = parse_number(value)
    if found is None:
        raise BuiltinError(f'to_number: strconv.ParseFloat: parsing "{value}": invalid syntax')
    if not -_LARGEST_DOUBLE <= found <= _LARGEST_DOUBLE:
        raise BuiltinError(f'to_number: strconv.ParseFloat: parsing "{value}": value out of range')
    return found


def cast_array(value: Value) -> Value:
    if type(value) in ARRAYS:
        return value
    if type(value) in SETS:
        return members(value)
    raise wrong_type("cast_array", 1, value, "array", "set")


def cast_set(value: Value) -> Value:
    if type(value) in SETS:
        return value
    if type(value) in ARRAYS:
        return frozenset(map(key, value))
    raise wrong_type("cast_set", 1, value, "array", "set")


def cast_string(value: Value) -> Value:
    return _itself("cast_string", value, "string")


def cast_boolean(value: Value) -> Value:
    return _itself("cast_boolean", value, "boolean")


def cast_null(value: Value) -> Value:
    return _itself("cast_null", value, "null")


def cast_object(value: Value) -> Value:
    return _itself("cast_object", value, "object")


def _itself(name: str, value: Value, wanted: str) -> Value:
    if type_name(value) != wanted:
        raise wrong_type(name, 1, value, wanted)
    return value


BUILTINS: Final = pure(
    {
        "is_null": is_null,
        "is_boolean": is_boolean,
        "is_number": is_number,
        "is_string": is_string,
        "is_array": is_array,
        "is_object": is_object,
        "is_set": is_set,
        "type_name": type_name,
        "to_number": to_number,
        "cast_array": cast_array,
        "cast_set": cast_set,
        "cast_string": cast_string,
        "cast_boolean": cast_boolean,
        "cast_null": cast_null,
        "cast_object": cast_object,
    }
)
