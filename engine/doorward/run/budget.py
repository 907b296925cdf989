"""Budgets: an evaluation that would go on for too long ends in `BudgetExceeded`, never in a hang."""

from __future__ import annotations

from dataclasses import dataclass, field
from time import monotonic_ns

from doorward.run.errors import BudgetExceeded

__all__ = ["Budget", "Limits"]

_SLICE = 4096
"""Steps between two looks at the clock."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one evaluation may use: `steps` of iteration and calls, and wall time in milliseconds."""

    steps: int = 20_000_000
    wall_ms: int = 10_000
    first: int = field(init=False, repr=False, compare=False)
    """Steps before the first look at the clock."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "first", min(self.steps, _SLICE))


class Budget:
    """What is left of the limits of one evaluation.

    The hot path only lowers `left` and calls `more` when it is below zero: the clock is read once in a few
    thousand steps, and not at all in an evaluation that takes no more than those.
    """

    _limits: Limits
    _reserve: int
    _deadline_ns: int | None = None
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
            # The first slice is not timed: a few thousand steps cannot take long, and most evaluations need
            # no more.
            self._deadline_ns = now + self._limits.wall_ms * 1_000_000
            self._reserve = self._limits.steps - self._limits.first
        short = -self.left
        if short > self._reserve:
            raise BudgetExceeded(f"the evaluation took more than {self._limits.steps} steps")
        if now > self._deadline_ns:
            raise BudgetExceeded(f"the evaluation took more than {self._limits.wall_ms} ms")
        grant = min(_SLICE, self._reserve - short)
        self._reserve -= short + grant
        self.left = grant
