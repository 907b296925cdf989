"""One run as a document: kept as JSON, read back, and shown as Markdown."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from bench.machine import machine, versions
from bench.measure import Figure, Row, Spread

__all__ = ["Report", "amount", "cells", "ratio"]

BUSY = 1.0
"""A load average before the run above which its times are to be taken with care."""


@dataclass(slots=True)
class Report:
    """Everything that is known of one run, also while it runs."""

    at: str = field(default_factory=lambda: dt.datetime.now(dt.UTC).isoformat(timespec="seconds"))
    machine: dict[str, Any] = field(default_factory=machine)
    versions: dict[str, str] = field(default_factory=versions)
    rounds: int = 0
    complete: bool = False
    rows: list[Row] = field(default_factory=list)

    @classmethod
    def read(cls, directory: Path) -> Report:
        """The last run that was kept in `directory`. Raises OSError where there is none."""
        document = json.loads((directory / "results.json").read_text())
        return cls(**{**document, "rows": [Row.from_json(row) for row in document["rows"]]})

    def write(self, directory: Path) -> None:
        """Keeps what there is as `results.json` and `results.md`."""
        directory.mkdir(parents=True, exist_ok=True)
        for name, text in (
            ("results.json", json.dumps(asdict(self), indent=1, ensure_ascii=False) + "\n"),
            ("results.md", self.markdown()),
        ):
            made = directory / f".{name}"
            made.write_text(text)
            made.replace(directory / name)

    def row(self, start: str) -> Row | None:
        """The first row whose name begins so, and that has figures."""
        return next((row for row in self.rows if row.name.startswith(start) and row.reference), None)

    @property
    def busy(self) -> bool:
        """Whether other programs were using the processors when the run began."""
        return float(self.machine["load_before"]) > BUSY

    @property
    def setting(self) -> str:
        """When, on what and with what, in one sentence or two."""
        on = self.machine
        named = ", ".join(f"{name} {number}" for name, number in self.versions.items())
        said = (
            f"{self.at[:10]}; {on['cpus']} processors ({on['cpu']}), {on['memory_gb']} GB; {on['python']}; {named}; "
            f"{self.rounds} rounds; load average before the run {on['load_before']:.1f}."
        )
        if self.busy:
            said += " Other programs were using the machine: read the ratios, not the times."
        return said if self.complete else f"{said} The run was not finished."

    def markdown(self) -> str:
        """All rows, a table each."""
        parts = ["# Results", "", self.setting, ""]
        for row in self.rows:
            parts += [f"## {row.group}: {row.name}", ""]
            if row.note:
                parts += [f"{row.note}.", ""]
            parts += [
                "| who | median | min … max | ratio | min … max |",
                "| --- | ---: | ---: | ---: | ---: |",
            ]
            parts += [f"| {' | '.join(cells(row, figure))} |" for figure in row.figures]
            parts.append("")
        return "\n".join(parts)


def cells(row: Row, figure: Figure) -> Sequence[str]:
    """Who, median with unit, its range, the ratio to the row's first, and that ratio's range."""
    if figure.absent is not None:
        return (figure.contestant, "absent", figure.absent, "", "")
    measured, over = figure.spread, row.ratio(figure)
    if measured is None or over is None:
        return (figure.contestant, "not measured", "", "", "")
    return (
        figure.contestant,
        f"{amount(measured.median)} {row.unit}",
        f"{amount(measured.least)} … {amount(measured.most)}",
        ratio(over),
        f"{amount(over.least)} … {amount(over.most)}",
    )


def ratio(spread: Spread) -> str:
    """`3.4 ×`."""
    return f"{amount(spread.median)} ×"


def amount(value: float) -> str:
    """Three digits that count."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"
