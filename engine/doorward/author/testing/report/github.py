"""A run as workflow commands, which GitHub shows beside the lines they are about."""

from __future__ import annotations

from doorward.author.testing.report.words import failure_lines, plain
from doorward.author.testing.results import TestRun

__all__ = ["github"]


def github(run: TestRun) -> str:
    """An annotation for each failure, and a last line with the counts."""
    lines = []
    for result in run.results:
        for failure in result.failures:
            place = failure.place
            fields = {
                "file": place.file,
                "line": str(place.line),
                "endLine": str(place.end_line),
                "col": str(place.column),
                "endColumn": str(place.end_column),
                "title": f"{result.id}: {result.outcome}",
            }
            shown = ",".join(f"{name}={_property(value)}" for name, value in fields.items())
            text = "\n".join([failure.message, *failure_lines(failure)])
            lines.append(f"::error {shown}::{_data(text)}")
    counts = ", ".join(
        f"{run.count(outcome)} {word}"
        for outcome, word in (
            ("passed", "passed"),
            ("failed", "failed"),
            ("error", "errors"),
            ("skipped", "skipped"),
        )
        if run.count(outcome) or outcome == "passed"
    )
    return "\n".join([*lines, counts]) + "\n"


def _data(text: str) -> str:
    return plain(text).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
