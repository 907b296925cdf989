"""Giving names their meaning: modules as parsed → modules in which every name is spelled out.

`scopes` finds out which names a body declares and uses, `globals` what names mean outside of rules, `terms` walks
terms and bodies with both, `rules` does so for rules and statements.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

from doorward_dsl.diagnostics import Diagnostic
from doorward_dsl.resolve.globals import (
    Exports,
    ModuleNames,
    exports,
    module_names,
    shadowed_roots,
    unused_imports,
)
from doorward_dsl.resolve.metadata import AnnotationIndex, RuleMetadata
from doorward_dsl.resolve.rules import resolve_rule, resolve_statement
from doorward_dsl.resolve.terms import Resolver
from doorward_dsl.syntax import Body, Module, Rule, Statement

__all__ = ["AnnotationIndex", "Exports", "Resolved", "exports", "resolve_module", "resolve_query"]


@dataclass(frozen=True, slots=True)
class Resolved:
    """A module with all names spelled out."""

    module: Module
    diagnostics: tuple[Diagnostic, ...]
    faulty: frozenset[Rule | Statement]
    """Those with names that are wrong: later passes would only repeat it."""
    asks_for_metadata: bool
    """Whether annotations have become values in it."""


def resolve_module(
    module: Module,
    exported: Exports,
    annotations: AnnotationIndex,
    fields: frozenset[str] = frozenset(),
) -> Resolved:
    """Resolve one of several modules that stand together. `fields` are those of the request that are in scope in it."""
    report = shadowed_roots(module.rules)
    names = module_names(module, exported, fields, report)
    faulty: set[Rule | Statement] = set()
    asked: list[Rule] = []

    def metadata(rule: Rule) -> RuleMetadata:
        asked.append(rule)
        return annotations.of_rule(module, rule)

    rules = []
    for rule in module.rules:
        before = len(report)
        rules.append(resolve_rule(rule, names, exported, partial(metadata, rule), report))
        if any(one.severity == "error" for one in report[before:]):
            faulty.add(rules[-1])
    statements = []
    for statement in module.statements:
        before = len(report)
        statements.append(resolve_statement(statement, names, exported, report))
        if any(one.severity == "error" for one in report[before:]):
            faulty.add(statements[-1])
    report += unused_imports(module, names)
    resolved = replace(module, imports=(), rules=tuple(rules), statements=tuple(statements))
    return Resolved(resolved, tuple(report), frozenset(faulty), bool(asked))


def resolve_query(
    body: Body, exported: Exports, report: list[Diagnostic], within: Module | None = None
) -> Body:
    """A query's body, resolved in the package and with the imports of a module, or in none; its variables keep their
    names.
    """
    names = ModuleNames({}, frozenset(), (), frozenset())
    if within is not None:
        names = module_names(within, exported, frozenset(), report)
    resolver = Resolver(names, exported, report, keep_names=True)
    resolver.open(body)
    resolved = resolver.body(body)
    resolver.close()
    return resolved
