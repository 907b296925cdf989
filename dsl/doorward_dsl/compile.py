"""From parsed modules to a `Program`: resolve → order → check. Every error of a run is found before any is raised."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import chain, islice
from typing import Any, Final

from doorward_dsl.capabilities import Capabilities, check_features
from doorward_dsl.check.absence import check_absence
from doorward_dsl.check.apart import negates_whole_lines
from doorward_dsl.check.calls import check_calls
from doorward_dsl.check.conflicts import check_conflicts, check_data_conflicts
from doorward_dsl.check.fields import check_fields
from doorward_dsl.check.governs import check_kinds, check_lookalikes, governed_rules, governed_statements
from doorward_dsl.check.infer import infer
from doorward_dsl.check.obligations import check_statement
from doorward_dsl.check.recursion import check_recursion, dependencies
from doorward_dsl.check.safety import Orderer, order_query
from doorward_dsl.check.tree import RuleTree
from doorward_dsl.check.withs import check_with, function_name
from doorward_dsl.diagnostics import CompileError, Diagnostic
from doorward_dsl.program import Path, Program
from doorward_dsl.resolve import Exports, resolve_modules, resolve_query
from doorward_dsl.resolve.globals import static_path
from doorward_dsl.schemas import JsonSchema, RequestTypes
from doorward_dsl.syntax import Body, Call, Module, Rule, Statement, Term
from doorward_dsl.types import AnyType, Type
from doorward_dsl.walk import deep_terms, deep_withs, head_terms, rule_chain, statement_terms

__all__ = ["compile_modules", "compile_query"]

_MOST_ERRORS: Final = 1000
"""Errors after which calls, modifiers and fields are looked at no more: near misses take time, and nobody reads on."""


def compile_modules(
    modules: Iterable[Module],
    *,
    schemas: Mapping[str, JsonSchema] | None = None,
    strict: bool = False,
    data: Mapping[str, Any] | None = None,
    capabilities: Capabilities | None = None,
) -> Program:
    """Resolve and check modules together.

    `schemas` gives the request document of each kind that a file may govern; without any, requests are untyped. `data`
    are base documents that rules must not define again. Under `strict` warnings are errors; else they are kept as
    `Program.warnings`. `capabilities`, where given, are all that the modules may use. Raises CompileError with every
    error found.
    """
    requests = RequestTypes(schemas or {})
    modules = tuple(modules)
    resolved = resolve_modules(modules, lambda module: requests.fields(module.governs))
    report = list(resolved.diagnostics)
    if capabilities is not None:
        report += check_features(modules, capabilities)
    report += check_kinds(resolved.modules, requests.kinds)
    report += check_lookalikes(resolved.modules, resolved.annotations)
    faulty: set[Rule | Statement] = set(resolved.faulty)
    defined = RuleTree(resolved.modules)
    report += check_conflicts(resolved.modules, defined)
    if data is not None:
        report += check_data_conflicts(defined, data)
    for module in resolved.modules:
        _check_module(module, defined, requests.of(module.governs), capabilities, faulty, report)
    whole = {module.span.source for module in modules if negates_whole_lines(module)}
    ordered = tuple(
        _order(
            module,
            Orderer(report, _names(module, resolved.exports, requests), whole=module.span.source in whole),
            faulty,
            report,
        )
        for module in resolved.modules
    )
    for module in ordered:
        request = requests.of(module.governs)
        if not isinstance(request, AnyType):
            for statement in module.statements:
                if statement not in faulty:
                    report += check_absence(statement, request)
    tree = RuleTree(ordered)
    graph = dependencies(tree)
    recursion = check_recursion(graph, faulty)
    report += recursion
    if not recursion:
        types = {module: requests.of(module.governs) for module in ordered}
        report += infer(ordered, tree, graph, types, faulty)
    warnings = _settled(report, strict)
    return Program(
        modules=ordered,
        rules=_rules(ordered),
        statements=governed_statements(ordered),
        governed_rules=governed_rules(ordered, resolved.annotations),
        warnings=warnings,
    )


def compile_query(
    body: Body,
    program: Program | None = None,
    *,
    capabilities: Capabilities | None = None,
    within: Module | None = None,
) -> Body:
    """A query's body, resolved and in order, against a program. Variables keep their names.

    `capabilities`, where given, name the built-ins it may use. `within` is a module in whose package, and with whose
    imports, the query stands. Raises CompileError.
    """
    report: list[Diagnostic] = []
    rules = {} if program is None else program.rules
    exported = _arities(body, rules) if within is None else _exported(rules, within.package)
    resolved = resolve_query(body, exported, report, within)
    ordered = order_query(resolved, report)
    terms = list(deep_terms(bodies=[ordered]))
    modifiers = list(deep_withs(bodies=[ordered]))
    if modifiers or any(isinstance(term, Call) and term.name[0] == "data" for term in terms):
        tree = RuleTree(() if program is None else program.modules)
    else:
        tree = RuleTree(())
    report += check_calls(terms, tree, capabilities)
    for modifier in modifiers:
        report += check_with(modifier, tree, capabilities)
    _settled(report, strict=False)
    return ordered


def _names(module: Module, exported: Exports, requests: RequestTypes) -> frozenset[str]:
    """The names that a misspelt one in a module may have meant."""
    return exported.rules.get(module.package, frozenset()) | requests.fields(module.governs)


def _order(
    module: Module, orderer: Orderer, faulty: set[Rule | Statement], report: list[Diagnostic]
) -> Module:
    """The module with its bodies in order, but for what is faulty; what is unsafe becomes faulty too."""
    rules = []
    for rule in module.rules:
        before = len(report)
        rules.append(rule if rule in faulty else orderer.rule(rule))
        if len(report) > before:
            faulty.add(rules[-1])
    statements = []
    for statement in module.statements:
        before = len(report)
        statements.append(statement if statement in faulty else orderer.statement(statement))
        if len(report) > before:
            faulty.add(statements[-1])
    return replace(module, rules=tuple(rules), statements=tuple(statements))


def _check_module(
    module: Module,
    tree: RuleTree,
    request: Type,
    allowed: Capabilities | None,
    faulty: set[Rule | Statement],
    report: list[Diagnostic],
) -> None:
    """The checks that look at one rule or statement at a time; what fails becomes faulty."""
    for part in (*module.rules, *module.statements):
        if part in faulty:
            continue
        before = len(report)
        for heads, bodies in _pieces(part):
            terms = list(deep_terms(*heads, bodies=bodies))
            found = chain(
                check_calls(terms, tree, allowed),
                *(check_with(modifier, tree, allowed) for modifier in deep_withs(*heads, bodies=bodies)),
                () if isinstance(request, AnyType) else check_fields(terms, request),
            )
            report += islice(found, max(0, _MOST_ERRORS - len(report)))
        if not isinstance(part, Rule):
            report += check_statement(part)
        if len(report) > before:
            faulty.add(part)


def _pieces(part: Rule | Statement) -> Iterator[tuple[list[Term], list[Body]]]:
    """The head terms and the bodies of each link of a rule, or of a statement."""
    if isinstance(part, Rule):
        for link in rule_chain(part):
            yield head_terms(link.head), [link.body]
    else:
        yield statement_terms(part), [body for body in (part.when, part.unless) if body]


def _rules(modules: Iterable[Module]) -> Mapping[Path, tuple[Rule, ...]]:
    found: dict[Path, list[Rule]] = {}
    for module in modules:
        for rule in module.rules:
            found.setdefault(static_path(rule.head.ref)[1:], []).append(rule)
    return {path: tuple(rules) for path, rules in sorted(found.items())}


def _arities(body: Body, rules: Mapping[Path, tuple[Rule, ...]]) -> Exports:
    """The arities of the functions that a query calls, or replaces."""
    functions: dict[Path, int] = {}
    names = [term.name for term in deep_terms(bodies=[body]) if isinstance(term, Call)]
    names += [name for modifier in deep_withs(bodies=[body]) if (name := function_name(modifier.target))]
    for name in names:
        if name[0] == "data":
            for rule in rules.get(name[1:], ()):
                if rule.head.args is not None:
                    functions.setdefault(name, len(rule.head.args))
    return Exports({}, functions)


def _exported(rules: Mapping[Path, tuple[Rule, ...]], package: Path) -> Exports:
    """The names of a package's rules, and the arities of all functions."""
    here = frozenset(path[len(package)] for path in rules if path[: len(package)] == package != path)
    functions = {
        ("data", *path): len(some[0].head.args)
        for path, some in rules.items()
        if some[0].head.args is not None
    }
    return Exports({package: here}, functions)


def _settled(report: Iterable[Diagnostic], strict: bool) -> tuple[Diagnostic, ...]:
    """The warnings of a report without errors; raises those otherwise."""
    distinct = {(one.code, one.message, one.span.source.name, one.span.start): one for one in report}
    errors = [one for one in distinct.values() if strict or one.severity == "error"]
    if errors:
        raise CompileError(errors)
    return CompileError(distinct.values()).diagnostics
