"""From test blocks to what a runner carries out: every value and condition becomes a rule of its own.

A test block stands in its file's package: its values and conditions may use the file's imports and rules. So each
becomes a rule with a name that nobody can write, in a module beside the file's own, and all that is said of rules
(scopes, safety, types, messages with places) holds of test blocks too. The policies themselves are compiled without
these modules: what decides in a test is what decides in production.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from doorward_dsl.capabilities import Capabilities
from doorward_dsl.check.fields import step
from doorward_dsl.check.givens import Part, check_field, check_value, classify
from doorward_dsl.check.withs import function_name
from doorward_dsl.compile import Compiler
from doorward_dsl.diagnostics import CompileError, Diagnostic
from doorward_dsl.program import Path, Program
from doorward_dsl.resolve.globals import ModuleNames, exports, import_name, module_names
from doorward_dsl.resolve.scopes import some_vars
from doorward_dsl.schemas import JsonSchema, RequestTypes, Schemas
from doorward_dsl.source import Span
from doorward_dsl.suggest import near_miss
from doorward_dsl.syntax import (
    Array,
    ArrayComprehension,
    Body,
    Call,
    Expectation,
    ExpectCondition,
    ExpectCredential,
    ExpectDetermining,
    ExpectError,
    ExpectMask,
    ExpectReason,
    ExpectVerdict,
    ExprTerm,
    Given,
    Import,
    Literal,
    Module,
    Object,
    Ref,
    Rule,
    RuleHead,
    Scalar,
    Set,
    Term,
    TermTarget,
    TestBlock,
    Var,
    When,
    With,
)

__all__ = [
    "DECISION",
    "SHARED",
    "CompiledTest",
    "Setting",
    "TestProgram",
    "compile_tests",
    "compiler_of_tests",
    "is_literal",
]

SHARED: Final = "doorward test"
"""The document below `data` where a running test keeps its case and its decision."""

DECISION: Final = "decision"
"""The name of the decision in the conditions of a test."""

_WITHOUT_OPERATION: Final = ("connect", "issue_credential", "shell")


@dataclass(frozen=True, slots=True, eq=False)
class Setting:
    """A `given`, understood."""

    part: Part
    path: tuple[str, ...]
    """Of a field: its path in the request. Of what is replaced: `("data", …)`, or the built-in's name in one piece."""
    value: Term
    file: str | None
    """The name of the file that holds the value: `file("…")`."""
    of_function: bool
    """Whether what is replaced is a function."""
    function: tuple[str, ...] | None
    """The function that stands in for another, by its full path, or a built-in by its name in one piece."""
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class CompiledTest:
    """One test block, its parts checked."""

    block: TestBlock
    module: Module
    """The file it stands in, as parsed."""
    settings: Mapping[Given, Setting]
    """What the givens of the block and of its file mean."""
    values: Mapping[Term, Path]
    """The rules that work out the terms that are no literals."""
    conditions: Mapping[ExpectCondition, Path]
    cases: Path | None
    """The rule whose value is the array of cases, each an object of its variables."""


@dataclass(frozen=True, slots=True, eq=False)
class TestProgram:
    """All test blocks, and the program that works out their values."""

    __test__ = False

    program: Program
    tests: tuple[CompiledTest, ...]


def compiler_of_tests(
    schemas: Mapping[str, JsonSchema], capabilities: Capabilities | None = None
) -> Compiler:
    """What compiles policies with their tests."""
    data = Schemas.of(schemas).data
    if () in data:  # what tests keep lies beside all else
        schemas = Schemas(schemas, {**data, (SHARED,): {}})
    return Compiler(schemas=schemas, capabilities=capabilities)


def compile_tests(
    modules: Iterable[Module],
    *,
    schemas: Mapping[str, JsonSchema],
    operations: Mapping[str, str],
    data: Mapping[str, Any] | None = None,
    capabilities: Capabilities | None = None,
    compiler: Compiler | None = None,
) -> TestProgram:
    """Check the test blocks of modules as parsed.

    `schemas` are those of the documents of each kind, `operations` names the section of each that holds the raw
    operation: all else that is its own is worked out of that. `compiler`, a `compiler_of_tests` with the same schemas and
    capabilities, is kept from an earlier revision of the same files. Raises CompileError with every error in the blocks, and in
    the modules.
    """
    modules = tuple(modules)
    requests = _Requests(schemas, operations)
    exported = exports(modules)
    report: list[Diagnostic] = []
    lowerings: list[_Lowering] = []
    for module in modules:
        if not module.tests and not module.givens:
            continue
        names = module_names(module, exported, frozenset(), [])
        if not module.tests:
            fields = requests.fields(tuple(requests.kinds))
            found = [classify(given.target, names, fields) for given in module.givens]
            report += [one for one in found if isinstance(one, Diagnostic)]
        taken: dict[str, TestBlock] = {}
        for number, block in enumerate(module.tests):
            earlier = taken.setdefault(block.name, block)
            if earlier is not block:
                notes = (("the first is here", earlier.name_span),)
                message = f"two tests of this file are called `{block.name}`"
                report.append(Diagnostic("ward_test_error", message, block.name_span, notes=notes))
            lowering = _Lowering(module, block, number, names, requests, report)
            lowering.lower()
            lowerings.append(lowering)
    beside = [made for lowering in lowerings for made in lowering.modules()]
    try:
        compiler = compiler or compiler_of_tests(schemas, capabilities)
        program = compiler.compile([*modules, *beside], data)
    except CompileError as error:
        raise CompileError(_distinct([*report, *error.diagnostics])) from None
    if report:
        raise CompileError(_distinct(report))
    return TestProgram(program, tuple(lowering.done(program) for lowering in lowerings))


def _distinct(report: Iterable[Diagnostic]) -> list[Diagnostic]:
    """Each message once: what is given in all tests of a file is looked at in each of them."""
    return list(
        {(one.code, one.message, one.span.source.name, one.span.start): one for one in report}.values()
    )


def is_literal(term: Term) -> bool:
    """Whether a term is written out: no names, no calls."""
    if isinstance(term, Array | Set):
        return all(map(is_literal, term.items))
    if isinstance(term, Object):
        return all(is_literal(part) for pair in term.pairs for part in pair)
    return isinstance(term, Scalar)


class _Requests(RequestTypes):
    """The types of requests, and which of their parts are worked out of others."""

    def __init__(self, schemas: Mapping[str, JsonSchema], operations: Mapping[str, str]) -> None:
        super().__init__(schemas)
        self.operations = operations
        fields = {kind: self.fields((kind,)) for kind in schemas}
        common = frozenset.intersection(*fields.values()) if fields else frozenset[str]()
        self.facts = {
            name: kind
            for kind in sorted(fields)
            for name in fields[kind] - common - {operations.get(kind, "")}
        }
        """The facts, each with a kind that has them."""

    def operation(self, kind: str) -> str:
        """The section that holds the raw operation of a kind."""
        return self.operations.get(kind, kind)


@dataclass(slots=True, eq=False)
class _Lowering:
    """One test block on its way to rules."""

    module: Module
    block: TestBlock
    number: int
    names: ModuleNames
    requests: _Requests
    report: list[Diagnostic]
    rules: list[Rule] = field(default_factory=list)
    """Those in which no request is in scope."""
    conditions: dict[str, list[Rule]] = field(default_factory=dict)
    """Those over the request and the decision, by kind."""
    paths: dict[Term, Path] = field(default_factory=dict)
    condition_paths: dict[ExpectCondition, Path] = field(default_factory=dict)
    replaced: dict[Given, Path] = field(default_factory=dict)
    parts: dict[Given, Part] = field(default_factory=dict)
    variables: tuple[str, ...] = ()
    cases: Path | None = None

    def lower(self) -> None:
        kinds = tuple(dict.fromkeys(step.kind for step in self.block.steps if isinstance(step, When)))
        self._cases()
        known = tuple(kind for kind in kinds if kind in self.requests.kinds)
        shared = known or tuple(sorted(self.requests.kinds))
        for given in self.module.givens:
            self._given(given, shared, shared=True)
        kind: str | None = None
        expecting = True
        for item in self.block.steps:
            if isinstance(item, Given):
                self._given(item, shared, shared=False)
            elif isinstance(item, When):
                if not expecting:
                    self._refuse("nothing is expected of this request", item.span, "write what to `expect`")
                kind, expecting = self._when(item), False
            elif kind is None:
                hint = "write what happens: `when postgres `…``"
                self._refuse("nothing has happened yet of which this could be expected", item.span, hint)
                kind, expecting = "", True
            else:
                expecting = True
                self._expect(item, kind)
        if kind is None:
            self._refuse("nothing happens in this test", self.block.name_span, "write `when postgres `…``")
        elif not expecting:
            self._refuse("nothing is expected in this test", self.block.name_span, "write what to `expect`")

    def _refuse(self, message: str, span: Span, hint: str | None = None) -> None:
        self.report.append(Diagnostic("ward_test_error", message, span, hint=hint))

    # --- cases -----------------------------------------------------------------------------------------------

    def _cases(self) -> None:
        if not self.block.cases:
            return
        body = tuple(Literal(case, (), case.span) for case in self.block.cases)
        found: dict[str, Span] = {}
        for case in self.block.cases:
            for variable in some_vars(case):
                found.setdefault(variable.name, variable.span)
        found.pop("_", None)
        self.variables = tuple(found)
        span = self.block.cases[0].span
        head = Object(tuple((Scalar(name, at), Var(name, at)) for name, at in found.items()), span)
        self.cases = self._rule("cases", ArrayComprehension(head, body, span), (), span)

    # --- given -----------------------------------------------------------------------------------------------

    def _given(self, given: Given, kinds: tuple[str, ...], *, shared: bool) -> None:
        fields = self.requests.fields(tuple(sorted(self.requests.kinds)) if shared else kinds)
        part = classify(given.target, self.names, fields)
        if isinstance(part, Diagnostic):
            self.report.append(part)
            return
        self.parts[given] = part
        if part == "field":
            path = _field_path(given.target)
            self.report += check_field(
                path,
                given.value,
                self.requests.of(tuple(sorted(self.requests.kinds)) if shared else kinds),
                self.requests.facts,
            )
        if part == "replaced":
            bare = function_name(given.value) is not None
            value = given.value if bare else Scalar(True, given.value.span)
            modifier = With(given.target, value, given.span)
            body = (Literal(ExprTerm(Scalar(True, given.span), given.span), (modifier,), given.span),)
            self.replaced[given] = self._rule("given", Scalar(True, given.span), body, given.span)
            if bare:
                return
        if _file(given.value) is None:
            self._value(given.value)

    def _value(self, term: Term) -> None:
        if not is_literal(term) and term not in self.paths:
            self.paths[term] = self._rule("value", term, (), term.span)

    # --- when ------------------------------------------------------------------------------------------------

    def _when(self, when: When) -> str:
        known = self.requests.kinds
        if when.kind not in known:
            listed = ", ".join(f"`{kind}`" for kind in sorted(known))
            hint = near_miss(when.kind, known) or f"the kinds are {listed}"
            self._refuse(f"there is no kind of request `{when.kind}`", when.kind_span, hint)
            return ""
        if when.operation is None:
            if when.action not in _WITHOUT_OPERATION and not self._states(when.kind):
                hint = f"write `when {when.kind} `…`` or `when {when.kind} connect`"
                self._refuse("this request does nothing", when.span, hint)
            return when.kind
        section = self.requests.operation(when.kind)
        if isinstance(when.operation, Object) and [*self.requests.operations.values()].count(section) == 1:
            inner = step(self.requests.of((when.kind,)), Scalar(section, when.kind_span))
            if inner is not None:
                self.report += check_value(when.operation, inner, section)
        self._value(when.operation)
        return when.kind

    def _states(self, kind: str) -> bool:
        """Whether something that is given says what a request of a kind does."""
        givens = [*self.module.givens, *(step for step in self.block.steps if isinstance(step, Given))]
        names = [function_name(given.target) or ("",) for given in givens]
        section = self.requests.operation(kind)
        stated = {(section,), ("request",), ("action",)}
        return any({name[:1], name[1:2] if name[0] == "input" else ()} & stated for name in names)

    # --- expect ----------------------------------------------------------------------------------------------

    def _expect(self, expected: Expectation, kind: str) -> None:
        terms: Sequence[Term | None] = ()
        match expected:
            case ExpectVerdict():
                terms = (expected.reason, *expected.groups)
            case ExpectMask():
                terms = [target.term for target in expected.targets if isinstance(target, TermTarget)]
            case ExpectCredential():
                terms = (expected.role,)
            case ExpectReason() | ExpectError():
                terms = (expected.text,)
            case ExpectDetermining():
                terms = expected.texts
            case ExpectCondition():
                value = Scalar(True, expected.span)
                self.condition_paths[expected] = self._rule(
                    "condition", value, expected.body, expected.span, kind
                )
        for term in terms:
            if term is not None:
                self._value(term)

    # --- rules -----------------------------------------------------------------------------------------------

    def _rule(self, what: str, value: Term, body: Body, span: Span, kind: str | None = None) -> Path:
        rules = self.rules if kind is None else self.conditions.setdefault(kind, [])
        count = len(self.rules) + sum(map(len, self.conditions.values()))
        name = f"test {self.module.span.source.name}:{self.number} {what} {count}"
        head = RuleHead((Var(name, span),), None, None, value, True, span)
        rules.append(Rule(head, body, None, False, span))
        return (*self.module.package, name)

    def modules(self) -> Iterator[Module]:
        """The modules with the rules of this test."""
        if self.rules:
            yield self._beside((), self.rules, self.variables)
        for kind, rules in self.conditions.items():
            yield self._beside((kind,) if kind else (), rules, (*self.variables, DECISION))

    def _beside(self, governs: tuple[str, ...], rules: list[Rule], names: tuple[str, ...]) -> Module:
        module, span = self.module, self.block.name_span
        taken = {*self.names.imports, *self.names.rules}
        imports = [
            Import(Ref(Var("data", span), (Scalar(SHARED, span), Scalar(name, span)), span), name, span)
            for name in names
            if name not in taken or name in self.variables
        ]
        own = [one for one in module.imports if import_name(one) not in self.variables]
        return Module(
            module.package,
            module.package_span,
            (*own, *imports),
            governs,
            None,
            tuple(rules),
            (),
            (),
            (),
            (),
            module.span,
        )

    # --- what came of it -------------------------------------------------------------------------------------

    def done(self, program: Program) -> CompiledTest:
        """The test, with what the compiled rules have found out about its givens."""
        settings = {given: self._setting(given, part, program) for given, part in self.parts.items()}
        return CompiledTest(self.block, self.module, settings, self.paths, self.condition_paths, self.cases)

    def _setting(self, given: Given, part: Part, program: Program) -> Setting:
        file = _file(given.value)
        if part == "field":
            path = tuple(str(p.value) for p in _field_path(given.target) if isinstance(p, Scalar))
            return Setting(part, path, given.value, file, False, None, given.span)
        if part != "replaced":
            return Setting(part, (), given.value, file, False, None, given.span)
        (rule,) = program.rules[self.replaced[given]]
        modifier = rule.body[-1].withs[0]
        target, value = function_name(modifier.target) or (), given.value
        of_function = target[0] != "data" or _is_function(target, program)
        if target[0] != "data":
            target = (".".join(target),)
        function: tuple[str, ...] | None = None
        if given.value not in self.paths and not is_literal(given.value):
            value = modifier.value
            named = function_name(value) or ()
            if named and named[0] != "data":
                function = (".".join(named),)
            elif _is_function(named, program):
                function = named
        return Setting(part, target, value, file, of_function, function, given.span)


def _field_path(target: Term) -> tuple[Term, ...]:
    """The path of a field from the top of the request."""
    if isinstance(target, Var):
        return (Scalar(target.name, target.span),)
    if not isinstance(target, Ref) or not isinstance(target.head, Var):
        raise AssertionError(f"not a path: {target!r}")
    head = target.head
    return target.path if head.name == "input" else (Scalar(head.name, head.span), *target.path)


def _is_function(path: tuple[str, ...], program: Program) -> bool:
    """Whether a full path is that of a policy's function."""
    return any(rule.head.args is not None for rule in program.rules.get(path[1:], ()))


def _file(value: Term) -> str | None:
    """The name in `file("…")`."""
    if isinstance(value, Call) and value.name == ("file",) and len(value.args) == 1:
        name = value.args[0]
        if isinstance(name, Scalar) and isinstance(name.value, str):
            return name.value
    return None
