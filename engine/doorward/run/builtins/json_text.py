"""JSON: text from values and values from text."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from json.encoder import encode_basestring
from typing import Any, Final

from doorward.run.errors import BuiltinError
from doorward.run.values import Value, key, type_name

from .builtin import pure
from .numeric import Number, number_text, parse_number
from .operands import ARRAYS, NUMBERS, SETS, bounded, items, mapping, members, operand_error, string
from .terms import MAX_NESTING, quoted, term_text

__all__ = ["BUILTINS", "json_problem", "json_text", "json_value", "parse_json", "plain"]

_encode: Final[Callable[[str], str]] = encode_basestring
_SPECIAL: Final = re.compile("[<>&\u2028\u2029\ud800-\udfff]")
# an escape sequence; one that stands for half of a character comes without its other half
_LOW_HALF: Final = r"\\u[dD][c-fC-F][0-9a-fA-F]{2}"
_ESCAPES: Final = re.compile(
    rf"\\(?:u[dD][89abAB][0-9a-fA-F]{{2}}{_LOW_HALF}|(u[dD][89a-fA-F][0-9a-fA-F]{{2}})|.)", re.DOTALL
)


def plain(value: Value, depth: int = 0) -> Any:
    """The value as JSON has it: sets as arrays in order, keys as strings. New dicts and lists, numbers as
    they are.
    """
    if depth > MAX_NESTING:
        raise BuiltinError(f"a value nested deeper than {MAX_NESTING} cannot be written as JSON")
    kind = type(value)
    if kind is dict:
        return {k if type(k) is str else json_text(k): plain(v, depth + 1) for k, v in items(value)}
    if kind in ARRAYS:
        return [plain(item, depth + 1) for item in value]
    if kind in SETS:
        return [plain(item, depth + 1) for item in members(value)]
    return value


def json_text(value: Value) -> str:
    """The value as compact JSON, with sorted keys and escapes that are safe in HTML."""
    return _written(plain(value), "", "")


def _written(value: Any, line: str, indent: str) -> str:
    kind = type(value)
    if kind is str:
        return _quoted(value)
    if value is None:
        return "null"
    if kind is bool:
        return "true" if value else "false"
    if kind in NUMBERS:
        return number_text(value)
    inner = line + indent
    comma = "," + inner
    if kind is dict:
        if not value:
            return "{}"
        colon = ": " if line else ":"
        parts = [f"{_quoted(k)}{colon}{_written(value[k], inner, indent)}" for k in sorted(value)]
        return "{" + inner + comma.join(parts) + line + "}"
    if not value:
        return "[]"
    return "[" + inner + comma.join([_written(item, inner, indent) for item in value]) + line + "]"


def _quoted(text: str) -> str:
    encoded = _encode(text)
    return _SPECIAL.sub(_escaped, encoded) if _SPECIAL.search(encoded) else encoded


def _escaped(match: re.Match[str]) -> str:
    code = ord(match.group())
    return "\\ufffd" if 0xD800 <= code <= 0xDFFF else f"\\u{code:04x}"


def parse_json(text: str) -> Any:
    """The JSON value of a text, with numbers in full precision; raises ValueError."""
    if "\\u" in text:
        text = _ESCAPES.sub(lambda match: "\\ufffd" if match[1] else match[0], text)
    try:
        return json.loads(text, parse_float=_number, parse_int=_number, parse_constant=_no_constant)
    except RecursionError:
        raise ValueError("the document is nested too deeply") from None


def _number(text: str) -> Number:
    found = parse_number(text)
    if found is None:
        raise ValueError("a number is out of range")
    return found


def _no_constant(name: str) -> Any:
    raise ValueError(f"invalid character '{name[0]}' looking for beginning of value")


def json_value(data: Any) -> Value:
    """The Rego value of what a JSON parser or a library gives; keys that are not strings become their key
    forms.
    """
    if type(data) is dict:
        return {key(k): json_value(v) for k, v in data.items()}
    if type(data) in ARRAYS:
        return [json_value(item) for item in data]
    return data


def marshal(value: Value) -> Value:
    return json_text(value)


def marshal_with_options(value: Value, options: Value) -> Value:
    name = "json.marshal_with_options"
    prefix, indent, implied, asked = "", "\t", False, None
    for place, (option, setting) in enumerate(items(mapping(name, 2, options))):
        if option in ("prefix", "indent"):
            if type(setting) is not str:
                problem = f"operand {place} must be string but got {type_name(setting)}"
                raise operand_error(name, 2, f"key {quoted(option)} failed cast to string: {problem}")
            prefix, indent = (setting, indent) if option == "prefix" else (prefix, setting)
            implied = True
        elif option == "pretty":
            if type(setting) is not bool:
                raise operand_error(name, 2, 'key "pretty" failed cast to bool')
            asked = setting
        else:
            raise operand_error(name, 2, f"object contained unknown key {term_text(option)}")
    if not (implied if asked is None else asked):
        return json_text(value)
    laid_out = plain(value)
    bounded(name, len(prefix) + _size(laid_out, 1 + len(prefix), len(indent)))
    return prefix + _written(laid_out, "\n" + prefix, indent)


def _size(value: Any, line: int, indent: int) -> int:
    """How much white space laying out takes: `line` characters before each part, and `indent` more within it."""
    if type(value) is not dict and type(value) is not list:
        return 0
    inner = line + indent
    parts = value.values() if type(value) is dict else value
    return len(value) * inner + line + sum(_size(part, inner, indent) for part in parts)


def unmarshal(text: Value) -> Value:
    try:
        return parse_json(string("json.unmarshal", 1, text))
    except ValueError as error:
        raise BuiltinError(f"json.unmarshal: {json_problem(error)}") from None


def json_problem(error: ValueError) -> str:
    """What is wrong, in the words of Go's parser where they carry over."""
    if not isinstance(error, json.JSONDecodeError):
        return str(error)
    rest = error.doc[error.pos :].rstrip()
    if not error.doc.strip():
        return "EOF"
    cut_short = any(word.startswith(rest) for word in ("true", "false", "null"))
    if cut_short or rest == "-" or error.msg.startswith("Unterminated"):
        return "unexpected EOF"
    for start, place in _PLACES:
        if error.msg.startswith(start):
            return place.replace("?", repr(rest[0]))
    return f"invalid JSON: {error.msg.lower()} at line {error.lineno}, column {error.colno}"


_PLACES: Final = (
    ("Extra data", "error: invalid character ? after top-level value"),
    ("Expecting value", "invalid character ? looking for beginning of value"),
    ("Expecting property name", "invalid character ? looking for beginning of object key string"),
    ("Expecting ':'", "invalid character ? after object key"),
    ("Invalid control", "invalid character ? in string literal"),
    ("Invalid \\", "invalid character in string escape code"),
)


def is_valid(text: Value) -> bool:
    if type(text) is not str:
        return False
    try:
        json.loads(text, parse_float=str, parse_int=str, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return False
    return True


BUILTINS: Final = pure(
    {
        "json.marshal": marshal,
        "json.marshal_with_options": marshal_with_options,
        "json.unmarshal": unmarshal,
        "json.is_valid": is_valid,
    }
)
