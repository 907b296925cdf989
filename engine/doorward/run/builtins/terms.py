"""Values as Rego text, the form that `sprintf("%v")`, `print` and template strings show."""

from __future__ import annotations

from typing import Final

from doorward.run.errors import BuiltinError
from doorward.run.values import Value

from .numeric import number_text
from .operands import ARRAYS, NUMBERS, SETS, items, members

__all__ = ["MAX_NESTING", "bare", "quoted", "term_text"]

MAX_NESTING: Final = 200
"""The deepest nesting of a value that is written or read as text."""

_ESCAPES: Final = {
    "\a": "\\a",
    "\b": "\\b",
    "\f": "\\f",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    "\v": "\\v",
    "\\": "\\\\",
    '"': '\\"',
}


def quoted(text: str) -> str:
    """The string in double quotes; what does not print is escaped."""
    if text.isprintable() and '"' not in text and "\\" not in text:
        return f'"{text}"'
    return '"' + "".join(map(_escaped, text)) + '"'


def _escaped(char: str) -> str:
    if char in _ESCAPES:
        return _ESCAPES[char]
    if char.isprintable():
        return char
    code = ord(char)
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"  # a byte that is not UTF-8
    if code < 0x80:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def term_text(value: Value, depth: int = 0) -> str:
    """The value as Rego writes it: `{"a": [1, true]}`, `{1, 2}`, `set()`."""
    if depth > MAX_NESTING:
        raise BuiltinError(f"a value nested deeper than {MAX_NESTING} cannot be written")
    kind = type(value)
    if kind is str:
        return quoted(value)
    if value is None:
        return "null"
    if kind is bool:
        return "true" if value else "false"
    if kind in NUMBERS:
        return number_text(value)
    depth += 1
    if kind in ARRAYS:
        return "[" + ", ".join([term_text(item, depth) for item in value]) + "]"
    if kind is dict:
        pairs = [f"{term_text(k, depth)}: {term_text(v, depth)}" for k, v in items(value)]
        return "{" + ", ".join(pairs) + "}"
    if kind in SETS and value:
        return "{" + ", ".join([term_text(item, depth) for item in members(value)]) + "}"
    return "set()"


def bare(value: Value) -> str:
    """A string as it is, anything else as Rego writes it."""
    return value if type(value) is str else term_text(value)
