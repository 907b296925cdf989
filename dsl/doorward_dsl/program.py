"""A resolved and checked set of modules: what `resolve` and `check` hand to the engine."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from doorward_dsl.check.infer import Typed
from doorward_dsl.check.tree import RuleTree
from doorward_dsl.diagnostics import Diagnostic
from doorward_dsl.mentions import Read
from doorward_dsl.resolve.globals import static_path
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


@dataclass(frozen=True, eq=False)
class Program:
    """Everything that runs. All bodies are in an order in which each expression finds its inputs bound.

    What a program has in common with the one that was compiled before it, from the same files, is the same object.
    """

    modules: tuple[Module, ...]
    """Resolved, sorted by package and file name."""
    tree: RuleTree
    """Their rules."""
    references: Callable[[Rule | Statement], Iterable[Read]]
    """What a rule or a statement refers to."""
    governing: tuple[tuple[GovernedStatement | GovernedRule, ...], ...]
    """What takes part in decisions: the statements of each module that has some, then the rules of all packages."""
    typed: Typed
    """The types of the rules."""
    warnings: tuple[Diagnostic, ...] = ()
    """What is suspicious but was let through, sorted by place."""

    @cached_property
    def rules(self) -> Mapping[Path, tuple[Rule, ...]]:
        """Rules by the static prefix of their full ref (up to the first element that is not a string literal)."""
        found: dict[Path, list[Rule]] = {}
        for module in self.modules:
            for rule in module.rules:
                found.setdefault(static_path(rule.head.ref)[1:], []).append(rule)
        return {path: tuple(rules) for path, rules in sorted(found.items())}

    @cached_property
    def statements(self) -> tuple[GovernedStatement, ...]:
        """All statements, sorted by package, file and place."""
        return tuple(one for some in self.governing for one in some if isinstance(one, GovernedStatement))

    @cached_property
    def governed_rules(self) -> tuple[GovernedRule, ...]:
        """All rules that take part in decisions, sorted by path."""
        rules = [one for some in self.governing for one in some if isinstance(one, GovernedRule)]
        return tuple(sorted(rules, key=lambda rule: rule.path))
