"""`doorward check`: everything that is wrong or suspicious in policies, data and tests, with its place."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from doorward.cli.output import (
    CAPABILITIES_HELP,
    NO,
    diagnostic_json,
    print_diagnostics,
    print_json,
    read_allowed,
    reported,
)

if TYPE_CHECKING:
    from doorward.author.lint import Checked

__all__ = ["check", "register"]


def register(app: typer.Typer) -> None:
    """Adds `check`."""
    app.command()(check)


def check(
    policies: Annotated[
        Path | None, typer.Argument(help="Directory of policies and data, one file, or a bundle.")
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Warnings are errors.")] = False,
    config: Annotated[
        Path | None, typer.Option(help="Settings; else `.doorward.yaml` beside the policies or above them.")
    ] = None,
    allowed: Annotated[Path | None, typer.Option("--capabilities", help=CAPABILITIES_HELP)] = None,
    rules: Annotated[bool, typer.Option("--rules", help="List the rules of lint, and end.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """Check policies, data and tests: every error and warning, with its place. Exit status 1 if there are errors.

    A warning is ignored by a comment behind it or on the line above, `# doorward: ignore RULE`, and made an error or
    turned off everywhere under `lint: rules:` of the settings.
    """
    if rules:
        _list_rules(as_json=as_json)
        return
    if policies is None:
        raise typer.BadParameter("say what to check", param_hint="POLICIES")
    from doorward.author.lint import check as check_policies
    from doorward.author.lint import find_settings, read_settings
    from doorward.engine import read_policies

    with reported(as_json=as_json):
        settings = read_settings(config or find_settings(policies))
        checked = check_policies(read_policies(policies), settings.lint, capabilities=read_allowed(allowed))
    if strict:
        strictly = tuple(replace(one, severity="error") for one in checked.diagnostics)
        checked = replace(checked, diagnostics=strictly)
    if as_json:
        print_json(
            {
                "diagnostics": [diagnostic_json(one) for one in checked.diagnostics],
                "modules": checked.modules,
                "statements": checked.statements,
                "revision": checked.revision,
            }
        )
    else:
        print_diagnostics(checked.diagnostics)
        typer.echo(_summary(checked), err=checked.errors > 0)
    if checked.errors:
        raise typer.Exit(NO)


def _summary(checked: Checked) -> str:
    errors, warnings = checked.errors, len(checked.diagnostics) - checked.errors
    looked = f"{_counted(checked.modules, 'module')}"
    if checked.revision:
        looked += f", {_counted(checked.statements, 'statement')}"
    if warnings:
        looked += f", {_counted(warnings, 'warning')}"
    return f"{looked}: {_counted(errors, 'error') if errors else 'no errors'}"


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _list_rules(*, as_json: bool) -> None:
    from doorward_dsl.lint import RULES

    if as_json:
        print_json(
            [{"id": rule.id, "severity": rule.severity, "summary": rule.summary} for rule in RULES.values()]
        )
        return
    width = max(map(len, RULES))
    for rule in RULES.values():
        typer.echo(f"{rule.id:<{width}}  {rule.severity:<8} {rule.summary}")
