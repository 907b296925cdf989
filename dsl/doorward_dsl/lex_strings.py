"""What string, template and number literals stand for."""

from __future__ import annotations

import json
import re
from decimal import Decimal

__all__ = [
    "MAX_EXPONENT",
    "MAX_NUMBER_LENGTH",
    "duration_ms",
    "number_value",
    "string_value",
    "template_value",
]

MAX_NUMBER_LENGTH = 4300
"""Characters of a number; Python itself refuses to read longer integers."""

MAX_EXPONENT = 100_000
"""A larger power of ten would let a short number fill the memory."""

_UNITS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_SURROGATE = re.compile("[\ud800-\udfff]")


def string_value(text: str) -> str:
    """The text of a `"…"` or `` `…` `` literal. Raises ValueError with the reason."""
    if text[0] == "`" or "\\" not in text:
        return text[1:-1]
    return _unescape(text)


def template_value(text: str, raw: bool) -> str:
    """The text of a piece of a template string, without its marks. Raises ValueError with the reason."""
    if "\\" not in text:
        return text
    if raw:
        return text.replace("\\{", "{")
    pieces = re.sub(r"\\(.)", lambda match: "{" if match[1] == "{" else match[0], text, flags=re.DOTALL)
    return _unescape(f'"{pieces}"')


def _unescape(text: str) -> str:
    try:
        value: str = json.loads(text)
    except json.JSONDecodeError as error:
        reason = error.msg.lower()
        if "escape" in reason:
            wrong = (
                text[error.pos : error.pos + 2]
                if text[error.pos] == "\\"
                else text[error.pos - 1 : error.pos + 1]
            )
            raise ValueError(f"illegal escape sequence `{wrong}` in a string") from None
        raise ValueError("illegal control character in a string with escapes") from None
    return _SURROGATE.sub("\ufffd", value)


def number_value(text: str) -> int | Decimal:
    """The number a literal stands for, exactly. Raises ValueError with the reason."""
    if len(text) > MAX_NUMBER_LENGTH:
        raise ValueError(f"a number has at most {MAX_NUMBER_LENGTH} characters")
    if len(text) > 1 and text[0] == "0" and text[1] not in ".eE":
        raise ValueError("expected number without leading zero")
    if text.isdigit():
        return int(text)
    exponent = text.lower().partition("e")[2]
    if exponent and abs(int(exponent)) > MAX_EXPONENT:
        raise ValueError("number too big")
    return Decimal(text)


def duration_ms(text: str) -> int:
    """Milliseconds of `500ms`, `60s`, `15m`, `8h` or `7d`. Raises ValueError with the reason."""
    unit = text.lstrip("0123456789")
    digits = text[: len(text) - len(unit)]
    if unit not in _UNITS:
        raise ValueError(f"unknown unit `{unit}` of a duration")
    if len(digits) > 12:
        raise ValueError("the duration is too long")
    return int(digits) * _UNITS[unit]
