"""Giving names their meaning: modules as parsed → modules in which every name is spelled out.

`scopes` finds out which names a body declares and uses, `globals` what names mean outside of rules, `terms` walks
terms and bodies with both, `rules` does so for rules and statements.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from doorward_dsl.diagnostics import Diagnostic
from doorward_dsl.resolve.globals import (
    Exports,
    ModuleNames,
    exports,
    module_names,
    shadowed_roots,
    unused_imports,
)
from doorward_dsl.resolve.metadata import AnnotationIndex
from doorward_dsl.resolve.rules import resolve_rule, resolve_statement
from doorward_dsl.resolve.terms import Resolver
from doorward_dsl.syntax import Body, Module, Rule, Statement

__all__ = ["Exports", "Resolved", "resolve_modules", "resolve_query"]


@dataclass(frozen=True, slots=True)
class Resolved:
    """Modules with all names spelled out, sorted by package and file name."""

    modules: tuple[Module, ...]
    exports: Exports
    annotations: AnnotationIndex
    diagnostics: tuple[Diagnostic, ...]
    faulty: frozenset[Rule | Statement]
    """Those with names that are wrong: later passes would only repeat it."""


def resolve_modules(
    modules: Iterable[Module], fields: Callable[[Module], frozenset[str]] = lambda module: frozenset()
) -> Resolved:
    """Resolve all modules together. `fields` names the request fields that are in scope in a module."""
    ordered = sorted(modules, key=lambda module: (module.package, module.span.source.name))
    exported = exports(ordered)
    annotations = AnnotationIndex(ordered)
    report: list[Diagnostic] = []
    resolved = []
    faulty: set[Rule | Statement] = set()
    for module in ordered:
        report += shadowed_roots(module.rules)
        names = module_names(module, exported, fields(module), report)
        rules = []
        for rule in module.rules:
            before = len(report)
            rules.append(resolve_rule(rule, names, exported, annotations.of_rule(module, rule), report))
            if any(one.severity == "error" for one in report[before:]):
                faulty.add(rules[-1])
        statements = []
        for statement in module.statements:
            before = len(report)
            statements.append(resolve_statement(statement, names, exported, report))
            if any(one.severity == "error" for one in report[before:]):
                faulty.add(statements[-1])
        report += unused_imports(module, names)
        resolved.append(replace(module, imports=(), rules=tuple(rules), statements=tuple(statements)))
    return Resolved(tuple(resolved), exported, annotations, tuple(report), frozenset(faulty))


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
