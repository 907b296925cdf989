"""From Rego values to JSON documents."""

from __future__ import annotations

from typing import Any, Final

from doorward.run.builtins.json_text import json_text
from doorward.run.errors import BudgetExceeded
from doorward.run.values import Value, ordered, unkey

__all__ = ["to_json"]

_COMPOSITE: Final = frozenset({dict, list, tuple, set, frozenset})
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
            return {k if type(k) is str else _name(unkey(k)): plain(v) for k, v in part.items()}
        return [plain(member) for member in (part if kind in (list, tuple) else ordered(map(unkey, part)))]

    return plain(value)


def _name(key: Value) -> str:
    # by way of `to_json`, which bounds how much is written
    return json_text(to_json(key))
