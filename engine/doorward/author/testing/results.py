"""What a run of tests gives back: plain values that can be sent between processes and written out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from doorward_dsl.source import Span

__all__ = ["Failure", "Outcome", "Place", "TestInfo", "TestResult", "TestRun", "place_of"]

Outcome: TypeAlias = Literal["passed", "failed", "error", "skipped"]
"""`failed`: an expectation was not met; `error`: the test could not be carried out; `skipped`: it is marked so."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where something stands; lines and columns count from 1."""

    file: str
    line: int
    column: int
    end_line: int
    end_column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class Failure:
    """One expectation that was not met, or what kept a test from being carried out."""

    message: str
    place: Place
    source: str
    """The expression or the expectation, as it is written."""
    values: tuple[tuple[str, str], ...] = ()
    """Parts of the expression as written, and their values as JSON; `undefined` where they have none."""
    expected: str = ""
    actual: str = ""
    decision: dict[str, Any] | None = None
    """The decision, where there is one, as `Decision.to_dict`."""
    explanation: str = ""
    """How the decision came about, in words."""


@dataclass(frozen=True, slots=True)
class TestInfo:
    """A test, and where it stands. `id` is unique in a run: `acme.customers › no drop`, `data.acme.test_x`."""

    __test__ = False

    id: str
    package: str
    name: str
    kind: Literal["block", "rule"]
    place: Place


@dataclass(frozen=True, slots=True)
class TestResult:
    """How one test, or one case of a test, came out."""

    __test__ = False

    test: TestInfo
    case: str
    """What tells a case from the others; empty where a test has none."""
    outcome: Outcome
    duration_ns: int
    failures: tuple[Failure, ...] = ()

    @property
    def id(self) -> str:
        """The test's id, with the case in brackets."""
        return f"{self.test.id} [{self.case}]" if self.case else self.test.id


@dataclass(frozen=True, slots=True)
class TestRun:
    """All results, in the order of files and lines, whatever order they were worked out in."""

    __test__ = False

    results: tuple[TestResult, ...]
    duration_ns: int
    coverage: Any = None
    """`doorward.author.coverage.Coverage`, where it was asked for."""

    def count(self, outcome: str) -> int:
        """How many tests came out so."""
        return sum(result.outcome == outcome for result in self.results)

    @property
    def ok(self) -> bool:
        """Whether no test failed, and none could not be carried out."""
        return all(result.outcome in ("passed", "skipped") for result in self.results)

    def slowest(self, number: int) -> list[TestResult]:
        """The tests that took longest, the slowest first."""
        return sorted(self.results, key=lambda result: -result.duration_ns)[:number]


def place_of(span: Span) -> Place:
    """The place of a span."""
    line, column = span.source.position(span.start)
    end_line, end_column = span.source.position(max(span.start, span.end - 1))
    return Place(span.source.name, line, column, end_line, end_column + 1)


def in_order(results: Iterable[TestResult]) -> tuple[TestResult, ...]:
    """Results by file and line; cases of a test stay in their order."""
    return tuple(sorted(results, key=lambda r: (r.test.place.file, r.test.place.line, r.test.place.column)))
