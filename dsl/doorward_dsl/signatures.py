"""What is known of the built-in functions without running them: `builtins.json`, read once."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Final

from doorward_dsl.types import FunctionType, from_signature

__all__ = ["OPERATORS", "Signature", "signatures", "stated_signatures"]


@dataclass(frozen=True, slots=True)
class Signature:
    """One built-in function."""

    name: str
    """Dotted, e.g. `"json.patch"`."""
    type: FunctionType
    deterministic: bool
    """Equal arguments give equal results, whenever asked."""
    relation: bool
    """A call has any number of answers, one after another (`walk`)."""
    deprecated: bool
    description: str

    @property
    def arity(self) -> int | None:
        """The number of arguments; None where any number will do."""
        return None if self.type.variadic else len(self.type.args)


def stated_signatures() -> Mapping[str, Mapping[str, Any]]:
    """`builtins.json` as it is written."""
    stated: dict[str, dict[str, Any]] = json.loads(
        files("doorward_dsl").joinpath("builtins.json").read_text("utf-8")
    )
    return stated


@cache
def signatures() -> Mapping[str, Signature]:
    """All built-in functions by dotted name, the operators' functions among them."""
    table = {}
    for name, entry in stated_signatures().items():
        result = entry["result"]
        kind = FunctionType(
            tuple(from_signature(arg) for arg in entry["args"]),
            None if result is None else from_signature(result),
            entry["variadic"],
        )
        table[name] = Signature(
            name,
            kind,
            deterministic=entry["deterministic"],
            relation=entry.get("relation", False),
            deprecated=entry.get("deprecated", False),
            description=entry["description"],
        )
    return table


OPERATORS: Final = {
    "plus": "+",
    "minus": "-",
    "mul": "*",
    "div": "/",
    "rem": "%",
    "and": "&",
    "or": "|",
    "equal": "==",
    "neq": "!=",
    "lt": "<",
    "lte": "<=",
    "gt": ">",
    "gte": ">=",
    "internal.member_2": "in",
    "internal.member_3": "in",
}
"""How the functions that operators stand for are written."""
