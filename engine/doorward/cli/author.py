"""For whoever writes policies: `check`, and what each stage of the compiler makes of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

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
    from doorward_dsl.source import Span

__all__ = ["capabilities", "check", "emit", "parse", "plan", "register"]

_Allowed = Annotated[Path | None, typer.Option("--capabilities", help=CAPABILITIES_HELP)]
_Policies = Annotated[Path, typer.Argument(help="Directory of policies and data, or one file.")]


def register(app: typer.Typer) -> None:
    """Adds `check`, `parse`, `plan`, `emit` and `capabilities`."""
    app.command()(check)
    app.command()(parse)
    app.command()(plan)
    app.command()(emit)
    app.command()(capabilities)


def check(
    policies: _Policies,
    strict: Annotated[bool, typer.Option("--strict", help="Warnings are errors.")] = False,
    allowed: _Allowed = None,
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """Check policies and data: every error and warning, with its place. Exit status 1 if there are errors."""
    from doorward.author.testing import check_tests
    from doorward.engine import Engine, read_policies
    from doorward_dsl import PolicyError

    with reported(as_json=as_json):
        policy_set = read_policies(policies)
        try:
            # compiled all the way: what passes here is what `serve` takes
            engine = Engine(policy_set, strict=strict, capabilities=read_allowed(allowed))
            check_tests(policy_set, capabilities=read_allowed(allowed))
        except PolicyError as error:
            if as_json:
                print_json({"diagnostics": [diagnostic_json(d) for d in error.diagnostics]})
            else:
                print_diagnostics(error.diagnostics)
                typer.echo(_counted(len(error.diagnostics), "problem"), err=True)
            raise typer.Exit(NO) from None
    if as_json:
        print_json(
            {
                "diagnostics": [diagnostic_json(d) for d in engine.warnings],
                "modules": len(policy_set.sources),
                "statements": engine.statements,
                "revision": engine.revision,
            }
        )
        return
    print_diagnostics(engine.warnings)
    modules = _counted(len(policy_set.sources), "module")
    statements = _counted(engine.statements, "statement")
    warnings = f", {_counted(len(engine.warnings), 'warning')}" if engine.warnings else ""
    typer.echo(f"{modules}, {statements}{warnings}: no errors")


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def parse(policies: _Policies) -> None:
    """Print the syntax trees."""
    from doorward.engine import read_policies
    from doorward_dsl import parse_module

    with reported():
        for source in read_policies(policies).sources:
            for line in _tree("module", parse_module(source), 0):
                typer.echo(line)


def plan(policies: _Policies) -> None:
    """Print the plans: what will be computed, in which order."""
    from doorward.compile import compile_program
    from doorward.engine import compile_policies, read_policies

    with reported():
        policy_set = read_policies(policies)
        typer.echo(compile_program(compile_policies(policy_set), policy_set.data).format_plan())


def emit(policies: _Policies, allowed: _Allowed = None) -> None:
    """Print the Python that the plans become."""
    from doorward.compile import compile_program
    from doorward.engine import compile_policies, read_policies

    with reported():
        policy_set = read_policies(policies)
        program = compile_policies(policy_set, capabilities=read_allowed(allowed))
        typer.echo(compile_program(program, policy_set.data).format_python())


def capabilities() -> None:
    """Print all that policies may use in this version, as OPA prints its own.

    Take out what they may not, put into `allow_net` the hosts they may reach, and give the document to `check`,
    `serve`, `decide`, `eval` or `emit` as --capabilities.
    """
    from doorward_dsl.capabilities import capabilities_document

    print_json(capabilities_document())


def _tree(label: str, node: Any, depth: int) -> Iterator[str]:
    """A syntax tree, one line a node: its field, its class, its place, and what it holds."""
    indent = "  " * depth
    if isinstance(node, tuple):
        for number, item in enumerate(node):
            yield from _tree(f"{label}[{number}]", item, depth)
        return
    if not dataclasses.is_dataclass(node) or isinstance(node, type):
        yield f"{indent}{label}: {node!r}"
        return
    fields = [field.name for field in dataclasses.fields(node) if not field.name.endswith("span")]
    span: Span = node.span  # type: ignore[attr-defined] # every node of a tree has one
    yield f"{indent}{label}: {type(node).__name__} {span.line}:{span.column}"
    for name in fields:
        value = getattr(node, name)
        if value is not None and value != () and value is not False:
            yield from _tree(name, value, depth + 1)
