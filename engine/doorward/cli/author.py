"""What each stage of the compiler makes of policies, and what they may use."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from doorward.cli.output import (
    CAPABILITIES_HELP,
    print_json,
    read_allowed,
    reported,
)

if TYPE_CHECKING:
    from doorward_dsl.source import Span

__all__ = ["capabilities", "emit", "parse", "plan", "register"]

_Allowed = Annotated[Path | None, typer.Option("--capabilities", help=CAPABILITIES_HELP)]
_Policies = Annotated[Path, typer.Argument(help="Directory of policies and data, or one file.")]


def register(app: typer.Typer) -> None:
    """Adds `parse`, `plan`, `emit` and `capabilities`."""
    app.command()(parse)
    app.command()(plan)
    app.command()(emit)
    app.command()(capabilities)


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
