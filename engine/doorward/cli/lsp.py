"""`doorward lsp`: the language server, for editors."""

from __future__ import annotations

import logging
import sys
from typing import Annotated

import typer

from doorward.cli.output import UNAVAILABLE, fail

__all__ = ["lsp", "register"]


def register(app: typer.Typer) -> None:
    """Adds `lsp`."""
    app.command()(lsp)


def lsp(
    tcp: Annotated[
        int | None,
        typer.Option(
            "--tcp",
            metavar="PORT",
            min=1,
            max=65535,
            help="Listen on this port of 127.0.0.1 instead, for debugging.",
        ),
    ] = None,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Log to standard error what is going on.")
    ] = False,
) -> None:
    """Serve an editor: diagnostics, completion, hover, definitions, renaming, formatting, tests.

    Speaks the language server protocol over standard input and output. Exit status 0 if the editor asked for the end,
    1 if it went away without; 3 if the extra `author` is not installed, or the port not free.
    """
    try:
        import pygls  # noqa: F401
    except ImportError:
        raise fail("the language server needs `pip install 'doorward[author]'`", UNAVAILABLE) from None
    from doorward.author.lsp import serve_stdio, serve_tcp

    if tcp is None and sys.stdin.isatty():
        typer.echo("doorward: waiting for an editor on standard input; Ctrl-C ends it", err=True)
    handler = logging.StreamHandler(sys.stderr) if verbose else logging.NullHandler()
    logging.basicConfig(level=logging.INFO, handlers=[handler], format="%(asctime)s %(name)s: %(message)s")
    try:
        code = serve_stdio() if tcp is None else serve_tcp(tcp)
    except OSError as error:
        raise fail(f"port {tcp}: {(error.strerror or str(error)).lower()}", UNAVAILABLE) from None
    raise typer.Exit(code)
