"""The lines of policies that ran: how often, and for how long.

Generated code stands at the lines of the policy it was made of, so Python's own tracing tells which line is at work.
Watching costs more than what is watched: the times are good beside each other, not in themselves.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from time import perf_counter_ns
from types import FrameType
from typing import Any, Final, TypeVar

from doorward_dsl.source import Source

__all__ = ["SORTS", "Line", "Profile", "profiled"]

T = TypeVar("T")

SORTS: Final = ("total_time_ns", "num_eval", "file", "line")
"""What a profile can be sorted by; the first two with the largest first."""


@dataclass(slots=True)
class Line:
    """One line of a policy, by itself: what it calls has its own."""

    file: str
    row: int
    """From 1."""
    text: str
    """As it stands in the file."""
    num_eval: int = 0
    """How often evaluation came to it."""
    total_time_ns: int = 0

    def to_dict(self) -> dict[str, Any]:
        """The line as `opa eval --profile` gives it."""
        return {
            "total_time_ns": self.total_time_ns,
            "num_eval": self.num_eval,
            "location": {
                "file": self.file,
                "row": self.row,
                "col": len(self.text) - len(self.text.lstrip()) + 1,
            },
            "text": self.text.strip(),
        }


@dataclass(slots=True)
class Profile:
    """The lines that ran."""

    lines: list[Line]

    def sorted(self, by: Iterable[str] = ("total_time_ns",)) -> list[Line]:
        """The lines in order of `SORTS` keys."""
        keys = list(by)

        def key(line: Line) -> tuple[Any, ...]:
            values = {"file": line.file, "line": line.row}
            largest = {"total_time_ns": -line.total_time_ns, "num_eval": -line.num_eval}
            return (*({**values, **largest}[name] for name in keys), line.file, line.row)

        return sorted(self.lines, key=key)


class _Watch:
    """Notes which line of which policy is at work, from call to return."""

    def __init__(self, sources: Iterable[Source]) -> None:
        self._names = {source.name for source in sources}
        self.times: dict[tuple[str, int], list[int]] = {}
        self._stack: list[tuple[str, int]] = []
        self._since = 0

    def enter(self, frame: FrameType, event: str, _: object) -> Callable[..., Any] | None:
        if event != "call" or frame.f_code.co_filename not in self._names:
            return None
        self._charge()
        self._stack.append((frame.f_code.co_filename, frame.f_lineno))
        return self._step

    def _step(self, frame: FrameType, event: str, _: object) -> Callable[..., Any]:
        self._charge()
        if event == "return":
            self._stack.pop()
        elif event == "line":
            place = (frame.f_code.co_filename, frame.f_lineno)
            self._stack[-1] = place
            self.times.setdefault(place, [0, 0])[0] += 1
        self._since = perf_counter_ns()
        return self._step

    def _charge(self) -> None:
        now = perf_counter_ns()
        if self._stack and self._since:
            self.times.setdefault(self._stack[-1], [0, 0])[1] += now - self._since
        self._since = now


def profiled(run: Callable[[], T], sources: Iterable[Source]) -> tuple[T, Profile]:
    """What `run` gives, and the lines of `sources` that it went through.

    Takes the place of whatever else traces this thread, for as long as it runs.
    """
    sources = list(sources)
    watch = _Watch(sources)
    before = sys.gettrace()
    sys.settrace(watch.enter)
    try:
        result = run()
    finally:
        sys.settrace(before)
    by_name = {source.name: source for source in sources}
    lines = [
        Line(name, row, by_name[name].line(row), count, spent)
        for (name, row), (count, spent) in watch.times.items()
        if row > 0  # what no line of the policy stands for
    ]
    return result, Profile(lines)
