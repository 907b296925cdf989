"""Between JSON documents and Rego values."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

from doorward.run.values import Key, Value, ordered, unkey

__all__ = ["from_json", "to_json"]


def from_json(text: str | bytes) -> Value:
    """The value of a JSON text, with every digit of its numbers. Raises ValueError for anything else."""
    from doorward.run.values import number

    def decimal(digits: str) -> Any:
        return number(Decimal(digits))

    def refuse(name: str) -> Any:
        raise ValueError(f"`{name}` is not JSON")

    return json.loads(text, parse_float=decimal, parse_constant=refuse)


def to_json(value: Value) -> Any:
    """The value as JSON has it: sets as sorted arrays, keys that are not strings as their own JSON text.

    Numbers stay what they are; a `Decimal` is one that a float cannot hold.
    """
    kind = type(value)
    if kind is dict:
        return {_name(k): to_json(v) for k, v in value.items()}
    if kind is list or kind is tuple:
        return [to_json(item) for item in value]
    if kind is set or kind is frozenset:
        return [to_json(item) for item in ordered(map(unkey, value))]
    return value


def _name(form: Any) -> str:
    if type(form) is str:
        return form
    plain = to_json(form.value if type(form) is Key else form)
    return json.dumps(plain, separators=(",", ":"), sort_keys=True, default=str)
