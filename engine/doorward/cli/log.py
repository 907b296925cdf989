"""`doorward log`: what goes with the decision log."""

from __future__ import annotations

from typing import Annotated

import typer

from doorward.cli.output import USAGE, fail

__all__ = ["register", "schema"]


def register(app: typer.Typer) -> None:
    """Adds `log schema`."""
    log = typer.Typer(name="log", help="What goes with the decision log.", no_args_is_help=True)
    log.command()(schema)
    log.callback()(lambda: None)  # so that one command alone still has its name
    app.add_typer(log)


def schema(
    table: Annotated[
        str, typer.Option(help="Its name, as `decision_log.postgres.table` has it.")
    ] = "doorward_decisions",
) -> None:
    """Print the table that PostgreSQL keeps the decision log in."""
    from pydantic import ValidationError

    from doorward.serve.decision_log.settings import PostgresSettings
    from doorward.serve.decision_log.table import table_definition

    try:
        PostgresSettings(conninfo="dbname=any", table=table)
    except ValidationError:
        raise fail(f"--table: `{table[:100]}` must be in small letters, digits and `_`", USAGE) from None
    typer.echo(table_definition(table), nl=False)
