"""`doorward explain`: the truth about one request."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from doorward.cli.catalogue import CATALOGUE_HELP, read_catalogue
from doorward.cli.output import (
    CAPABILITIES_HELP,
    NO,
    fail,
    print_json,
    read_allowed,
    reported,
    terminal_width,
)

__all__ = ["explain", "register"]


def register(app: typer.Typer) -> None:
    """Adds `explain`."""
    app.command()(explain)


def explain(
    policies: Annotated[Path, typer.Argument(help="Directory of policies and data, or one file.")],
    request: Annotated[
        str, typer.Argument(help="File with the access request, JSON; - for standard input.")
    ] = "-",
    catalogue: Annotated[Path | None, typer.Option(help=CATALOGUE_HELP)] = None,
    now_ns: Annotated[
        int | None, typer.Option(help="Decide as of this instant, in nanoseconds since 1970.")
    ] = None,
    allowed: Annotated[Path | None, typer.Option("--capabilities", help=CAPABILITIES_HELP)] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Also tell of statements that could not have changed the verdict.")
    ] = False,
    nearest: Annotated[
        bool, typer.Option("--nearest/--no-nearest", help="Look for the nearest request that is allowed.")
    ] = True,
    as_json: Annotated[bool, typer.Option("--json", help="All of it, for machines.")] = False,
) -> None:
    """Explain the decision on one access request: what became of every statement, and what would have had to differ.

    The verdict is that of `doorward decide`. The nearest request that would be allowed is decided by the policies before
    it is named. Exit status 0 if the request is allowed, 1 if not.
    """
    from doorward.decide.document import parse_document
    from doorward.engine import Engine
    from doorward.facts.postgres.catalogue import CatalogueError

    with reported(as_json=as_json):
        engine = Engine.from_path(policies, capabilities=read_allowed(allowed))
        document = parse_document(sys.stdin.buffer.read() if request == "-" else Path(request).read_bytes())
        try:
            known = read_catalogue(catalogue)
        except CatalogueError as error:
            raise fail(str(error), NO) from None
        told = engine.explain(document, catalogue=known, now_ns=now_ns, nearest=nearest)
    if as_json:
        print_json(told.to_dict())
    else:
        color = sys.stdout.isatty()
        typer.echo(told.to_text(color=color, everything=everything, width=terminal_width()))
    if told.decision.verdict != "allow":
        raise typer.Exit(NO)
