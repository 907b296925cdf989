"""Profiles and metrics as tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from doorward.author.profile.lines import Line
from doorward.author.profile.metrics import Metrics

__all__ = ["duration", "render_metrics", "render_profile", "table"]

_WIDEST: Final = 60


def table(header: Sequence[str], rows: Iterable[Sequence[str]], *, right: int = 0) -> str:
    """A table in plain characters; the first `right` columns are flush right."""
    all_rows = [list(header), *(list(row) for row in rows)]
    widths = [max(len(row[at]) for row in all_rows) for at in range(len(header))]
    lines = [
        "  ".join(
            cell.rjust(width) if at < right else cell.ljust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in all_rows
    ]
    return "\n".join((lines[0], "-" * max(map(len, lines)), *lines[1:]))


def duration(nanoseconds: int) -> str:
    """`1.32 ms`, `370 µs`, `12 ns`."""
    for unit, size in (("s", 1_000_000_000), ("ms", 1_000_000), ("µs", 1_000)):
        if nanoseconds >= size:
            return (
                f"{nanoseconds / size:.3g} {unit}"
                if nanoseconds < 1000 * size
                else f"{nanoseconds // size} {unit}"
            )
    return f"{nanoseconds} ns"


def render_profile(lines: Sequence[Line], limit: int) -> str:
    """The first `limit` lines (0: all) as a table."""
    shown = lines[:limit] if limit else lines
    rows = [
        (duration(line.total_time_ns), str(line.num_eval), f"{line.file}:{line.row}", _cut(line.text.strip()))
        for line in shown
    ]
    text = table(("time", "count", "place", "expression"), rows, right=2)
    left = len(lines) - len(shown)
    return f"{text}\n… and {left} more lines" if left > 0 else text


def render_metrics(metrics: Metrics) -> str:
    """The timers as a table."""
    rows = [(name, duration(spent)) for name, spent in metrics.to_dict().items()]
    return table(("metric", "time"), rows)


def _cut(text: str) -> str:
    return text if len(text) <= _WIDEST else text[: _WIDEST - 1] + "…"
