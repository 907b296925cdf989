"""`doorward new`: a policy repository to begin with."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from doorward.cli.output import USAGE, fail, print_json, reported

__all__ = ["new", "register"]


def register(app: typer.Typer) -> None:
    """Adds `new`."""
    app.command()(new)


def new(
    directory: Annotated[
        Path, typer.Argument(help="Where to; made if it is not there.", show_default="here")
    ] = Path(),
    kinds: Annotated[
        list[str] | None,
        typer.Option(
            "--kind",
            "-k",
            help="Kind of request that the example governs: postgres, http, kubernetes, llm, mcp or ssh. "
            "Repeat for several.",
            show_default="postgres",
        ),
    ] = None,
    force: Annotated[
        bool,
        typer.Option("--force", help="Also where there are files already: they stay as they are."),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """Start a policy repository: a small policy with its tests, data, hooks for pre-commit, and CI for GitHub and GitLab.

    No file is ever overwritten. Exit status 2 if the directory is not empty (see --force).
    """
    from doorward.author.new import KINDS, NotEmpty, scaffold
    from doorward_dsl.suggest import near_miss

    wanted = tuple(dict.fromkeys(kinds or ["postgres"]))
    for kind in wanted:
        if kind not in KINDS:
            hint = near_miss(kind, KINDS) or f"the kinds are {', '.join(KINDS)}"
            raise fail(f"there is no example for the kind `{kind}`: {hint}", USAGE)
    with reported(as_json=as_json):
        try:
            made = scaffold(directory, wanted, force=force)
        except NotEmpty as error:
            raise fail(str(error), USAGE) from None
    if as_json:
        print_json({"directory": str(directory), "kinds": wanted, "written": made.written, "kept": made.kept})
        return
    for name in made.written:
        typer.echo(f"  {name}")
    for name in made.kept:
        typer.echo(f"  {name} (was there, and is as it was)")
    catalogue = " --catalogue policies/schema.sql" if "postgres" in wanted else ""
    typer.echo("\nNext:")
    if directory.resolve() != Path.cwd():
        typer.echo(f"  cd {directory}")
    typer.echo("  doorward test policies --coverage")
    typer.echo(f"  doorward explain policies requests/{wanted[0]}.json{catalogue}")
    typer.echo("  git init && pre-commit install")
