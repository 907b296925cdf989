"""Everything that belongs to one evaluation and to nothing else."""

from __future__ import annotations

import random
import time
from typing import Any

from doorward.run.budget import Budget, Limits
from doorward.run.values import UNDEFINED, Value

__all__ = ["CallContext"]

_NO_CAPABILITIES: frozenset[str] = frozenset()
_DEFAULT_LIMITS = Limits()


class CallContext:
    """One evaluation: its clock, its budget, its input and what it has already worked out.

    Make a fresh one for each call; it is never shared between threads. `now_ns` is the only clock a policy
    sees.
    `strict` raises the errors of built-ins, where otherwise the expression is undefined; decisions are
    strict so that
    an error in a condition restricts instead of vanishing. `capabilities` name what built-ins may do beyond
    computing.
    """

    __slots__ = (
        "budget",
        "cache",
        "capabilities",
        "data",
        "input",
        "memo",
        "mocks",
        "now_ns",
        "seed",
        "strict",
    )

    def __init__(
        self,
        *,
        now_ns: int | None = None,
        limits: Limits = _DEFAULT_LIMITS,
        strict: bool = True,
        capabilities: frozenset[str] = _NO_CAPABILITIES,
        seed: int | None = None,
    ) -> None:
        self.now_ns = time.time_ns() if now_ns is None else now_ns
        self.budget = Budget(limits)
        self.strict = strict
        self.capabilities = capabilities
        self.seed = seed
        self.cache: dict[Any, Any] = {}
        self.memo: dict[int, Value] = {}
        self.mocks: dict[str, Any] | None = None
        self.input: Value = UNDEFINED
        self.data: Value = {}

    def random(self) -> random.Random:
        """The random numbers of this evaluation; reproducible when a seed was given."""
        made: random.Random | None = self.cache.get(random.Random)
        if made is None:
            made = self.cache[random.Random] = random.Random(self.seed)  # noqa: S311 - never for secrets
        return made

    def nested(self) -> CallContext:
        """A context for the inside of a `with`: same clock, budget and cache, nothing worked out yet."""
        inner = CallContext.__new__(CallContext)
        inner.now_ns = self.now_ns
        inner.budget = self.budget
        inner.strict = self.strict
        inner.capabilities = self.capabilities
        inner.seed = self.seed
        inner.cache = self.cache
        inner.memo = {}
        inner.mocks = self.mocks
        inner.input = self.input
        inner.data = self.data
        return inner
