"""`doorward export`: policies in another language."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from doorward.cli.output import USAGE, fail, reported

__all__ = ["export", "register"]


def register(app: typer.Typer) -> None:
    """Adds `export`."""
    app.command()(export)


def export(
    policies: Annotated[Path, typer.Argument(help="Directory of policies and data, a bundle, or one file.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Directory to write to; new, or empty.", show_default=False)
    ],
    rego: Annotated[bool, typer.Option("--rego", help="As plain Rego, which OPA decides by.")] = False,
) -> None:
    """Write policies as plain Rego, by which OPA comes to the same decisions.

    `opa eval -d DIR -i DOCUMENT --strict-builtin-errors data.doorward.decision` decides as Doorward does; `doorward decide
    --document` prints the document. What the export leaves out is said at the top of each file. Exit status 1 if the
    policies have errors, or cannot be said in plain Rego.
    """
    from doorward.author.export import export_rego
    from doorward.engine import read_policies

    if not rego:
        raise fail("say what to export to: --rego", USAGE)
    with reported():
        if output.exists() and (not output.is_dir() or any(output.iterdir())):
            raise fail(f"`{output}` is not an empty directory", USAGE)
        written = export_rego(read_policies(policies))
        for name, content in written.items():
            path = output / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    typer.echo(f"{len(written)} files written to {output}")
