"""What the user sees while measuring: a bar and tables on a terminal, plain lines anywhere else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich import box
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Table
from rich.text import Text

from bench.measure import Row
from bench.report import cells

__all__ = ["Screen"]


class Screen:
    """Progress of one run; rows are printed as they are there."""

    def __init__(self) -> None:
        self.console = Console(highlight=False)
        self._progress: Progress | None = None
        self._note = ""

    @contextmanager
    def group(self, name: str, questions: int) -> Iterator[None]:
        """A group of questions is asked."""
        if not self.console.is_terminal:
            print(f"== {name}: {questions} questions", flush=True)
            yield
            return
        self.console.rule(f"[bold]{name}", style="dim")
        with Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=28),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=self.console,
            transient=True,
        ) as progress:
            self._progress = progress
            progress.add_task(name, total=questions)
            try:
                yield
            finally:
                self._progress = None

    def working(self, question: str, number: int, who: str) -> None:
        """Somebody's turn has come."""
        if self._progress is not None:
            turn = f"round {number}" if number else "warming up"
            description = f"[bold]{question}[/] [dim]{turn}: {who}[/]"
            self._progress.update(self._progress.task_ids[0], description=description)

    def done(self, row: Row) -> None:
        """A row is there."""
        if self._progress is not None:
            self._progress.advance(self._progress.task_ids[0])
        note, self._note = ("" if row.note == self._note else row.note), row.note
        if self.console.is_terminal:
            self.console.print(_table(row, note))
        else:
            print(f"\n{row.name} ({note})" if note else f"\n{row.name}")
            for figure in row.figures:
                who, median, within, over, over_within = cells(row, figure)
                if figure.absent is not None:
                    print(f"  {who:<42} absent: {figure.absent}", flush=True)
                else:
                    print(f"  {who:<42} {median:>12} ({within})  {over:>9} ({over_within})", flush=True)

    def say(self, text: str, style: str = "") -> None:
        """One line."""
        self.console.print(text, style=style, markup=False, soft_wrap=True)


def _table(row: Row, note: str) -> Table:
    table = Table(
        title=row.name,
        caption=note or None,
        box=box.SIMPLE_HEAD,
        title_justify="left",
        caption_justify="left",
        title_style="bold",
        caption_style="dim",
        pad_edge=False,
    )
    table.add_column("who")
    for heading in ("median", "min … max", "ratio", "min … max"):
        table.add_column(heading, justify="right")
    for position, figure in enumerate(row.figures):
        shown = cells(row, figure)
        if figure.absent is not None:
            table.add_row(
                figure.contestant, "absent", Text(figure.absent, overflow="fold"), "", "", style="yellow"
            )
        else:
            table.add_row(*shown, style="bold" if position == 0 else "")
    return table
