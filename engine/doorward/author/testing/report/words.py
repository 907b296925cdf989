"""A failure as plain text, the same in every format."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from doorward.author.testing.results import Failure, TestResult

__all__ = ["failure_lines", "failure_text", "milliseconds", "plain"]

_CONTROLS: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]")
"""What would move a terminal's cursor, change its colours, or break a line where no line ends."""


def plain(text: str) -> str:
    """A text without control characters but for tabs and line ends."""
    return _CONTROLS.sub("\ufffd", text)


def failure_lines(failure: Failure) -> Iterator[str]:
    """The details of a failure after its message and place: values, then the difference, then how it came about."""
    width = max((len(text) for text, _ in failure.values), default=0)
    for text, value in failure.values:
        yield f"{text:<{min(width, 40)}} = {value}"
    if failure.expected or failure.actual:
        yield from _labelled("expected", failure.expected)
        yield from _labelled("actual", failure.actual)
    if failure.explanation and failure.explanation != failure.actual:
        yield "decision"
        yield from (f"  {line}" for line in failure.explanation.splitlines())


def _labelled(label: str, text: str) -> Iterator[str]:
    first, *more = text.splitlines() or [""]
    yield f"{label:<8} {first}"
    for line in more:
        yield f"{'':<8} {line}"


def failure_text(result: TestResult) -> str:
    """All failures of a result, with their places."""
    parts = []
    for failure in result.failures:
        lines = [f"{failure.place}: {failure.message}"]
        lines += [f"  {line}" for line in failure.source.splitlines()]
        lines += [f"    {line}" for line in failure_lines(failure)]
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


def milliseconds(duration_ns: int) -> str:
    """A duration for people."""
    if duration_ns >= 1_000_000_000:
        return f"{duration_ns / 1e9:.2f} s"
    return f"{duration_ns / 1e6:.1f} ms" if duration_ns >= 1_000_000 else f"{duration_ns / 1e3:.0f} µs"
