"""JSON in one spelling: compact, keys in order, numbers as they are."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import Any, Final

__all__ = ["Written", "canonical"]

_LINE_ENDS: Final = re.compile("[\u2028\u2029]")


class Written(str):
    """A number as it is written. Give it to `json.loads` as `parse_int` and `parse_float`."""

    __slots__ = ()


def canonical(document: Any) -> bytes:
    """The bytes of a JSON document, as Go spells them. Raises ValueError for text that is not Unicode, RecursionError."""
    parts: list[str] = []
    _write(document, parts)
    return "".join(parts).encode()


def _write(value: Any, parts: list[str]) -> None:
    if isinstance(value, dict):
        parts.append("{")
        for number, key in enumerate(sorted(value, key=str)):
            parts.append("," if number else "")
            parts.append(_text(str(key)) + ":")
            _write(value[key], parts)
        parts.append("}")
    elif isinstance(value, list):
        parts.append("[")
        for number, item in enumerate(value):
            parts.append("," if number else "")
            _write(item, parts)
        parts.append("]")
    elif isinstance(value, Written | Decimal):
        parts.append(str(value))
    elif isinstance(value, str):
        parts.append(_text(value))
    else:
        parts.append(json.dumps(value))


def _text(value: str) -> str:
    """As Go writes a string: plain text but for quotes, controls and JavaScript's line ends."""
    return _LINE_ENDS.sub(lambda found: f"\\u{ord(found[0]):04x}", json.dumps(value, ensure_ascii=False))
