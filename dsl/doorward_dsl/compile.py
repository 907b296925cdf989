"""From parsed modules to a `Program`: resolve → order → check. Every error of a run is found before any is raised."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import chain, islice
from typing import Any, Final, TypeVar

from doorward_dsl.capabilities import Capabilities, check_features
from doorward_dsl.check.absence import check_absence
from doorward_dsl.check.apart import negates_whole_lines
from doorward_dsl.check.calls import check_calls
from doorward_dsl.check.changes import differences, reshaped
from doorward_dsl.check.conflicts import check_conflicts, check_data_conflicts
from doorward_dsl.check.fields import check_fields
from doorward_dsl.check.governs import check_kinds, check_lookalikes, lookalikes
from doorward_dsl.check.infer import Part, Typed, check_query, infer
from doorward_dsl.check.obligations import check_statement
from doorward_dsl.check.recursion import Graph, check_recursion
from doorward_dsl.check.safety import Orderer, order_query
from doorward_dsl.check.tree import RuleTree
from doorward_dsl.check.withs import check_with
from doorward_dsl.diagnostics import CompileError, Diagnostic
from doorward_dsl.mentions import keys_of, reads_of
from doorward_dsl.products import Checked, Revision, govern
from doorward_dsl.program import Program
from doorward_dsl.resolve import AnnotationIndex, Exports, Resolved, resolve_module, resolve_query
from doorward_dsl.resolve.metadata import is_annotated
from doorward_dsl.schemas import JsonSchema, RequestTypes, Schemas, data_type
from doorward_dsl.syntax import Body, Module, Rule, Statement, Term
from doorward_dsl.types import ANY, AnyType, Type
from doorward_dsl.walk import deep_terms, deep_withs, head_terms, rule_chain, statement_terms

__all__ = ["Compiler", "compile_modules", "compile_query"]

AnyPart = TypeVar("AnyPart", Rule, Statement)

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

    `schemas` gives the request document of each kind that a file may govern; without any, requests are untyped. As
    `Schemas` it may describe base documents too. `data` are base documents that rules must not define again. Under
    `strict` warnings are errors; else they are kept as `Program.warnings`. `capabilities`, where given, are all that the
    modules may use. Raises CompileError with every error found.
    """
    return Compiler(schemas=schemas, strict=strict, capabilities=capabilities).compile(modules, data)


class Compiler:
    """Compiles one revision of the same files after another: what a change leaves as it was is not looked at again.

    The arguments are those of `compile_modules`, and so is what comes out. A module is known by being the same object.
    What is kept is replaced as a whole, and only by a revision without errors: whoever compiles at the same time has the
    old products or the new, and what they hold never changes.
    """

    def __init__(
        self,
        *,
        schemas: Mapping[str, JsonSchema] | None = None,
        strict: bool = False,
        capabilities: Capabilities | None = None,
    ) -> None:
        self.schemas = Schemas.of(schemas)
        self.requests = RequestTypes(self.schemas)
        self.data = data_type(self.schemas.data)
        self.strict = strict
        self.capabilities = capabilities
        self._latest: Revision | None = None

    @property
    def latest(self) -> Revision | None:
        """The products of the latest revision without errors."""
        return self._latest

    def compile(self, modules: Iterable[Module], data: Mapping[str, Any] | None = None) -> Program:
        """The program of some modules. Raises CompileError with every error found."""
        revision = _Compilation(self, modules, self._latest).run(data)
        self._latest = revision
        return revision.program


class _Compilation:
    """One run of the passes over those modules whose products of an `earlier` revision do not hold any more."""

    def __init__(self, compiler: Compiler, modules: Iterable[Module], earlier: Revision | None) -> None:
        self._strict = compiler.strict
        self._requests = compiler.requests
        self._data = compiler.data
        self._allowed = compiler.capabilities
        self._earlier = earlier
        self._modules = sorted(modules, key=lambda module: (module.package, module.span.source.name))
        self._offered = RuleTree(
            self._modules, resolved=False, earlier=None if earlier is None else earlier.offered
        )
        self._kept: dict[Module, Checked] = {} if earlier is None else self._still_holding(earlier)
        self._fresh = [module for module in self._modules if module not in self._kept]
        self._annotations = AnnotationIndex(
            module for module in self._modules if module not in self._kept or self._kept[module].annotated
        )
        self._said: dict[Module, list[Diagnostic]] = {module: [] for module in self._fresh}
        """What there is to say of each module by itself."""
        self._faulty: set[Part] = set()

    def _still_holding(self, earlier: Revision) -> dict[Module, Checked]:
        """The products of earlier that would come out just the same."""
        touched = reshaped(differences(earlier.offered, self._offered))
        present = set(self._modules)
        gone = [checked for source, checked in earlier.checked.items() if source not in present]
        annotated = any(one.annotated for one in gone) or any(
            is_annotated(module) for module in self._modules if module not in earlier.checked
        )
        before = earlier.offered.branches
        renamed = {
            package
            for package, branch in self._offered.branches.items()
            if before.get(package) is not branch and earlier.offered.names(package) != branch.names
        }
        known = earlier.checked
        kept = {module: known[module] for module in self._modules if module in known}
        if touched or renamed or annotated:
            kept = {
                module: checked
                for module, checked in kept.items()
                if checked.mentions.isdisjoint(touched)
                and module.package not in renamed
                and not (annotated and checked.asks_for_metadata)
            }
        return kept

    def run(self, data: Mapping[str, Any] | None) -> Revision:
        """All passes. Raises CompileError."""
        earlier = self._earlier
        resolved = self._resolve()
        self._check(resolved)
        made = self._order(resolved)
        checked = {module: self._kept.get(module) or made[module] for module in self._modules}
        tree = RuleTree(
            (one.module for one in checked.values()), earlier=None if earlier is None else earlier.typed.tree
        )
        fresh = list(made.values())
        owners = self._owners(fresh)
        graph = Graph(tree, lambda rule: owners[rule].reads(rule))
        rules = [part for one in fresh for part in one.parts if isinstance(part, Rule)]
        recursion = check_recursion(graph, rules, self._faulty)
        typed = Typed(tree, self._data, {}, {})
        if not recursion:
            before = None if earlier is None else earlier.typed
            typed = infer(checked.values(), fresh, owners, tree, graph, self._faulty, self._data, before)
        report = chain(
            *[one.said for one in checked.values() if one.said],
            self._conflicts(data),
            self._lookalikes(checked.values()),
            recursion,
            *typed.told.values(),
        )
        warnings = _settled(report, self._strict)
        modules = tuple([one.module for one in checked.values()])
        governing = govern(modules, self._annotations, None if earlier is None else earlier.governing)
        program = Program(
            modules, tree, lambda part: owners[part].reads(part), governing.all, typed, warnings
        )
        return Revision(program, self._offered, checked, owners, typed, governing)

    def _resolve(self) -> list[Resolved]:
        names = {module.package: self._offered.names(module.package) for module in self._fresh}
        exported = Exports(names, self._offered.arities)
        found = []
        for module in self._fresh:
            fields = self._requests.fields(module.governs)
            resolved = resolve_module(module, exported, self._annotations, fields)
            self._said[module] += resolved.diagnostics
            self._faulty |= resolved.faulty
            found.append(resolved)
        return found

    def _check(self, resolved: Iterable[Resolved]) -> None:
        """The checks that look at one module, rule or statement at a time; what fails becomes faulty."""
        left = _MOST_ERRORS
        for source, module in zip(self._fresh, (one.module for one in resolved), strict=True):
            report = self._said[source]
            if self._allowed is not None:
                report += check_features([source], self._allowed)
            report += check_kinds([module], self._requests.kinds)
            request = self._requests.of(module.governs)
            for part in (*module.rules, *module.statements):
                if part in self._faulty:
                    continue
                before = len(report)
                for heads, bodies in _pieces(part):
                    found = list(islice(self._wrong(heads, bodies, request), left))
                    left -= len(found)
                    report += found
                if not isinstance(part, Rule):
                    report += check_statement(part)
                if len(report) > before:
                    self._faulty.add(part)

    def _wrong(self, heads: list[Term], bodies: list[Body], request: Type) -> Iterator[Diagnostic]:
        terms = list(deep_terms(*heads, bodies=bodies))
        yield from check_calls(terms, self._offered, self._allowed)
        for modifier in deep_withs(*heads, bodies=bodies):
            yield from check_with(modifier, self._offered, self._allowed)
        if not isinstance(request, AnyType):
            yield from check_fields(terms, request)

    def _order(self, resolved: Iterable[Resolved]) -> dict[Module, Checked]:
        """The modules with their bodies in order, but for what is faulty; what is unsafe becomes faulty too."""
        return {source: self._ordered(source, one) for source, one in zip(self._fresh, resolved, strict=True)}

    def _ordered(self, source: Module, resolved: Resolved) -> Checked:
        report, request = self._said[source], self._requests.of(source.governs)
        names = self._offered.names(source.package)
        known = names | self._requests.fields(source.governs)
        whole = negates_whole_lines(source)
        orderer = Orderer(report, known, whole=whole)

        def ordered(part: AnyPart, order: Callable[[AnyPart], AnyPart]) -> AnyPart:
            before = len(report)
            made = part if part in self._faulty else order(part)
            if len(report) > before:
                self._faulty.add(made)
            return made

        rules = tuple([ordered(rule, orderer.rule) for rule in resolved.module.rules])
        statements = tuple([ordered(one, orderer.statement) for one in resolved.module.statements])
        module = replace(resolved.module, rules=rules, statements=statements)
        for statement in statements:
            if statement not in self._faulty and not isinstance(request, AnyType):
                report += check_absence(statement, request, self._offered, self._data)
        written = (*resolved.module.rules, *resolved.module.statements)
        reads = {part: reads_of(source) for part, source in zip((*rules, *statements), written, strict=True)}
        return Checked(
            source=source,
            module=module,
            names=names,
            request=request,
            whole=whole and source.span.source.dialect == "rego",
            references=reads,
            mentions=keys_of(chain.from_iterable(reads.values())),
            asks_for_metadata=resolved.asks_for_metadata,
            annotated=is_annotated(source),
            suspects=lookalikes(module),
            said=report,
        )

    def _conflicts(self, data: Mapping[str, Any] | None) -> Iterator[Diagnostic]:
        known = None if self._earlier is None else self._earlier.offered
        yield from check_conflicts(self._modules, self._offered, known)
        if data is not None:
            yield from check_data_conflicts(self._offered, data)

    def _lookalikes(self, checked: Collection[Checked]) -> Iterator[Diagnostic]:
        suspects = [(one.source, path, rule) for one in checked for path, rule in one.suspects]
        return check_lookalikes(suspects, (one.mentions for one in checked), self._annotations)

    def _owners(self, fresh: Iterable[Checked]) -> dict[Part, Checked]:
        """The module of every rule and statement."""
        owners = {} if self._earlier is None else dict(self._earlier.owners)
        if self._earlier is not None:
            for source, checked in self._earlier.checked.items():
                if source not in self._kept:
                    for part in checked.parts:
                        del owners[part]
        for checked in fresh:
            owners.update(dict.fromkeys(checked.parts, checked))
        return owners


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
    tree = RuleTree(()) if program is None else program.tree
    names = {} if within is None else {within.package: tree.names(within.package)}
    resolved = resolve_query(body, Exports(names, tree.arities), report, within)
    ordered = order_query(resolved, report)
    terms = list(deep_terms(bodies=[ordered]))
    modifiers = list(deep_withs(bodies=[ordered]))
    report += check_calls(terms, tree, capabilities)
    for modifier in modifiers:
        report += check_with(modifier, tree, capabilities)
    if all(one.severity != "error" for one in report):
        report += check_query(ordered, Typed(tree, ANY, {}, {}) if program is None else program.typed)
    _settled(report, strict=False)
    return ordered


def _pieces(part: Rule | Statement) -> Iterator[tuple[list[Term], list[Body]]]:
    """The head terms and the bodies of each link of a rule, or of a statement."""
    if isinstance(part, Rule):
        for link in rule_chain(part):
            yield head_terms(link.head), [link.body]
    else:
        yield statement_terms(part), [body for body in (part.when, part.unless) if body]


def _settled(report: Iterable[Diagnostic], strict: bool) -> tuple[Diagnostic, ...]:
    """The warnings of a report without errors; raises those otherwise."""
    distinct: dict[object, Diagnostic] = {}
    for one in sorted(report, key=lambda one: (one.severity, one.hint or "", str(one.notes))):
        distinct.setdefault((one.code, one.message, one.span.source.name, one.span.start), one)
    errors = [one for one in distinct.values() if strict or one.severity == "error"]
    if errors:
        raise CompileError(errors)
    return CompileError(distinct.values()).diagnostics
