"""Between JSON documents and Rego values."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any, Final

from doorward.run.errors import BudgetExceeded
from doorward.run.values import Key, Value, number, ordered, unkey

__all__ = ["from_json", "to_json"]

_COMPOSITE: Final = frozenset({dict, list, tuple, set, frozenset})


def from_json(text: str | bytes) -> Value:
    """The value of a JSON text, with every digit of its numbers. Raises ValueError for anything else."""

    def decimal(digits: str) -> Any:
        return number(Decimal(digits))

    def refuse(name: str) -> Any:
        raise ValueError(f"`{name}` is not JSON")

    return json.loads(text, parse_float=decimal, parse_constant=refuse)


_MOST_PARTS: Final = 1_000_000


def to_json(value: Value) -> Any:
    """The value as JSON has it: sets as sorted arrays, keys that are not strings as their own JSON text.

    Numbers stay what they are; a `Decimal` is one that a float cannot hold. Raises BudgetExceeded for a value of
    more than a million parts: a few that stand in one another often enough write out to more than any memory holds.
    """
    left = _MOST_PARTS

    def plain(part: Value) -> Any:
        nonlocal left
        kind = type(part)
        if kind not in _COMPOSITE:
            return part
        left -= 1 + len(part)
        if left < 0:
            raise BudgetExceeded(f"the result has more than {_MOST_PARTS} parts")
        if kind is dict:
            return {_name(k): plain(v) for k, v in part.items()}
        return [plain(member) for member in (part if kind in (list, tuple) else ordered(map(unkey, part)))]

    return plain(value)


def _name(form: Any) -> str:
    if type(form) is str:
        return form
    plain = to_json(form.value if type(form) is Key else form)
    return json.dumps(plain, separators=(",", ":"), sort_keys=True, default=str)
