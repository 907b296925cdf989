"""Everything that belongs to one evaluation and to nothing else."""

from __future__ import annotations

import random
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

from doorward.run.budget import Budget, Limits
from doorward.run.effects import NOTHING_GRANTED, Effect, Effects, Grants
from doorward.run.values import UNDEFINED, Value

if TYPE_CHECKING:
    from doorward.run.joins import Indexes

__all__ = ["FIXED", "CallContext", "contexts_of"]

FIXED: Final = -1
"""Where `memo` keeps what `with` has put into the place of documents: no unit has this number."""

_DEFAULT_LIMITS: Final = Limits()
_NESTING_STEPS: Final = 8


class CallContext(Budget):
    """One evaluation: its clock, its budget, its input and what it has already worked out.

    Make a fresh one for each call; it is never shared between threads. `now_ns` is the only clock a policy
    sees, read once at the most. `strict` raises the errors of built-ins, where otherwise the expression is
    undefined; decisions are strict so that an error in a condition restricts instead of vanishing.
    `grants` say what built-ins may ask of the world beyond the request; what they were answered is in `recorded`.

    One is made for every decision, so it costs as little as an object can: it is its own budget, what few
    policies ask for (the clock, the cache of built-ins) is made when asked for, and what is the same for every
    evaluation of a query can stand on the class (see `contexts_of`).
    """

    _cache: dict[Any, Any] | None = None
    _now_ns: int | None = None
    asked_time: bool = False
    """Whether anything has asked for the instant of the evaluation."""
    strict: bool = True
    grants: Grants = NOTHING_GRANTED
    seed: int | None = None
    mocks: dict[str, Any] | None = None
    memo: dict[int, Value]
    input: Value = UNDEFINED
    data: Value = None
    indexes: Indexes | None = None
    """Those over the base documents, which live as long as `data` does; None where it is this evaluation's own."""

    def __init__(
        self,
        now_ns: int | None = None,
        limits: Limits = _DEFAULT_LIMITS,
        strict: bool = True,
        grants: Grants = NOTHING_GRANTED,
        seed: int | None = None,
    ) -> None:
        self._limits = limits
        self.left = limits.first
        self._now_ns = now_ns
        self.strict = strict
        self.grants = grants
        self.seed = seed
        self.memo = {}

    @property
    def now_ns(self) -> int:
        """The instant of the evaluation, in nanoseconds since 1970."""
        self.asked_time = True
        if self._now_ns is None:
            self._now_ns = time.time_ns()
        return self._now_ns

    def at(self, now_ns: int) -> None:
        """Fix the instant of the evaluation, before anything has asked for it."""
        self._now_ns = now_ns

    @property
    def cache(self) -> dict[Any, Any]:
        """What built-ins remember for the length of the evaluation."""
        if self._cache is None:
            self._cache = {}
        return self._cache

    @property
    def recorded(self) -> tuple[Effect, ...]:
        """What non-deterministic built-ins answered, in the order of asking."""
        effects: Effects | None = None if self._cache is None else self._cache.get(Effects)
        return () if effects is None else tuple(effects.recorded.values())

    def replay(self, effects: Iterable[Effect]) -> None:
        """Give these answers where they are asked for again, and ask nothing of the world."""
        self.cache[Effects] = Effects(effects)

    def random(self) -> random.Random:
        """The random numbers of this evaluation; reproducible when a seed was given."""
        made: random.Random | None = self.cache.get(random.Random)
        if made is None:
            made = self.cache[random.Random] = random.Random(self.seed)  # noqa: S311 - never for secrets
        return made

    def nested(self) -> CallContext:
        """A context for the inside of a `with`: same clock, budget and cache, nothing worked out yet.

        Takes steps, for rules that change the world for one another twice have exponentially much to work out.
        """
        self.charge(_NESTING_STEPS)
        return _Nested(self)


class _Nested(CallContext):
    """The inside of a `with`. What it spends and remembers, the evaluation around it spends and remembers."""

    def __init__(self, outer: CallContext) -> None:
        self._outer: CallContext = outer._outer if isinstance(outer, _Nested) else outer
        self.strict = outer.strict
        self.grants = outer.grants
        self.seed = outer.seed
        fixed = outer.memo.get(FIXED)
        self.memo = {} if fixed is None else {**fixed.units, FIXED: fixed}
        self.mocks = outer.mocks
        self.input = outer.input
        self.data = outer.data
        self.indexes = outer.indexes

    @property
    def left(self) -> int:
        """What is left of the budget of the whole evaluation."""
        return self._outer.left

    @left.setter
    def left(self, steps: int) -> None:
        self._outer.left = steps

    def more(self) -> None:
        """Refill the budget of the whole evaluation."""
        self._outer.more()

    @property
    def now_ns(self) -> int:
        """The instant of the whole evaluation."""
        return self._outer.now_ns

    @property
    def cache(self) -> dict[Any, Any]:
        """What built-ins remember for the length of the whole evaluation."""
        return self._outer.cache


def contexts_of(
    limits: Limits, *, strict: bool, grants: Grants, data: Value, indexes: Indexes
) -> type[CallContext]:
    """A class of contexts that have all this in common; of one made by calling it without arguments, `input` and
    `memo` are still to be set. Making one costs a third of what `CallContext` costs.
    """
    shared = {
        "__init__": object.__init__,
        "_limits": limits,
        "left": limits.first,
        "strict": strict,
        "grants": grants,
        "data": data,
        "indexes": indexes,
    }
    return type("CallContext", (CallContext,), shared)
