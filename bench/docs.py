"""The part of docs/performance.md that one run fills: tables and plots, between two comments."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from bench import plots
from bench.measure import Figure, Row, Spread
from bench.report import Report, amount, cells, ratio

__all__ = ["PAGE", "write"]

PAGE = Path(__file__).parent.parent / "docs" / "performance.md"
_BEGIN, _END = "<!-- figures: written by `make bench ARGS=--write-docs` -->", "<!-- end of figures -->"


def write(report: Report, page: Path = PAGE) -> list[Path]:
    """Replaces the marked part of the page and draws its plots beside it; gives what was written.

    Raises ValueError where the page has no such part.
    """
    text = page.read_text()
    if text.count(_BEGIN) != 1 or text.count(_END) != 1:
        raise ValueError(f"`{page}` has no part between `{_BEGIN}` and `{_END}`")
    pictures = plots.draw(report, page.parent, "svg")
    before, after = text.partition(_BEGIN)[0], text.partition(_END)[2]
    page.write_text(f"{before}{_BEGIN}\n\n{_figures(report, pictures)}\n{_END}{after}")
    return [page, *pictures]


def _figures(report: Report, pictures: Sequence[Path]) -> str:
    parts = [report.setting, ""]
    drawn = {picture.stem.removeprefix("bench-"): picture.name for picture in pictures}

    def picture(name: str, says: str) -> None:
        if name in drawn:
            parts.extend([f"![{says}]({drawn[name]})", ""])

    if rows := [row for row in report.rows if row.name.startswith("policy ") and row.reference]:
        parts += ["### Policies", "", *_policies(rows), ""]
        picture(
            "policies", "For each policy the time of one decision in every engine, on a logarithmic scale"
        )
    if rows := [row for row in report.rows if row.name.startswith("rules on ") and row.reference]:
        parts += ["### Ten rules, ten thousand rules", ""]
        for row in rows:
            parts += [*_growth(row), ""]
        picture(
            "growth", "Time of one decision by the number of rules, for each engine, both scales logarithmic"
        )
    if rows := [row for row in report.rows if row.name.startswith("users and grants ") and row.reference]:
        parts += ["### Users, and grants that are theirs", "", f"{_sentence(rows[0].note)}.", ""]
        for row in rows:
            parts += [*_growth(row), ""]
    if rows := [row for row in report.rows if row.group == "served" and row.reference]:
        parts += ["### Decisions served", "", *_served(rows), ""]
        picture(
            "served",
            "Decisions a second by the number of callers, and percentiles of the time, for each server",
        )
    shown = ("whole decisions", "PostgreSQL policies", "load", "memory", "pgbench")
    for row in report.rows:
        if row.name.startswith(shown) and row.reference:
            parts += [f"### {row.name[:1].upper()}{row.name[1:]}", "", *_plain(row), ""]
            if row.group in drawn and row is _last_of(report, row.group):
                picture(row.group, row.group)
    return "\n".join(parts)


def _policies(rows: Sequence[Row]) -> list[str]:
    lines = [
        "| policy | doorward | Python by hand | OPA | regorus, VM | regorus, compiled | rego-cpp |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    more: list[str] = []
    for row in rows:
        ours = row.reference
        if ours is None or ours.spread is None:
            continue
        others = [
            _beside(row, row.figure(start))
            for start in ("Python", "OPA", "regorus, virtual", "regorus, compiled", "rego-cpp")
        ]
        name = row.name.removeprefix("policy ").strip("`")
        lines.append(f"| {name} | {_microseconds(ours.spread)} | {' | '.join(others)} |")
        more += [
            f"`{name}` {found.contestant}: {_beside(row, found)}."
            for found in row.figures
            if found.rounds and found.contestant.startswith(("Cedar", "pycasbin"))
        ]
    told = "Median time of a decision; in brackets its ratio to Doorward's (median of the rounds, least to most)."
    return [told, "", *lines, *(["", " ".join(["Also:", *more])] if more else [])]


def _beside(row: Row, found: Figure | None) -> str:
    if found is None or found.spread is None:
        return "absent"
    over = row.ratio(found)
    within = f" ({ratio(over)}, {amount(over.least)}–{amount(over.most)})" if over else ""
    return f"{_microseconds(found.spread)}{within}"


def _microseconds(spread: Spread) -> str:
    return f"{amount(spread.median / 1000)} ms" if spread.median >= 1000 else f"{amount(spread.median)} µs"


def _growth(row: Row) -> list[str]:
    measured = [found for found in row.figures if found.rounds]
    sizes = sorted({found.size for found in measured})
    lines = [
        f"| {row.name.partition(',')[0]} | {' | '.join(f'{size:,}' for size in sizes)} | growth |",
        f"| --- |{' ---: |' * (len(sizes) + 1)}",
    ]
    for series in dict.fromkeys(found.series for found in measured):
        line = {found.size: found for found in measured if found.series == series}
        times = [
            _microseconds(line[size].spread) if size in line else _why_not(row, series, size)  # type: ignore[arg-type]
            for size in sizes
        ]
        grown = row.ratio(line[sizes[-1]], line[sizes[0]]) if {sizes[0], sizes[-1]} <= set(line) else None
        within = f"{ratio(grown)} ({amount(grown.least)}–{amount(grown.most)})" if grown else ""
        lines.append(f"| {series} | {' | '.join(times)} | {within} |")
    return lines


def _why_not(row: Row, series: str, size: int) -> str:
    said = [
        found.absent or "" for found in row.figures if found.contestant.startswith(f"{series}, {size:,} ")
    ]
    return "refused" if any(one.startswith("it refuses") for one in said) else "not asked"


def _sentence(note: str) -> str:
    return re.sub(r"^[a-z]", lambda first: first[0].upper(), note)


def _served(rows: Sequence[Row]) -> list[str]:
    """A line for each way of asking, a column for each row."""
    heads = [row.name.removeprefix("decisions served, ") for row in rows]
    heads = [head.replace("processor time served, 64 callers", "server's processor") for head in heads]
    heads = [head.removeprefix("time served, ") for head in heads]
    told = (
        "Decisions a second by callers; the server's processor time for a decision, under 64 callers; and what one takes at "
        "half of one's own best rate, counted from when it was due. In brackets the ratio to the first line."
    )
    lines = [f"| who | {' | '.join(heads)} |", f"| --- |{' ---: |' * len(rows)}"]
    for who in dict.fromkeys(found.contestant for row in rows for found in row.figures):
        found = [next((each for each in row.figures if each.contestant == who), None) for row in rows]
        lines.append(f"| {who} | {' | '.join(map(_beside_first, rows, found))} |")
    return [told, "", *lines]


def _beside_first(row: Row, found: Figure | None) -> str:
    if found is None or found.spread is None:
        return "absent"
    over = row.ratio(found)
    shown = f"{amount(found.spread.median)} /s" if row.unit == "/s" else _microseconds(found.spread)
    return shown if over is None or found is row.reference else f"{shown} ({ratio(over)})"


def _plain(row: Row) -> list[str]:
    lines = [
        f"{_sentence(row.note)}." if row.note else "",
        "",
        "| who | median | min … max | ratio | min … max |",
    ]
    lines.append("| --- | ---: | ---: | ---: | ---: |")
    lines += [f"| {' | '.join(cells(row, found))} |" for found in row.figures]
    return lines


def _last_of(report: Report, group: str) -> Row:
    return [row for row in report.rows if row.group == group and row.reference][-1]
