"""How much of the policies a run has reached, by expression and by line."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from doorward_dsl.source import Source, Span

__all__ = ["Coverage", "FileCoverage", "Region"]


@dataclass(frozen=True, slots=True)
class Region:
    """One expression, or what a rule or a statement says; `start` and `end` are characters of the file."""

    start: int
    end: int
    head: bool
    """What a rule or a statement says: reached when its condition has held."""
    reached: int
    """How often it was evaluated; of a head, how often it had an answer."""
    held: int
    """How often it had an answer that is not `false`."""

    @property
    def covered(self) -> bool:
        """Whether it was reached."""
        return self.reached > 0


@dataclass(frozen=True, slots=True, eq=False)
class FileCoverage:
    """The regions of a file, in order of where they begin, the outer before the inner."""

    source: Source
    regions: tuple[Region, ...]

    @property
    def total(self) -> int:
        """How many regions there are."""
        return len(self.regions)

    @property
    def covered(self) -> int:
        """How many were reached."""
        return sum(region.covered for region in self.regions)

    @property
    def percent(self) -> float:
        """Of 100; of a file without regions 100."""
        return 100.0 * self.covered / self.total if self.total else 100.0

    def missing(self) -> Iterator[Region]:
        """The regions that were not reached; those inside one that was not are not named again."""
        end = -1
        for region in self.regions:
            if not region.covered and region.end > end:
                yield region
                end = region.end

    def lines(self) -> dict[int, int]:
        """Lines on which something begins, and how often the least reached of it was."""
        hits: dict[int, int] = {}
        for region in self.regions:
            line = self.source.position(region.start)[0]
            hits[line] = min(hits.get(line, region.reached), region.reached)
        return hits

    def missing_lines(self) -> str:
        """The lines on which something was not reached, as ranges: `3-5, 9`."""
        numbers = sorted(line for line, hits in self.lines().items() if not hits)
        ranges = []
        for _, group in groupby(enumerate(numbers), key=lambda pair: pair[1] - pair[0]):
            run = [line for _, line in group]
            ranges.append(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}")
        return ", ".join(ranges)

    def text(self, region: Region) -> str:
        """A region as it is written, on one line."""
        return " ".join(self.source.text[region.start : region.end].split())

    def span(self, region: Region) -> Span:
        """Where a region stands."""
        return Span(self.source, region.start, region.end)


@dataclass(frozen=True, slots=True)
class Coverage:
    """All files with something to reach, by name."""

    files: tuple[FileCoverage, ...]

    @property
    def total(self) -> int:
        """How many regions there are."""
        return sum(file.total for file in self.files)

    @property
    def covered(self) -> int:
        """How many were reached."""
        return sum(file.covered for file in self.files)

    @property
    def percent(self) -> float:
        """Of 100; where there is nothing to reach 100."""
        return 100.0 * self.covered / self.total if self.total else 100.0

    def to_dict(self) -> dict[str, Any]:
        """As JSON-ready data; lines and columns count from 1."""
        return {
            "covered": self.covered,
            "total": self.total,
            "percent": round(self.percent, 2),
            "files": [_file(file) for file in self.files],
        }


def _file(file: FileCoverage) -> dict[str, Any]:
    return {
        "file": file.source.name,
        "covered": file.covered,
        "total": file.total,
        "percent": round(file.percent, 2),
        "regions": [_region(file, region) for region in file.regions],
    }


def _region(file: FileCoverage, region: Region) -> dict[str, Any]:
    line, column = file.source.position(region.start)
    end_line, end_column = file.source.position(region.end)
    return {
        "kind": "head" if region.head else "expression",
        "start": {"line": line, "column": column},
        "end": {"line": end_line, "column": end_column},
        "reached": region.reached,
        "held": region.held,
    }
