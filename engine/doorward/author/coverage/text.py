"""Coverage as a table, and the list of what is missing."""

from __future__ import annotations

from collections.abc import Iterator

from doorward.author.coverage.coverage import Coverage

__all__ = ["missing_lines", "table"]


def table(coverage: Coverage) -> Iterator[str]:
    """A line a file: how many expressions, how many of them reached, and the lines on which some were not."""
    width = max((len(file.source.name) for file in coverage.files), default=0)
    width = max(width, len("total"))
    yield f"{'file':<{width}}  {'reached':>11}  {'share':>7}  missing lines"
    for file in coverage.files:
        reached = f"{file.covered}/{file.total}"
        yield f"{file.source.name:<{width}}  {reached:>11}  {_percent(file.percent):>7}  {file.missing_lines()}".rstrip()
    yield f"{'total':<{width}}  {f'{coverage.covered}/{coverage.total}':>11}  {_percent(coverage.percent):>7}"


def missing_lines(coverage: Coverage) -> Iterator[str]:
    """Every expression that was not reached, with its place."""
    for file in coverage.files:
        for region in file.missing():
            text = file.text(region)
            yield f"{file.span(region)}: {text if len(text) <= 100 else text[:100] + '…'}"


def _percent(value: float) -> str:
    """Rounded down, so that only all of it is 100 %."""
    return f"{int(value * 10) / 10:.1f} %"
