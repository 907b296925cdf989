"""Numbers as exact as they are written."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import Any, Final

import orjson

from doorward.run.values import number

__all__ = ["exact_number", "exactly", "loads_exactly", "may_be_inexact"]

_LONG_NUMBER: Final = re.compile(rb"[\s:,\[-][0-9][0-9.]{15}|[eE]-[0-9]{3}")
"""Whatever might be a number that a 64-bit integer or a float cannot hold exactly."""

_NO_DIGITS: Final = bytes(set(range(256)) - set(b"0123456789."))

_MAX_MAGNITUDE: Final = 1000
"""Decimal digits before or behind the point: an exponent must not make arithmetic cost more than its text."""


def exact_number(text: str) -> int | float | Decimal:
    """The Rego number for a JSON number with a fraction or an exponent. Raises ValueError."""
    exact = Decimal(text)
    if exact and abs(exact.adjusted()) > _MAX_MAGNITUDE:
        raise ValueError(f"the number `{text[:40]}` is too large or too small")
    return number(exact)


def loads_exactly(text: bytes) -> Any:
    """JSON with its numbers as exact as they are written. Raises ValueError or ArithmeticError."""
    try:
        return exactly(text, orjson.loads(text))
    except orjson.JSONDecodeError as error:
        if "infinity" not in error.msg:
            raise
        document = json.loads(text, parse_float=exact_number, parse_constant=_refuse)
        json.dumps(document, ensure_ascii=False, default=str).encode()  # half a surrogate pair is no text
        return document


def _refuse(constant: str) -> Any:
    raise ValueError(f"`{constant}` is not JSON")


def may_be_inexact(text: bytes) -> bool:
    """Whether there may be a number in a JSON text that has to be read once more: certain where it says no.

    To count what numbers are made of takes a twentieth of the search for one: most texts have too little of it.
    """
    return len(text.translate(None, _NO_DIGITS)) >= 16 or b"e-" in text or b"E-" in text


def exactly(text: bytes, document: Any) -> Any:
    """The document of a JSON text that was read with fast numbers, with exact ones. Raises as `loads_exactly`."""
    return document if _LONG_NUMBER.search(text) is None else json.loads(text, parse_float=exact_number)
