"""The command: which questions to ask, how many rounds, and where to write."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Annotated

import typer

from bench import decisions, docs, load, memory, path, plots, served
from bench.measure import Question, Row, Settings, fill
from bench.peers import PEERS, WrongAnswer
from bench.report import Report
from bench.screen import Screen

HERE = Path(__file__).parent
GROUPS: dict[str, Callable[[Settings], AbstractContextManager[Sequence[Question]]]] = {
    "decisions": decisions.questions,
    "load": lambda _: load.questions(),
    "memory": memory.questions,
    "served": served.questions,
    "path": path.questions,
}
UNASKED = ("memory", "path")
"""Groups that take minutes, and are asked by name only."""


def main(
    groups: Annotated[
        list[str] | None,
        typer.Argument(help=f"What to measure: {', '.join(GROUPS)}. Without any: decisions, load, served."),
    ] = None,
    rounds: Annotated[int, typer.Option(min=1, max=100, help="Rounds that count, for each contestant.")] = 5,
    peers: Annotated[
        str, typer.Option(help=f"Whom to measure beside, with commas: {', '.join(PEERS)}; or none.")
    ] = ",".join(PEERS),
    quick: Annotated[
        bool,
        typer.Option("--quick", help="Two short rounds, small sizes: to see that it works, not to quote."),
    ] = False,
    out: Annotated[Path, typer.Option(help="Where results.json, results.md and the plots go.")] = HERE
    / "results",
    last: Annotated[bool, typer.Option("--last", help="Measure nothing: show the last run again.")] = False,
    write_docs: Annotated[
        bool, typer.Option("--write-docs", help="Put tables and plots of this run into docs/performance.md.")
    ] = False,
) -> None:
    """Measure Doorward beside its peers, in one run on this machine.

    Contestants take turns, round by round; each row shows the median of the rounds, their range, and the ratio to the
    row's first line. Results are kept after each row: an interrupt (Ctrl-C) leaves what there is.
    """
    screen = Screen()
    if last:
        report = Report.read(out)
        for row in report.rows:
            screen.done(row)
    else:
        asked = _known("group", groups or [name for name in GROUPS if name not in UNASKED], GROUPS)
        named = [] if peers == "none" else [name.strip() for name in peers.split(",")]
        chosen = frozenset(_known("peer", named, PEERS))
        settings = Settings(
            rounds=min(rounds, 2) if quick else rounds,
            slice_seconds=0.02 if quick else 0.2,
            quick=quick,
            peers=None if chosen == frozenset(PEERS) else chosen,
        )
        report = Report(rounds=settings.rounds)
        _measure(report, asked, settings, out, screen)
    for made in plots.draw(report, out):
        screen.say(f"wrote {_short(made)}", "dim")
    screen.say(report.setting, "dim")
    if write_docs:
        for made in docs.write(report):
            screen.say(f"wrote {_short(made)}")
    if not report.complete:
        raise typer.Exit(130)


def _measure(report: Report, groups: Sequence[str], settings: Settings, out: Path, screen: Screen) -> None:
    """Asks everything there is in `groups`, and keeps each row when it is there."""
    begin = time.monotonic()
    try:
        for name in groups:
            with GROUPS[name](settings) as questions, screen.group(name, len(questions)):
                for question in questions:
                    row = Row(name, question.name, question.unit, question.note)
                    report.rows.append(row)
                    for number, who in fill(row, question, settings):
                        screen.working(question.name, number, who)
                    screen.done(row)
                    report.write(out)
        report.complete = True
    except KeyboardInterrupt:
        screen.say("interrupted: what was measured is kept", "yellow")
    except WrongAnswer as error:
        screen.say(f"error: {error}", "bold red")
        raise typer.Exit(1) from error
    finally:
        report.rows[:] = [row for row in report.rows if row.figures]
        report.write(out)
        screen.say(
            f"{len(report.rows)} rows in {time.monotonic() - begin:.0f} s: {_short(out / 'results.md')}, "
            f"{_short(out / 'results.json')}"
        )


def _known(what: str, named: Collection[str], known: Collection[str]) -> list[str]:
    if unknown := sorted(set(named) - set(known)):
        raise typer.BadParameter(f"no such {what}: {', '.join(unknown)}; there are {', '.join(known)}")
    return [name for name in known if name in named]


def _short(made: Path) -> Path:
    here = Path.cwd()
    return made.relative_to(here) if made.is_relative_to(here) else made


if __name__ == "__main__":
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(main)
    app(prog_name="python -m bench")
