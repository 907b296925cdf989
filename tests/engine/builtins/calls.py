"""Calls of built-ins in tests: the context, and values as JSON can write them."""

from __future__ import annotations

import inspect
import random
from decimal import Decimal
from typing import Any

from doorward.run.builtins import BUILTINS
from doorward.run.effects import NONDETERMINISTIC, Grants
from doorward.run.errors import BudgetExceeded
from doorward.run.values import Value, key

__all__ = ["NOW", "Call", "call", "parameters", "value"]

NOW = 1_700_000_000_123_456_789


class Call:
    """A query's context with a fixed clock and fixed randomness."""

    def __init__(self, *hosts: str, now_ns: int = NOW, steps: int = 20_000_000) -> None:
        self.now_ns = now_ns
        self.cache: dict[Any, Any] = {}
        self.grants = Grants(NONDETERMINISTIC, frozenset(hosts))
        self.charged = 0
        self._steps = steps
        self._random = random.Random(7)

    def charge(self, steps: int) -> None:
        self.charged += steps
        if self.charged > self._steps:
            raise BudgetExceeded(f"more than {self._steps} steps")

    def random(self) -> random.Random:
        return self._random


def call(name: str, *arguments: Value, context: Call | None = None) -> Value:
    """The result of a built-in."""
    builtin = BUILTINS[name]
    return builtin.call(*([context or Call()] if builtin.needs_call else []), *arguments)


def parameters(name: str) -> list[inspect.Parameter]:
    """The parameters of a built-in that policies give arguments for."""
    listed = inspect.signature(BUILTINS[name].call).parameters.values()
    return [parameter for parameter in listed if parameter.name not in ("call", "meter")]


def value(written: Any) -> Value:
    """The value that tagged JSON stands for: `$set`, `$object` (a list of pairs) and `$number` are what JSON has not."""
    if isinstance(written, list):
        return [value(item) for item in written]
    if not isinstance(written, dict):
        return written
    if "$set" in written:
        return frozenset(key(value(item)) for item in written["$set"])
    if "$object" in written:
        return {key(value(k)): value(v) for k, v in written["$object"]}
    if "$number" in written:
        return Decimal(written["$number"])
    return {name: value(item) for name, item in written.items()}
