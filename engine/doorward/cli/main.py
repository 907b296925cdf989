"""The `doorward` command.

Commands of other packages join through the entry-point group `doorward.commands`: each entry is a callable that is
handed the application and adds to it. Nothing heavy is imported before a command runs.
"""

from __future__ import annotations

from importlib.metadata import entry_points

import typer

from doorward.cli import (
    ask,
    author,
    bundle,
    check,
    diff,
    evaluate,
    explain,
    export,
    fmt,
    log,
    lsp,
    new,
    repl,
    service,
    test,
)

__all__ = ["build", "main"]

_EPILOG = (
    "Exit status: 0 as asked; 1 policies with errors, or a decision other than allow; 2 the command was called wrongly; "
    "3 something it needs is not there."
)


def build() -> typer.Typer:
    """The application with all its commands."""
    app = typer.Typer(
        name="doorward",
        help="Policy as code for the data path: one decision for every request.",
        epilog=_EPILOG,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    service.register(app)
    new.register(app)
    check.register(app)
    author.register(app)
    ask.register(app)
    evaluate.register(app)
    repl.register(app)
    explain.register(app)
    diff.register(app)
    test.register(app)
    export.register(app)
    fmt.register(app)
    bundle.register(app)
    log.register(app)
    lsp.register(app)
    for entry in sorted(entry_points(group="doorward.commands"), key=lambda entry: entry.name):
        entry.load()(app)
    return app


def main() -> None:
    """Run the command."""
    build()()
