"""Numbers as exact as they are written."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from doorward.run.values import number

__all__ = ["exact_number"]

_MAX_MAGNITUDE: Final = 1000
"""Decimal digits before or behind the point: an exponent must not make arithmetic cost more than its text."""


def exact_number(text: str) -> int | float | Decimal:
    """The Rego number for a JSON number with a fraction or an exponent. Raises ValueError."""
    exact = Decimal(text)
    if exact and abs(exact.adjusted()) > _MAX_MAGNITUDE:
        raise ValueError(f"the number `{text[:40]}` is too large or too small")
    return number(exact)
