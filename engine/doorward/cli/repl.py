"""`doorward repl`: ask policies one thing after the other."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from doorward.cli.output import (
    CAPABILITIES_HELP,
    NO,
    UNAVAILABLE,
    fail,
    read_allowed,
    reported,
    terminal_width,
)

__all__ = ["register", "repl"]


def register(app: typer.Typer) -> None:
    """Adds `repl`."""
    app.command()(repl)


def repl(
    policies: Annotated[
        Path | None, typer.Argument(help="Directory of policies and data, a bundle, or one file.")
    ] = None,
    allowed: Annotated[Path | None, typer.Option("--capabilities", help=CAPABILITIES_HELP)] = None,
) -> None:
    """Ask queries, define rules, set the input: interactively, or with entries from standard input.

    `:help` says what can be typed. On a pipe there is no prompt, and the exit status is 1 if an entry was wrong.
    """
    terminal = sys.stdin.isatty() and sys.stdout.isatty()
    if terminal:
        try:
            import prompt_toolkit  # noqa: F401 - only whether it is there
        except ModuleNotFoundError:
            raise fail(
                "an interactive session needs prompt_toolkit: install doorward with the extra `author`, "
                "doorward[author]; on a pipe it is not needed",
                UNAVAILABLE,
            ) from None
    from doorward.author.repl import Session, on_pipe, on_terminal

    with reported():
        session = Session(
            policies,
            capabilities=read_allowed(allowed),
            color=sys.stdout.isatty(),
            width=terminal_width(),
        )
    if terminal:
        typer.echo("doorward: `:help` says what can be typed, Ctrl-D leaves")
        on_terminal(session, typer.echo)
    elif not on_pipe(session, sys.stdin, sys.stdout, sys.stderr):
        raise typer.Exit(NO)
