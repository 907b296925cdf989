"""Rounds, taken in turns, and what they add up to."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import repeat
from typing import Any, Literal, NamedTuple

__all__ = ["Contestant", "Figure", "Question", "Row", "Settings", "Spread", "absent", "fill", "per_call"]

Unit = Literal["µs", "ms", "MB", "/s", "tps"]


@dataclass(frozen=True, slots=True)
class Settings:
    """What the user asked for."""

    rounds: int = 5
    slice_seconds: float = 0.2
    """How long a contestant that can be timed call by call works in one round."""
    quick: bool = False
    """Fewer sizes, shorter runs: to see that everything works, not to quote."""
    peers: frozenset[str] | None = None
    """Which peers to measure beside; all where it is None."""

    def wants(self, peer: str) -> bool:
        """Whether a contestant of `peer` takes part; those of no peer are ours."""
        return not peer or self.peers is None or peer in self.peers


@dataclass(frozen=True, slots=True)
class Contestant:
    """One way of doing the work. `round` does a bounded amount of it and returns the figure, in the question's unit.

    `absent` says why it could not take part, and how to get it; then `round` is never called. Contestants of one `series`
    differ in `size` alone. `close` is called when the question is done.
    """

    name: str
    round: Callable[[], float]
    absent: str | None = None
    peer: str = ""
    series: str = ""
    size: int = 0
    close: Callable[[], object] | None = None


@dataclass(frozen=True, slots=True)
class Question:
    """One piece of work and those who do it. The first contestant is the one the others are compared with.

    A function that gives the contestants is called when it is the question's turn. No round is begun once
    `seconds` have passed and each contestant has one that counts.
    """

    name: str
    unit: Unit
    contestants: Sequence[Contestant] | Callable[[], Sequence[Contestant]]
    note: str = ""
    seconds: float = 60
    warm_up: bool = True


class Spread(NamedTuple):
    """The middle of several rounds, the least and the most."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Of at least one value."""
        return cls(statistics.median(values), min(values), max(values))


@dataclass(slots=True)
class Figure:
    """The rounds of one contestant."""

    contestant: str
    absent: str | None = None
    series: str = ""
    size: int = 0
    rounds: list[float] = field(default_factory=list)

    @property
    def spread(self) -> Spread | None:
        """In the question's unit; None where nothing was measured."""
        return Spread.of(self.rounds) if self.rounds else None


@dataclass(slots=True)
class Row:
    """What is known of one question, also while it is asked."""

    group: str
    name: str
    unit: str
    note: str
    figures: list[Figure] = field(default_factory=list)

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Row:
        """The row of `dataclasses.asdict`."""
        figures = [Figure(**figure) for figure in document["figures"]]
        return cls(**{**document, "figures": figures})

    def figure(self, start: str) -> Figure | None:
        """The first figure of a contestant whose name begins so, and that was measured."""
        return next((f for f in self.figures if f.contestant.startswith(start) and f.rounds), None)

    @property
    def reference(self) -> Figure | None:
        """Whom the others are compared with."""
        return next((figure for figure in self.figures if figure.rounds), None)

    def ratio(self, figure: Figure, to: Figure | None = None) -> Spread | None:
        """Round by round, one figure over another (the reference), so that what slowed both down is not in it."""
        base = self.reference if to is None else to
        if base is None:
            return None
        pairs = list(zip(figure.rounds, base.rounds, strict=False))
        return Spread.of([value / other for value, other in pairs]) if pairs else None


def absent(name: str, peer: str, why: str) -> Contestant:
    """A contestant that cannot take part."""

    def never() -> float:
        raise AssertionError("an absent contestant was asked")

    return Contestant(name, never, absent=why, peer=peer)


def per_call(work: Callable[[Any], object], inputs: Sequence[Any], seconds: float) -> Callable[[], float]:
    """A round that goes round the inputs for about `seconds`, and gives the microseconds of one call.

    Time of the thread on its processor: what other programs take meanwhile is not in it.
    """
    turns = 1
    clock = time.thread_time

    def one_round() -> float:
        nonlocal turns
        while True:
            begin = clock()
            for _ in repeat(None, turns):
                for given in inputs:
                    work(given)
            used = clock() - begin
            calls = turns * len(inputs)
            turns = max(1, int(turns * min(seconds / max(used, 1e-6), 50)))
            if used >= seconds / 2:
                return used / calls * 1e6

    return one_round


def fill(row: Row, question: Question, settings: Settings) -> Iterator[tuple[int, str]]:
    """Ask all contestants in turns, after a round that is not counted, and put their figures into the row as they come.

    Yields the number of the round and the contestant before each is asked, for those who show progress.
    """
    asked = question.contestants
    contestants = [c for c in (asked() if callable(asked) else asked) if settings.wants(c.peer)]
    row.figures[:] = [Figure(c.name, c.absent, c.series, c.size) for c in contestants]
    present = [(c, f) for c, f in zip(contestants, row.figures, strict=True) if c.absent is None]
    try:
        begin = time.monotonic()
        for number in range(0 if question.warm_up else 1, settings.rounds + 1):
            if number > 1 and time.monotonic() - begin > question.seconds:
                break
            for contestant, figure in present:
                yield number, contestant.name
                value = contestant.round()
                if number:
                    figure.rounds.append(value)
    finally:
        for contestant in contestants:
            if contestant.close is not None:
                contestant.close()
