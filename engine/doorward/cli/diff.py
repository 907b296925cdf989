"""`doorward diff`: what a change of policies would have changed for real requests."""

from __future__ import annotations

import gzip
import itertools
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from doorward.cli.catalogue import CATALOGUE_HELP, read_catalogue
from doorward.cli.output import (
    CAPABILITIES_HELP,
    NO,
    UNAVAILABLE,
    USAGE,
    fail,
    print_json,
    read_allowed,
    reported,
    terminal_width,
)

if TYPE_CHECKING:
    from doorward.author.diff import Report

__all__ = ["diff", "register"]

_SIDE_HELP = "A directory, a file, a bundle, or a git revision: main, HEAD~1:policies."


def register(app: typer.Typer) -> None:
    """Adds `diff`."""
    app.command()(diff)


def diff(
    old: Annotated[str, typer.Argument(help=_SIDE_HELP)],
    new: Annotated[str, typer.Argument(help=_SIDE_HELP)],
    requests: Annotated[
        Path,
        typer.Argument(
            help="Decision log, JSON lines, as it is or packed (.gz); or a folder of logs and of requests, *.json."
        ),
    ],
    catalogue: Annotated[
        Path | None, typer.Option(help=f"Where the log holds none. {CATALOGUE_HELP}")
    ] = None,
    now_ns: Annotated[
        int | None,
        typer.Option(help="The instant of requests that name none, in nanoseconds since 1970. Default: now."),
    ] = None,
    allowed: Annotated[Path | None, typer.Option("--capabilities", help=CAPABILITIES_HELP)] = None,
    ignored: Annotated[
        list[str] | None,
        typer.Option(
            "--allow",
            help="Differences that are as wanted, and do not make the exit status 1: loses, gains, masks, approvals, "
            "credential, errors. Repeat for several.",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """Decide logged requests under old and new policies, and say for whom what would change.

    Each is decided at the instant at which it was decided, with what the world answered then. Exit status 0 if no
    gateway would do anything else, 1 if some would (see --allow) or policies have errors, 3 if the log, the catalogue or a
    revision cannot be read.
    """
    from doorward.author.diff import LogError, RevisionError, open_policies, read_log, render, replay
    from doorward.decide.differences import KINDS
    from doorward.engine import Engine, ModuleCache
    from doorward.facts.postgres import AnalysisCache
    from doorward.facts.postgres.catalogue import CatalogueError

    unknown = sorted({*(ignored or ())} - {*KINDS})
    if unknown:
        raise fail(f"--allow: `{unknown[0]}` is none of {', '.join(KINDS)}", USAGE)
    with reported(as_json=as_json):
        try:
            limits = read_allowed(allowed)
            analyses, modules = AnalysisCache(), ModuleCache()
            # one cache for both: what a statement does, no policy changes, and most files are the same
            before, after = (
                Engine(open_policies(side, other), analyses=analyses, modules=modules, capabilities=limits)
                for side, other in ((old, new), (new, old))
            )
            known = read_catalogue(catalogue)
            with _progress(requests) as step:
                report = replay(before, after, read_log(requests, known), now_ns=now_ns, progress=step)
        except (CatalogueError, LogError, RevisionError) as error:
            raise fail(str(error), UNAVAILABLE) from None
    if as_json:
        print_json({"old": before.revision, "new": after.revision, **report.to_dict()})
    else:
        typer.echo(render(report, color=sys.stdout.isatty(), width=terminal_width()))
    if _matters(report, {*(ignored or ())}):
        raise typer.Exit(NO)


def _matters(report: Report, ignored: set[str]) -> bool:
    return any(group.difference.kind not in ignored for group in report.groups)


@contextmanager
def _progress(requests: Path) -> Iterator[Callable[[], None]]:
    """A bar on standard error, if that is a terminal."""
    if not sys.stderr.isatty():
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import Progress

    total = _lines(requests)
    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("deciding", total=total)
        done = itertools.count(1)

        def step() -> None:
            # drawing costs more than deciding
            if next(done) % 100 == 0:
                bar.advance(task, 100)

        yield step


def _lines(requests: Path) -> int:
    """About how many requests there are."""
    if not requests.is_dir():
        with gzip.open(requests) if requests.suffix == ".gz" else requests.open("rb") as log:
            return sum(chunk.count(b"\n") for chunk in iter(lambda: log.read(1 << 20), b""))
    return sum(1 if file.suffix == ".json" else _lines(file) for file in requests.rglob("*.json*"))
