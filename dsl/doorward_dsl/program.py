"""A resolved and checked set of modules: what `resolve` and `check` hand to the engine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from doorward_dsl.diagnostics import Diagnostic
from doorward_dsl.source import Span
from doorward_dsl.syntax import Module, Rule, Statement

__all__ = ["GovernedRule", "GovernedStatement", "Path", "Program", "Verb"]

Path = tuple[str, ...]
"""The static part of a rule's place below `data`: `("acme", "customers", "analyst")`."""

Verb = Literal["allow", "block", "mask", "approve", "credential"]


@dataclass(frozen=True, slots=True, eq=False)
class GovernedStatement:
    """A Ward statement with a resolved, safely ordered condition.

    `id` is `package:line`, with `:column` added where a line holds several; unique in the program.
    """

    id: str
    verb: Verb
    kinds: tuple[str, ...]
    """Kinds of request it speaks for; `("*",)` for all."""
    statement: Statement
    package: Path
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class GovernedRule:
    """A plain Rego rule set that takes part in decisions through `custom: {governs: […]}`.

    `path` names the rule; its value is a boolean, a set of messages, or a set of objects as the translation of Ward
    statements gives them. `deny` counts as `block`.
    """

    id: str
    verb: Verb
    kinds: tuple[str, ...]
    path: Path
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class Program:
    """Everything that runs. All bodies are in an order in which each expression finds its inputs bound."""

    modules: tuple[Module, ...]
    """Resolved, sorted by package and file name."""
    rules: Mapping[Path, tuple[Rule, ...]]
    """Rules by the static prefix of their full ref (up to the first element that is not a string literal)."""
    statements: tuple[GovernedStatement, ...]
    governed_rules: tuple[GovernedRule, ...]
    warnings: tuple[Diagnostic, ...] = ()
    """What is suspicious but was let through, sorted by place."""
