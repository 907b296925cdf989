"""Rounds, taken in turns, and what they add up to."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

__all__ = ["Contestant", "Figure", "Question", "per_call", "run"]

Unit = Literal["µs", "/s", "ms", "tps"]
_ROUND_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Contestant:
    """One way of doing the work. `round` does a bounded amount of it and returns the figure, in the question's unit.

    `absent` says why it could not take part; then `round` is never called.
    """

    name: str
    round: Callable[[], float]
    absent: str | None = None


@dataclass(frozen=True, slots=True)
class Question:
    """One piece of work and those who do it. The first contestant is the one the others are compared with."""

    name: str
    unit: Unit
    contestants: Sequence[Contestant]
    note: str = ""


@dataclass(slots=True)
class Figure:
    """The rounds of one contestant."""

    contestant: str
    absent: str | None = None
    rounds: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        """The middle round, in the question's unit."""
        return statistics.median(self.rounds)

    @property
    def spread(self) -> float:
        """The range of the rounds as a share of their median."""
        return (max(self.rounds) - min(self.rounds)) / self.median


def per_call(work: Callable[[], object]) -> Callable[[], float]:
    """A round that calls `work` for a fifth of a second and gives the microseconds of one call."""

    def one_round() -> float:
        calls, elapsed, clock = 1, 0.0, time.perf_counter
        while True:
            begin = clock()
            for _ in range(calls):
                work()
            elapsed = clock() - begin
            if elapsed > _ROUND_SECONDS:
                return elapsed / calls * 1e6
            calls = max(calls * 2, int(calls * _ROUND_SECONDS / max(elapsed, 1e-9)))

    return one_round


def run(question: Question, rounds: int) -> list[Figure]:
    """All contestants, in turns, `rounds` times after one that is not counted."""
    figures = [Figure(c.name, c.absent) for c in question.contestants]
    for number in range(rounds + 1):
        for contestant, figure in zip(question.contestants, figures, strict=True):
            if contestant.absent is None:
                value = contestant.round()
                if number:
                    figure.rounds.append(value)
    return figures
