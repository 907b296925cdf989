"""A compiled policy set: the face of this room."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, TypeAlias

from doorward.compile.answers import Answers
from doorward.compile.findings import Failed, Findings, StatementInfo
from doorward.compile.free import count_variables
from doorward.compile.functions import emit_query, emit_value
from doorward.compile.library import ALL_KINDS, Library, ProgramCode, gather, link
from doorward.compile.linker import Linker
from doorward.compile.parts import Part, PartWriter
from doorward.compile.plan import Block, RuleCall
from doorward.compile.planner import Planner, replaced
from doorward.compile.refine import refine
from doorward.compile.scope import Scope
from doorward.compile.show import format_plan
from doorward.compile.timeless import is_timeless
from doorward.compile.tree import function_at
from doorward.run.context import CallContext
from doorward.run.effects import GRANTED_TO_QUERIES
from doorward.run.errors import BudgetExceeded
from doorward.run.joins import Indexes
from doorward.run.values import UNDEFINED, Value
from doorward_dsl.program import Program
from doorward_dsl.source import NOWHERE
from doorward_dsl.syntax import Body as QueryBody
from doorward_dsl.syntax import ExprTerm

__all__ = ["CompileOptions", "Compiled", "Function", "compile_program", "run"]


@dataclass(frozen=True, slots=True)
class CompileOptions:
    """How to compile. `indexed` = False tries every statement on every request, which is slow and gives the same.

    Documents that no statement needs are compiled with the query that asks for them, or with `whole` at once.
    """

    indexed: bool = True
    whole: bool = False


_QUERY: Final = "query"

Function: TypeAlias = Callable[[CallContext], Any]
"""Generated code as it is called: everything of the evaluation is in the context."""
_Emit: TypeAlias = Callable[[QueryBody, Scope, Planner, PartWriter], "ast.stmt | int"]
"""Plans and emits a query; gives the number of a unit where that is all the query asks for."""

_DEFAULT_OPTIONS = CompileOptions()


class Compiled:
    """A program and its base documents, ready to answer. Never changes: any number of threads may use it at
    once.

    `code` is what the next revision can go on from.
    """

    def __init__(
        self,
        program: Program,
        data: dict[str, Value],
        options: CompileOptions,
        replaced_too: frozenset[str] = frozenset(),
        earlier: ProgramCode | None = None,
    ) -> None:
        self.program = program
        self.data = data
        self.indexes = Indexes()
        """Those that evaluations have made over the data."""
        self._options = options
        library = Library(
            program,
            indexed=options.indexed,
            whole=options.whole,
            replaced_too=replaced_too,
            earlier=earlier,
        )
        self.code = library.code
        self._mocked = library.mocked
        self._tree = library.tree
        self._planner = library.planner
        self._linker = library.linker
        self._deciders = library.deciders
        self._timeless: dict[str, bool] = {}

    def _everything(self) -> Library:
        return Library(self.program, indexed=self._options.indexed, whole=True, keep=True)

    def format_plan(self) -> str:
        """The plan as text, for people."""
        library = self._everything()
        return format_plan([unit.plan for unit in library.units.values()], library.kinds)

    def format_python(self) -> str:
        """The Python that the plan becomes, for people."""
        trees = [tree for part in self._everything().parts for tree in part.trees]
        return "\n\n\n".join(map(ast.unparse, trees)) + "\n"

    @cached_property
    def _infos(self) -> tuple[StatementInfo, ...]:
        return tuple([info for file in self.code.files.values() for (_, info, _), _, _ in file.planned])

    def statements(self, kind: str) -> tuple[StatementInfo, ...]:
        """The statements and governed rules that speak for a kind of request."""
        return tuple(info for info in self._infos if _governs(info, kind))

    @property
    def kinds(self) -> frozenset[str]:
        """The kinds of request that some statement speaks for; `*` where one speaks for all."""
        return frozenset(kind for info in self._infos for kind in info.kinds)

    def evaluate(
        self,
        kind: str,
        document: Value,
        call: CallContext,
        replacing: Callable[[CallContext], None] | None = None,
    ) -> Findings:
        """Try all statements of a kind on one request document.

        `call` is fresh; `replacing` puts other things in the place of data and functions in it. Never raises for what a
        policy or a request does: errors are among the findings.
        """
        call.input, call.data, call.indexes = document, self.data, self.indexes
        if replacing is not None:
            replacing(call)
        findings = Findings()
        try:
            self._deciders.get(kind, self._deciders[ALL_KINDS])(call, findings)
        except BudgetExceeded as error:
            findings.errors.append(Failed(None, error))
        except RecursionError:
            findings.errors.append(Failed(None, BudgetExceeded("the evaluation went too deep")))
        return findings

    def is_timeless(self, kind: str) -> bool:
        """Whether no statement or document that takes part in decisions of a kind reads `input.time`."""
        known = self._timeless.get(kind)
        if known is None:
            known = self._timeless[kind] = is_timeless(self.code, kind)
        return known

    def replaceable(self, names: frozenset[str]) -> Compiled:
        """The same program, in which parts may be replaced: documents (`data.acme.suspended`) and functions, by name."""
        return Compiled(self.program, self.data, self._options, names)

    def units_below(self, path: tuple[str, ...]) -> tuple[tuple[int, tuple[Any, ...]], ...]:
        """The documents that decisions work out at and below a path of `data`, each with its path from there."""
        plans = [unit.plan for unit in self.code.units.values()]
        return tuple(
            (plan.id, plan.path[len(path) :])
            for plan in plans
            if plan.kind != "function" and plan.path[: len(path)] == path
        )

    def function(self, path: tuple[str, ...]) -> Callable[..., Value] | None:
        """The function that a policy defines at a path below `data`: of a context and its arguments; None if none is."""
        document = function_at(self._tree, path)
        if document is None:
            return None
        planner = Planner(self._tree, self._mocked, indexed=self._options.indexed, base=self._planner)
        number = planner.unit_of(document, ())
        made: Callable[..., Value] = self._linked(planner, []).function(planner.numbers.names[number])
        return made

    def _linked(self, planner: Planner, parts: Iterable[Part]) -> Linker:
        """The program's code with parts besides, and whatever these need according to their planner."""
        units = gather([planner.needs], planner, self.program.references, {}, self.code.units)
        linker = Linker(self._tree, self._linker)
        every = {**self.code.units, **units}
        linker.add(unit.part for unit in units.values())
        linker.add(parts)
        link(linker, every, planner.numbers)
        return linker

    def query(
        self,
        body: QueryBody,
        input: Value = UNDEFINED,  # noqa: A002 - the language's own name
        *,
        call: CallContext | None = None,
    ) -> list[dict[str, Value]]:
        """The answers of a resolved query: for each, its variables and their Rego values.

        Without a `call` of its own the query runs on the present time, and errors of built-ins make
        undefined.
        """
        context = call if call is not None else CallContext(strict=False, grants=GRANTED_TO_QUERIES)
        context.input, context.data, context.indexes = input, self.data, self.indexes
        answers: list[dict[str, Value]] = run(self.prepare(body), context)
        return answers

    def prepare(self, body: QueryBody) -> Function:
        """A resolved query as a function of a context (with `input` and `data`) to the list of its answers."""
        return self._prepare(body, _emit_answers)

    def prepare_value(self, body: QueryBody) -> Function:
        """A resolved query of one term as a function to the term's value, the first if it has several, or UNDEFINED.

        Raises ValueError when the query is something else.
        """
        if len(body) != 1 or body[0].withs or not isinstance(body[0].expr, ExprTerm):
            raise ValueError("the query is not one term")
        return self._prepare(body, _emit_value)

    def _prepare(self, body: QueryBody, emit: _Emit) -> Function:
        replacing = frozenset(map(".".join, replaced(body=body)))
        if any(map(self._is_fixed, replacing - self._mocked)):
            return Compiled(self.program, self.data, self._options, replacing)._prepare(body, emit)
        mocked = self._mocked | replacing
        planner = Planner(self._tree, mocked, indexed=self._options.indexed, base=self._planner)
        scope = Scope(count_variables(body=body), ordered=True)
        part = PartWriter("q_", planner.numbers)
        function = emit(body, scope, planner, part)
        name = planner.numbers.names[function] if isinstance(function, int) else _QUERY
        if isinstance(function, ast.stmt):
            part.load(function, body[0].span.source if body else NOWHERE.source)
        made: Function = self._linked(planner, [part.done()]).function(name)
        return made

    def _is_fixed(self, name: str) -> bool:
        """Whether the code at hand was made without regard to anything else in the place of `name`."""
        if not name.startswith("data.") or self._planner.may_fold(name):
            return True
        return function_at(self._tree, tuple(name.split(".")[1:])) is not None


def run(function: Function, call: CallContext) -> Any:
    """Call a function of generated code. Raises EvaluationError, and for too deep a recursion BudgetExceeded."""
    try:
        return function(call)
    except RecursionError as error:
        raise BudgetExceeded("the evaluation went too deep") from error


def _emit_answers(body: QueryBody, scope: Scope, planner: Planner, part: PartWriter) -> ast.stmt:
    names = tuple(name for name in sorted(count_variables(body=body)) if _is_visible(name))
    scope.visible = frozenset(names)
    Answers(scope, planner).body(body)
    names = tuple(name for name in names if name in scope.env)
    block = Block(tuple(scope.steps), tuple(scope.env[name] for name in names), single=False)
    return emit_query(_QUERY, refine(block), names, part)


def _emit_value(body: QueryBody, scope: Scope, planner: Planner, part: PartWriter) -> ast.stmt | int:
    expr = body[0].expr
    if not isinstance(expr, ExprTerm):
        raise AssertionError(f"not a term: {expr!r}")
    value = Answers(scope, planner).value(expr.term)
    match scope.steps:
        case [RuleCall(to, unit)] if to == value:
            return unit
    block = refine(Block(tuple(scope.steps), (value,), single=True))
    return emit_value(_QUERY, block, part)


def _governs(info: StatementInfo, kind: str) -> bool:
    return kind in info.kinds or ALL_KINDS in info.kinds


def _is_visible(name: str) -> bool:
    return name[0].isalpha() and name.isidentifier()


def compile_program(
    program: Program,
    data: dict[str, Value],
    *,
    options: CompileOptions = _DEFAULT_OPTIONS,
    earlier: ProgramCode | None = None,
) -> Compiled:
    """Compile a resolved and checked program over base documents `data`; out of the code of an `earlier` revision,
    compiled with the same options, where it still holds."""
    return Compiled(program, data, options, earlier=earlier)
