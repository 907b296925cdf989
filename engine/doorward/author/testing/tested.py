"""Policies made ready for tests: as production has them, and beside them what works out the tests' own values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Final

from doorward.author.testing.withs import VALUE, data_at, first_value, modifiers
from doorward.compile import Compiled, Function, Replaced, Replacements, compile_program, run
from doorward.decide.document import Clock, complete
from doorward.decide.evaluate import Decider, Evaluator
from doorward.decide.explain import Explainer
from doorward.engine import PolicySet
from doorward.engine.documents import check_documents, schemas_in
from doorward.engine.granted import granted_to_decisions, granted_to_queries
from doorward.engine.kinds import kinds_of
from doorward.facts.postgres import AnalysisCache, Catalogue
from doorward.run.access import patch
from doorward.run.budget import Limits
from doorward.run.context import CallContext
from doorward.run.values import UNDEFINED, Value
from doorward_dsl.capabilities import Capabilities
from doorward_dsl.check.withs import function_name
from doorward_dsl.compile import compile_modules
from doorward_dsl.compile_tests import SHARED, CompiledTest, TestProgram, compile_tests
from doorward_dsl.diagnostics import Diagnostic, ParseError
from doorward_dsl.parse import parse_module
from doorward_dsl.program import Path, Program
from doorward_dsl.source import NOWHERE
from doorward_dsl.syntax import Assign, Body, ExprTerm, Literal, Module, Rule, Scalar, Term, Var

__all__ = ["DEFAULT_NOW_NS", "SEED", "RuleTest", "Tested", "check_tests", "is_skipped", "is_test_rule"]

DEFAULT_NOW_NS: Final = 1_767_614_400_000_000_000
"""The instant at which tests happen that give none: Monday, 2026-01-05T12:00:00Z."""

_NOTHING_REPLACED: Final = Replacements()

SEED: Final = 0
"""Of the random numbers in tests."""

_PREFIX: Final = "test_"
_SKIPPED: Final = "todo_test_"


def is_test_rule(rule: Rule) -> bool:
    """Whether a rule, as parsed, is a test: a part of its name starts with `test_` or `todo_test_`."""
    return any(name.startswith((_PREFIX, _SKIPPED)) for name in _static(rule)) and rule.head.args is None


def is_skipped(name: str) -> bool:
    """Whether a test of that name is marked as not yet to be run."""
    return name.startswith(_SKIPPED)


def _static(rule: Rule) -> list[str]:
    """The leading names of a rule's ref as parsed."""
    names: list[str] = []
    for at, term in enumerate(rule.head.ref):
        if at == 0 and isinstance(term, Var):
            names.append(term.name)
        elif isinstance(term, Scalar) and isinstance(term.value, str):
            names.append(term.value)
        else:
            break
    return names


@dataclass(frozen=True, slots=True, eq=False)
class RuleTest:
    """One definition of a test rule: by the path under which the test program holds it alone."""

    module: Module
    rule: Rule
    """As parsed."""
    path: Path
    name: str
    """With `#01`, `#02` … from the second definition of a name on."""


class Tested:
    """A policy set, compiled for tests. Raises PolicyError for whatever is wrong in it, test blocks included."""

    def __init__(
        self,
        policies: PolicySet,
        *,
        limits: Limits,
        capabilities: Capabilities | None = None,
    ) -> None:
        self.policies = policies
        self.limits = limits
        self.analyses = AnalysisCache()
        self.clock = Clock()
        self._capabilities = capabilities
        check_documents(policies)
        modules = _parsed(policies)
        self.kinds = kinds_of(policies)
        schemas = schemas_in(policies)
        operations = {name: kind.operation for name, kind in self.kinds.items()}
        self.program: Program = compile_modules(
            modules, schemas=schemas, data=policies.data, capabilities=capabilities
        )
        apart, self.rules = _apart(modules)
        self.tests: TestProgram = compile_tests(
            apart, schemas=schemas, operations=operations, data=policies.data, capabilities=capabilities
        )
        self.compiled: Compiled = compile_program(self.program, policies.data)
        self._functions: dict[Any, Function] = {}

    @cached_property
    def beside(self) -> Compiled:
        """The program of the tests' own values and rules, compiled when first needed."""
        return compile_program(self.tests.program, self.policies.data)

    @cached_property
    def _replaced_somewhere(self) -> frozenset[str]:
        """Whatever any test replaces, by dotted name."""
        settings = [one for test in self.tests.tests for one in test.settings.values()]
        return frozenset(".".join(one.path) for one in settings if one.part == "replaced")

    @cached_property
    def _replaceable(self) -> Compiled:
        """The policies, compiled so that all of that can be replaced."""
        return self.compiled.replaceable(self._replaced_somewhere)

    @cached_property
    def _beside_replaceable(self) -> Compiled:
        """The program of the tests' own values, compiled so that all of that can be replaced."""
        return self.beside.replaceable(self._replaced_somewhere)

    # --- decisions -------------------------------------------------------------------------------------------

    def decider(self, replacements: Replacements) -> Decider:
        """What decides: the compiled policies themselves, or, where something is replaced, with that in its place."""
        evaluator: Evaluator = self.compiled
        if replacements:
            evaluator = Replaced(self._replaceable, replacements)
        return Decider(
            evaluator,
            self.policies.revision,
            limits=self.limits,
            analyses=self.analyses,
            grants=granted_to_decisions(self._capabilities),
            kinds=self.kinds,
        )

    def explain(
        self,
        request: dict[str, Any],
        catalogue: Catalogue | None,
        now_ns: int,
        replacements: Replacements,
        *,
        search: bool,
    ) -> str:
        """How a decision came about, in words; empty where functions or rules were replaced, which no explanation follows.

        With `search`, also what would have had to differ for it to be allowed.
        """
        if replacements.functions or any(map(self.compiled.units_below, replacements.data)):
            return ""
        compiled = self.compiled
        if replacements.data:
            data = self.policies.data
            for path, value in replacements.data.items():
                data = patch(data, path, value)
            compiled = compile_program(self.program, data)
        explainer = Explainer(
            compiled,
            self.policies.revision,
            limits=self.limits,
            analyses=self.analyses,
            grants=granted_to_decisions(self._capabilities),
            kinds=self.kinds,
        )
        return explainer.explain(request, catalogue, now_ns, search=search).to_text()

    def document(self, request: dict[str, Any], facts: Mapping[str, Any], now_ns: int) -> dict[str, Any]:
        """The document that policies saw of a request."""
        return {**complete(request, self.clock.instant(now_ns), self.kinds), **facts}

    # --- values ----------------------------------------------------------------------------------------------

    def value(
        self, term: Term, now_ns: int, shared: Mapping[str, Value], document: Value = UNDEFINED
    ) -> Value:
        """The value of a resolved term, or UNDEFINED. Raises EvaluationError."""
        function = self._functions.get(term)
        if function is None:
            body: Body = (Literal(ExprTerm(term, term.span), (), term.span),)
            function = self._functions[term] = self.beside.prepare_value(body)
        return run(function, self.context(now_ns, shared, document))

    def rule_value(
        self,
        path: Path,
        now_ns: int,
        shared: Mapping[str, Value],
        document: Value = UNDEFINED,
        replacements: Replacements = _NOTHING_REPLACED,
    ) -> Value:
        """The value of a rule of the test program, or UNDEFINED. Raises EvaluationError."""
        withs, given = modifiers(replacements)
        key = path, tuple((function_name(one.target), function_name(one.value)) for one in withs)
        function = self._functions.get(key)
        if function is None:
            term = data_at(path)
            if withs:
                body: Body = (Literal(Assign(Var(VALUE, NOWHERE), term, NOWHERE), withs, NOWHERE),)
                function = first_value(self._beside_replaceable.prepare(body))
            else:
                function = self.beside.prepare_value((Literal(ExprTerm(term, NOWHERE), (), NOWHERE),))
            self._functions[key] = function
        return run(function, self.context(now_ns, {**shared, **given}, document))

    def context(self, now_ns: int, shared: Mapping[str, Value], document: Value = UNDEFINED) -> CallContext:
        """A context for the test program: `shared` is what the running test keeps below `data`."""
        grants = granted_to_queries(self._capabilities)
        call = CallContext(now_ns, self.limits, strict=False, grants=grants, seed=SEED)
        call.input = document
        call.data = self.data(shared)
        return call

    def data(self, shared: Mapping[str, Value]) -> Value:
        """The base documents, with what the running test keeps."""
        return patch(self.policies.data, (SHARED,), dict(shared)) if shared else self.policies.data

    def blocks(self) -> tuple[CompiledTest, ...]:
        """The test blocks of `.ward` files."""
        return self.tests.tests


def check_tests(policies: PolicySet, *, capabilities: Capabilities | None = None) -> None:
    """Raises PolicyError with whatever is wrong in the test blocks of a policy set, or in its modules."""
    modules = _parsed(policies)
    if any(module.tests or module.givens for module in modules):
        kinds = kinds_of(policies)
        compile_tests(
            modules,
            schemas=schemas_in(policies),
            operations={name: kind.operation for name, kind in kinds.items()},
            data=policies.data,
            capabilities=capabilities,
        )


def _parsed(policies: PolicySet) -> list[Module]:
    problems: list[Diagnostic] = []
    modules = []
    for source in policies.sources:
        try:
            modules.append(parse_module(source))
        except ParseError as error:
            problems.extend(error.diagnostics)
    if problems:
        raise ParseError(problems)
    return modules


def _apart(modules: list[Module]) -> tuple[list[Module], list[RuleTest]]:
    """Modules in which every definition of a test has a name of its own, and those definitions.

    Two definitions of a test are two tests, though of a rule they would be one.
    """
    found: list[RuleTest] = []
    seen: dict[Path, int] = {}
    made: list[Module] = []
    for module in modules:
        rules = []
        for rule in module.rules:
            if not is_test_rule(rule) or rule.default:
                rules.append(rule)
                continue
            names = _static(rule)
            at = next(i for i, name in enumerate(names) if name.startswith((_PREFIX, _SKIPPED)))
            path = (*module.package, *names[: at + 1])
            count = seen[path] = seen.get(path, -1) + 1
            suffix = f"#{count:02}" if count else ""
            if suffix:
                ref = list(rule.head.ref)
                old = ref[at]
                name = f"{names[at]}{suffix}"
                ref[at] = Var(name, old.span) if at == 0 else Scalar(name, old.span)
                rule = _renamed(rule, tuple(ref))
            rules.append(rule)
            path = (*path[:-1], f"{path[-1]}{suffix}")
            found.append(RuleTest(module, rule, path, ".".join([*names[:at], f"{names[at]}{suffix}"])))
        made.append(replace(module, rules=tuple(rules)))
    return made, found


def _renamed(rule: Rule, ref: tuple[Term, ...]) -> Rule:
    return replace(rule, head=replace(rule.head, ref=ref))
