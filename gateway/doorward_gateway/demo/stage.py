"""How the demo is told on a terminal, and the count of what came out as stated."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.rule import Rule
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

__all__ = ["OUTCOMES", "Stage"]

OUTCOMES = {
    "allow": "bold white on green4",
    "mask": "bold black on gold3",
    "block": "bold white on red3",
    "approve": "bold white on dodger_blue3",
    "ttl": "bold white on dark_magenta",
}
"""The five outcomes and how each is shown."""

_WIDTH = 124
_ROWS_SHOWN = 4


class Stage:
    """Prints the acts of the demo, and remembers every expectation that was not met."""

    def __init__(self, *, picture: Path | None = None) -> None:
        record = picture is not None
        self._picture = picture
        self.console = Console(
            record=record, highlight=False, width=_WIDTH if record else None, force_terminal=record or None
        )
        self.failures: list[str] = []
        self.met = 0

    def title(self, text: str, subtitle: str) -> None:
        """The first lines of all."""
        self.console.print()
        self.console.print(Text(text, style="bold"))
        self.console.print(Text(subtitle, style="dim"))

    def act(self, number: int, title: str) -> None:
        """A new part of the story."""
        self.console.print()
        self.console.print(
            Rule(f"[bold]{number}. {escape(title)}", align="left", style="dim", characters="─")
        )

    def say(self, text: str) -> None:
        """A sentence of narration."""
        self.console.print(Padding(Text(text, style="dim"), (0, 0, 0, 2)))

    def statement(self, who: str, sql: str, where: str = "") -> None:
        """What a client is about to send, and as whom."""
        label = Text.assemble(("  " + who, "bold cyan"), (f"  {where}" if where else "", "dim"))
        self.console.print(label)
        self.console.print(
            Padding(
                Syntax(sql, "postgresql", theme="ansi_dark", background_color="default", word_wrap=True),
                (0, 4),
            )
        )

    def command(self, text: str) -> None:
        """A command line, as one would type it."""
        self.console.print(Padding(Text(f"$ {text}", style="cyan"), (0, 2)))

    def outcome(self, kind: str, text: str) -> None:
        """One of the five outcomes, as a badge, and what came with it."""
        badge = Text(f" {kind.upper():^7} ", style=OUTCOMES[kind])
        self.console.print(Padding(Text.assemble(badge, "  ", text), (0, 4)))

    def rows(self, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        """The first few rows of an answer, as the client saw it."""
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1), header_style="dim")
        for column in columns:
            table.add_column(column, overflow="ellipsis", no_wrap=True)
        for row in rows[:_ROWS_SHOWN]:
            table.add_row(*[escape("null" if value is None else str(value)) for value in row])
        self.console.print(Padding(table, (0, 0, 0, 4)))
        if len(rows) > _ROWS_SHOWN:
            self.console.print(Text(f"      … {len(rows)} rows", style="dim"))

    def output(self, text: str) -> None:
        """What a command printed, set off from the story."""
        for line in text.rstrip().splitlines():
            self.console.print(Padding(Text.from_ansi(line), (0, 4)))

    def expect(self, statement: str, holds: bool, seen: object = "") -> None:
        """Checks one thing that the story states; the demo's exit status depends on it."""
        if holds:
            self.met += 1
            self.console.print(Text(f"    ✓ {statement}", style="green"))
            return
        self.failures.append(statement)
        self.console.print(Text(f"    ✗ {statement}", style="bold red"))
        if seen != "":
            self.console.print(Padding(Text(f"seen: {seen}", style="red"), (0, 8)))

    @contextmanager
    def working(self, what: str) -> Iterator[None]:
        """Shows that something takes a moment, on a terminal."""
        with self.console.status(what):
            yield

    def end(self, seconds: float) -> None:
        """The last line: everything as stated, or what was not."""
        self.console.print()
        if not self.failures:
            self.console.print(
                Text(f"{self.met} of {self.met} came out as stated, in {seconds:.0f} s.", style="bold green")
            )
            return
        self.console.print(
            Text(
                f"{len(self.failures)} of {self.met + len(self.failures)} did not come out as stated:",
                style="bold red",
            )
        )
        for failure in self.failures:
            self.console.print(Text(f"  ✗ {failure}", style="red"))

    @property
    def columns(self) -> int:
        """How wide the output of a command may be, which is set in a little."""
        return self.console.width - 6

    def begin_picture(self) -> None:
        """What has been shown so far is not part of the picture."""
        if self._picture is not None:
            self.console.export_text(clear=True)

    def end_picture(self) -> None:
        """Writes what has been shown since `begin_picture`, where a picture was asked for."""
        if self._picture is not None:
            self.console.save_svg(str(self._picture), title="make demo")
