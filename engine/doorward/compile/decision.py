"""Planning the statements of a kind: what each one tests, and which of them a request can skip."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias

from doorward.compile import plan
from doorward.compile.answers import Answers, Globals
from doorward.compile.findings import StatementInfo
from doorward.compile.free import count_variables
from doorward.compile.governed import empty_payload
from doorward.compile.order import cheapest_first
from doorward.compile.payloads import PayloadMaker
from doorward.compile.plan import Block, Const, Local, Operand, Step
from doorward.compile.scope import Scope
from doorward.run.values import Value, key, unkey
from doorward_dsl.program import GovernedRule, GovernedStatement
from doorward_dsl.source import Source

__all__ = ["Governing", "Group", "KindPlan", "StatementPlan", "Table", "describe", "plan_kind"]

_WORTH_A_TABLE: Final = 6
"""From how many statements on a look-up is cheaper than trying each."""
_LARGEST_GROUP: Final = 64

Place: TypeAlias = tuple[str, ...]
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
    shared: tuple[tuple[Place, Local], ...]
    source: Source


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """Statements that can only hold when the value at `place` is (`equal`), or has as a member (`has`), one
    of some values.

    `buckets` are keyed by key form.
    """

    place: Place
    how: Literal["equal", "has"]
    buckets: dict[Any, list[StatementPlan]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class KindPlan:
    """All statements that govern a kind."""

    kind: str
    groups: tuple[Group, ...]
    tables: tuple[Table, ...]


@dataclass(frozen=True, slots=True)
class _Guard:
    """A test without which a statement cannot hold: the value at a place is, or has, one of `values` (key
    forms)."""

    place: Place
    how: Literal["equal", "has"]
    values: tuple[Any, ...]


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


def plan_kind(
    kind: str,
    described: Sequence[tuple[Governing, StatementInfo, PayloadMaker | None]],
    program: Globals,
    *,
    indexed: bool,
) -> KindPlan:
    """The plan of all statements of a kind."""
    plans = [_plan(*one, (), program)[0] for one in described]
    guards = [_guards(statement.block) if indexed else [] for statement in plans]
    tables, skipped = _tables(plans, guards)
    tried = [one for at, one in enumerate(described) if at not in skipped]
    return KindPlan(kind, tuple(_groups(tried, program)), tables)


def _plan(
    governing: Governing,
    info: StatementInfo,
    maker: PayloadMaker | None,
    shared: Sequence[Place],
    program: Globals,
) -> tuple[StatementPlan, frozenset[Place]]:
    """The plan of a statement, and the places of the input it surely reads."""
    if isinstance(governing, GovernedRule):
        scope = Scope(Counter())
        scope.share(shared)
        node = program.tree.find(governing.path)
        if node is None or node.document is None:
            raise AssertionError(f"a governed rule without a rule: {governing.id}")
        value = scope.local()
        scope.add(plan.RuleCall(value, program.unit_of(node.document, ()), governing.span))
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
        with scope.nested(ordered=False) as steps:
            values = (answers.value(term),)
        block = scope.block(steps, values)
        result.append(made := scope.local())
        scope.add(plan.Collect(made, "set", block, term.span))
    return StatementPlan(info, Block(tuple(scope.steps), tuple(result), not result), maker), read


def _groups(
    described: Sequence[tuple[Governing, StatementInfo, PayloadMaker | None]], program: Globals
) -> Iterable[Group]:
    by_file: dict[int, list[tuple[Governing, StatementInfo, PayloadMaker | None]]] = {}
    for one in described:
        by_file.setdefault(id(one[1].span.source), []).append(one)
    for members in by_file.values():
        for start in range(0, len(members), _LARGEST_GROUP):
            some = members[start : start + _LARGEST_GROUP]
            reads = Counter(place for one in some for place in _plan(*one, (), program)[1])
            shared = sorted(place for place, count in reads.items() if count > 1 and place[0] == "input")
            plans = tuple(_plan(*one, shared, program)[0] for one in some)
            named = tuple((place, Local(at)) for at, place in enumerate(shared))
            yield Group(plans, named, some[0][1].span.source)


def _tables(
    plans: Sequence[StatementPlan], guards: Sequence[list[_Guard]]
) -> tuple[tuple[Table, ...], set[int]]:
    """Tables for the statements that have a guard worth it, and which statements those are."""
    crowd = Counter(
        (guard.place, guard.how, value) for some in guards for guard in some for value in guard.values
    )
    chosen: dict[int, _Guard] = {}
    for at, some in enumerate(guards):
        if some:
            chosen[at] = min(
                some, key=lambda g: (max(crowd[g.place, g.how, v] for v in g.values), g.place, g.how)
            )
    users = Counter((guard.place, guard.how) for guard in chosen.values())
    tables: dict[tuple[Place, str], Table] = {}
    skipped = set()
    for at, guard in chosen.items():
        if users[guard.place, guard.how] >= _WORTH_A_TABLE:
            table = tables.setdefault((guard.place, guard.how), Table(guard.place, guard.how))
            for value in guard.values:
                table.buckets.setdefault(value, []).append(plans[at])
            skipped.add(at)
    return tuple(tables[name] for name in sorted(tables)), skipped


def _guards(block: Block) -> list[_Guard]:
    """The guards among the first steps of a statement, up to the first that does more than look at the
    input."""
    places: dict[int, Place] = {}
    found: list[_Guard] = []
    for step in block.steps:
        match step:
            case plan.Input(Local(to)):
                places[to] = ("input",)
            case plan.Get(Local(to), Local(source), Const(index)) if source in places and type(index) is str:
                places[to] = (*places[source], index)
            case plan.Test("equal", Local(at), Const(value)) | plan.Test("equal", Const(value), Local(at)):
                if at in places and _is_plain(value):
                    found.append(_Guard(places[at], "equal", (key(value),)))
            case plan.Test("in", Local(at), Const(values)):
                if at in places and isinstance(values, (list, frozenset)) and values:
                    members = [unkey(form) for form in values]
                    if all(map(_is_plain, members)):
                        found.append(_Guard(places[at], "equal", tuple(dict.fromkeys(map(key, members)))))
            case plan.Test("in", Const(value), Local(at)):
                if at in places and _is_plain(value):
                    found.append(_Guard(places[at], "has", (key(value),)))
            case plan.Test() | plan.Truthy():
                pass
            case _ if not _only_looks(step):
                break
    return found


def _is_plain(value: Value) -> bool:
    return value is None or type(value) in (str, int, float, bool)


def _only_looks(step: Step) -> bool:
    if isinstance(step, plan.Absent):
        return all(_only_looks(inner) for inner in step.block.steps)
    return isinstance(step, (plan.Input, plan.Get, plan.Test, plan.Truthy, plan.Shape, plan.Never))
