"""Planning the statements of a kind: what each one tests, and which of them a request can skip."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from doorward.compile import plan
from doorward.compile.answers import Answers
from doorward.compile.findings import StatementInfo
from doorward.compile.free import count_variables
from doorward.compile.globals import Globals
from doorward.compile.governed import empty_payload
from doorward.compile.order import cheapest_first
from doorward.compile.outline import Table
from doorward.compile.payloads import PayloadMaker
from doorward.compile.plan import Block, Local, Operand
from doorward.compile.refine import refine
from doorward.compile.scope import Scope
from doorward_dsl.program import GovernedRule, GovernedStatement
from doorward_dsl.source import Source
from doorward_dsl.syntax import Var

__all__ = [
    "Described",
    "Governing",
    "Group",
    "KindPlan",
    "Planned",
    "StatementPlan",
    "describe",
    "plan_group",
    "plan_statement",
    "refined",
]

Governing: TypeAlias = GovernedStatement | GovernedRule


@dataclass(frozen=True, slots=True, eq=False)
class StatementPlan:
    """One statement: `block` finds its answers. `maker` is None where every answer says the same,
    `info.payload`."""

    info: StatementInfo
    block: Block
    maker: PayloadMaker | None


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """Statements of one file that are tried on every request, in one function.

    `shared` are the places of the input that several of them read, each with the local that holds it.
    """

    statements: tuple[StatementPlan, ...]
    shared: tuple[tuple[tuple[str, ...], Local], ...]
    source: Source


@dataclass(frozen=True, slots=True, eq=False)
class KindPlan:
    """All statements that govern a kind: some tried every time, in groups; some, by position, found in
    tables."""

    kind: str
    groups: tuple[Group, ...]
    statements: tuple[StatementPlan, ...]
    tables: tuple[Table, ...]


def describe(governing: Governing) -> tuple[StatementInfo, PayloadMaker | None]:
    """What is known of a statement before any request."""
    kinds = tuple(sorted(governing.kinds))
    if isinstance(governing, GovernedRule):
        payload = empty_payload(governing.verb)
        complete = governing.verb in ("allow", "block")
        info = StatementInfo(governing.id, governing.verb, kinds, governing.span, payload, complete, True)
        return info, None
    maker = PayloadMaker(governing.statement)
    info = StatementInfo(
        governing.id, governing.verb, kinds, governing.span, maker.payload, maker.complete, False
    )
    return info, maker if maker.terms else None


Described: TypeAlias = tuple[Governing, StatementInfo, PayloadMaker | None]
Planned: TypeAlias = tuple[Described, StatementPlan, frozenset[tuple[str, ...]]]
"""A statement, its plan by itself, and the places of the input it surely reads."""


def refined(statement: StatementPlan) -> StatementPlan:
    """The plan as it is written: with what only makes it faster."""
    return replace(statement, block=refine(statement.block))


def plan_statement(
    governing: Governing,
    info: StatementInfo,
    maker: PayloadMaker | None,
    shared: Sequence[tuple[str, ...]],
    program: Globals,
) -> tuple[StatementPlan, frozenset[tuple[str, ...]]]:
    """The plan of a statement, and the places of the input it surely reads."""
    if isinstance(governing, GovernedRule):
        scope = Scope(Counter())
        scope.share(shared)
        node = program.tree.find(governing.path)
        if node is None or node.document is None:
            raise AssertionError(f"a governed rule without a rule: {governing.id}")
        value = scope.local()
        scope.add(plan.RuleCall(value, program.unit_of(node.document, ()), False, governing.span))
        return StatementPlan(info, Block(tuple(scope.steps), (value,), True), None), frozenset()
    statement = governing.statement
    when, unless = cheapest_first(statement.when or ()), cheapest_first(statement.unless or ())
    terms = maker.terms if maker is not None else ()
    scope = Scope(count_variables(*terms, body=(*when, *unless)))
    scope.share(shared)
    answers = Answers(scope, program)
    answers.body(when)
    if statement.unless is not None:
        with scope.nested(ordered=False) as steps:
            answers.body(unless)
        scope.add(plan.Absent(Block(tuple(steps), (), True), statement.span))
    read = frozenset(scope.reads)
    result: list[Operand] = []
    for term in terms:
        if isinstance(term, Var) and term.name in scope.env:
            scope.add(plan.MakeSet(made := scope.local(), (scope.env[term.name],), term.span))
            result.append(made)
            continue
        with scope.nested(ordered=False) as steps:
            values = (answers.value(term),)
        block = scope.block(steps, values)
        result.append(made := scope.local())
        scope.add(plan.Collect(made, "set", block, term.span))
    return StatementPlan(info, Block(tuple(scope.steps), tuple(result), not result), maker), read


def plan_group(tried: Sequence[Planned], program: Globals) -> Group:
    """Statements of one file, planned anew to share what several of them read."""
    reads = Counter(place for _, _, read in tried for place in read)
    shared = sorted(place for place, count in reads.items() if count > 1 and place[0] == "input")
    plans = tuple(
        refined(plan_statement(*one, shared, program)[0] if shared else alone) for one, alone, _ in tried
    )
    named = tuple((place, Local(at)) for at, place in enumerate(shared))
    return Group(plans, named, plans[0].info.span.source)
