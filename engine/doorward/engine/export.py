"""Rego values as JSON has them, the way OPA writes them."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

from doorward.run.values import Value, ordered, unkey

__all__ = ["to_json"]


def to_json(value: Value) -> Any:
    """The value in lists and dictionaries with text keys.

    A set becomes a sorted list; a key that is not a string becomes its JSON text. A number stays a
    `Decimal` only where neither an integer nor a float could hold it.
    """
    kind = type(value)
    if kind is str or value is None or kind is bool or kind is int:
        return value
    if kind is dict:
        return {_key(unkey(form)): to_json(item) for form, item in value.items()}
    if kind is list or kind is tuple:
        return [to_json(item) for item in value]
    if kind is set or kind is frozenset:
        return [to_json(item) for item in ordered(map(unkey, value))]
    if kind is Decimal:
        return int(value) if value == value.to_integral_value() else value
    return value


def _key(value: Value) -> str:
    if type(value) is str:
        return value
    return json.dumps(to_json(value), separators=(",", ":"), ensure_ascii=False, default=str)
