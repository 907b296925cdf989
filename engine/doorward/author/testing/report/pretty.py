"""A run for people: a line a test that did not pass, what was wrong with it, and a summary."""

from __future__ import annotations

from typing import Final

from rich.console import Console
from rich.text import Text

from doorward.author.testing.report.words import failure_lines, milliseconds, plain
from doorward.author.testing.results import Failure, TestResult, TestRun

__all__ = ["Pretty"]

_STYLES: Final = {"passed": "green", "failed": "bold red", "error": "bold magenta", "skipped": "yellow"}
_WORDS: Final = {"passed": "PASS", "failed": "FAIL", "error": "ERROR", "skipped": "SKIP"}
_SLOW_NS: Final = 100_000_000
_MOST_SLOW: Final = 3


class Pretty:
    """Writes results as they come. `verbose` also names the tests that pass, and the slowest of all."""

    def __init__(self, console: Console, *, verbose: bool = False) -> None:
        self._console = console
        self._verbose = verbose

    def result(self, result: TestResult) -> None:
        """One result."""
        if result.outcome == "passed" and not self._verbose:
            return
        line = Text(f"{_WORDS[result.outcome]:<5} ", _STYLES[result.outcome])
        line.append(result.id, "bold" if result.failures else "")
        if result.outcome != "skipped":
            line.append(f"  {milliseconds(result.duration_ns)}", "dim")
        self._print(line)
        for failure in result.failures:
            self._failure(failure)

    def _failure(self, failure: Failure) -> None:
        self._print(Text(f"  {failure.message}", "red"))
        self._print(Text(f"   --> {failure.place}", "blue"))
        number = failure.place.line
        for at, line in enumerate(failure.source.splitlines()[:12]):
            shown = Text(f"  {number + at:>4} │ ", "blue")
            shown.append(line if at else line.lstrip())
            self._print(shown)
        for line in failure_lines(failure):
            style = "green" if line.startswith("expected ") else "red" if line.startswith("actual ") else ""
            self._print(Text(f"         {line}", style))
        self._print(Text(""))

    def finish(self, run: TestRun) -> None:
        """The counts, and what was slow."""
        slow = [
            result for result in run.slowest(_MOST_SLOW) if result.duration_ns >= _SLOW_NS or self._verbose
        ]
        if slow and len(run.results) > 1:
            self._print(Text("slowest:", "dim"))
            for result in slow:
                self._print(Text(f"  {milliseconds(result.duration_ns):>9}  {result.id}", "dim"))
        counts = Text()
        for outcome, word in (
            ("passed", "passed"),
            ("failed", "failed"),
            ("error", "errors"),
            ("skipped", "skipped"),
        ):
            number = run.count(outcome)
            if number or outcome == "passed":
                counts.append(", " if counts else "")
                counts.append(f"{number} {word}", _STYLES[outcome] if number else "")
        counts.append(f" in {milliseconds(run.duration_ns)}", "dim")
        self._print(counts)

    def _print(self, text: Text) -> None:
        text.plain = plain(text.plain)  # as long as before, so that every colour stays where it was
        self._console.print(text, soft_wrap=True, highlight=False)
