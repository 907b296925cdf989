"""Budgets: an evaluation that would go on for too long ends in `BudgetExceeded`, never in a hang."""

from __future__ import annotations

from dataclasses import dataclass, field
from time import monotonic_ns

from doorward.run.errors import BudgetExceeded

__all__ = ["Budget", "Limits"]

_FIRST = 128
"""Steps before the first look at the clock: most evaluations take no more, and none of them may take long."""
_FEWEST, _MOST = 16, 4096
"""Steps between two looks at the clock. They are as many as fit into `_OFTEN`, for one step may be the comparison of
two long arrays, and another that of two numbers.
"""
_OFTEN = 2_000_000
"""Nanoseconds between two looks at the clock."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one evaluation may use: `steps` of iteration and calls, and wall time in milliseconds."""

    steps: int = 20_000_000
    wall_ms: int = 10_000
    first: int = field(init=False, repr=False, compare=False)
    """Steps before the first look at the clock."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "first", min(self.steps, _FIRST))


class Budget:
    """What is left of the limits of one evaluation.

    The hot path only lowers `left` and calls `more` when it is below zero: the clock is read once in a few
    thousand cheap steps, and not at all in an evaluation that is soon done.
    """

    _limits: Limits
    _reserve: int
    _slice: int
    _deadline_ns: int | None = None
    _looked_ns: int = 0
    left: int

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self.left = limits.first

    def charge(self, steps: int) -> None:
        """Take `steps`; raises BudgetExceeded when there are none left or the time is up."""
        self.left -= steps
        if self.left < 0:
            self.more()

    def more(self) -> None:
        """Refill `left` from the reserve; raises BudgetExceeded when the reserve or the time is used up."""
        now = monotonic_ns()
        if self._deadline_ns is None:
            # The first slice is not timed, since most evaluations need no more.
            self._deadline_ns = now + self._limits.wall_ms * 1_000_000
            self._reserve = self._limits.steps - self._limits.first
            self._slice = _FIRST
        elif now - self._looked_ns < _OFTEN:
            self._slice = min(self._slice * 2, _MOST)
        else:
            self._slice = max(self._slice // 4, _FEWEST)
        self._looked_ns = now
        short = -self.left
        if short > self._reserve:
            raise BudgetExceeded(f"the evaluation took more than {self._limits.steps} steps")
        if now > self._deadline_ns:
            raise BudgetExceeded(f"the evaluation took more than {self._limits.wall_ms} ms")
        grant = min(self._slice, self._reserve - short)
        self._reserve -= short + grant
        self.left = grant
