"""What worker processes tell each other: every one puts its state on a board, a file of its own, and reads those of the others.

So any of them can say for all which revision they have and what they have counted, without a word between them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self, TypeAlias

import orjson
from prometheus_client.core import Metric

__all__ = ["Board", "State", "merged", "taken_down"]

_Sample: TypeAlias = "tuple[str, dict[str, str], float]"

_ENDED: Final = "ended.json"


@dataclass(slots=True)
class State:
    """What one worker tells of itself."""

    number: int
    revision: str = ""
    loaded_at: str = ""
    rejected: str = ""
    metrics: list[tuple[str, str, str, list[_Sample]]] = field(default_factory=list)
    """Name, explanation and kind of each, and what was counted."""

    @classmethod
    def read(cls, file: Path) -> Self | None:
        """The state in a file; None where there is none."""
        try:
            return cls(**orjson.loads(file.read_bytes()))
        except (OSError, ValueError, TypeError):
            return None


class Board:
    """The states of all workers, in a folder that is theirs alone."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, state: State) -> None:
        """Show a state in place of the last one of that worker."""
        self._write(f"{state.number}.json", state)

    def states(self) -> list[State]:
        """Those of the workers that run, in order of their numbers."""
        files = (file for file in self._folder.glob("*.json") if file.name != _ENDED)
        found = [state for file in files if (state := State.read(file)) is not None]
        return sorted(found, key=lambda state: state.number)

    def bury(self, number: int) -> None:
        """A worker has ended: nothing is told of it any more but what it has counted, which is never uncounted."""
        file = self._folder / f"{number}.json"
        state = State.read(file)
        if state is None:
            return
        counted = [one for one in state.metrics if one[2] in ("counter", "histogram")]
        before = State.read(self._folder / _ENDED)
        kept = taken_down(merged([counted, *([] if before is None else [before.metrics])]))
        self._write(_ENDED, State(-1, metrics=kept))
        file.unlink(missing_ok=True)

    def metrics(self) -> Iterator[Metric]:
        """Of all workers together, also of those that have ended."""
        ended = State.read(self._folder / _ENDED)
        told = [state.metrics for state in self.states()]
        yield from merged(told if ended is None else [*told, ended.metrics])

    def _write(self, name: str, state: State) -> None:
        new = self._folder / f"{name}.new"
        new.write_bytes(orjson.dumps({name: getattr(state, name) for name in State.__slots__}))
        new.replace(self._folder / name)


def taken_down(metrics: Iterable[Metric]) -> list[tuple[str, str, str, list[_Sample]]]:
    """Metrics in a shape that can be written."""
    return [
        (
            one.name,
            one.documentation,
            one.type,
            [
                (sample.name, dict(sample.labels), float(sample.value))
                for sample in one.samples
                if not sample.name.endswith("_created")
            ],
        )
        for one in metrics
    ]


def merged(told: Sequence[Sequence[Sequence[Any]]]) -> Iterator[Metric]:
    """Metrics of several processes as one: sums, but of instants the first start and the last of anything else."""
    families: dict[str, tuple[str, str]] = {}
    values: dict[str, dict[tuple[str, tuple[tuple[str, str], ...]], float]] = {}
    for metrics in told:
        for name, explained, kind, samples in metrics:
            families.setdefault(name, (explained, kind))
            own = values.setdefault(name, {})
            for sample, labels, value in samples:
                key = (sample, tuple(labels.items()))
                own[key] = _together(name, kind, own[key], value) if key in own else value
    for name, (explained, kind) in families.items():
        family = Metric(name, explained, kind)
        for (sample, labels), value in values[name].items():
            family.add_sample(sample, dict(labels), value)
        yield family


def _together(name: str, kind: str, one: float, other: float) -> float:
    if name.endswith("start_time_seconds"):
        return min(one, other)
    if kind == "info" or name.endswith("_timestamp_seconds"):
        return max(one, other)
    return one + other
