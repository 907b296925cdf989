"""Planning documents and functions: every rule that defines them, in one unit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from doorward.compile.answers import Answers, Known
from doorward.compile.flow import leading_places
from doorward.compile.free import count_variables
from doorward.compile.globals import Globals
from doorward.compile.index import find_guards, make_tables
from doorward.compile.order import cheapest_first
from doorward.compile.outline import Body, Chain, Shared, Table, Unit, UnitKind
from doorward.compile.plan import Block, Const, Local, Operand
from doorward.compile.refine import refine
from doorward.compile.scope import Scope
from doorward.compile.tree import Document, Placed
from doorward_dsl.syntax import Rule, Scalar, Term

__all__ = ["MOST_TOGETHER", "plan_unit"]

MOST_TOGETHER: Final = 32
"""How many definitions may share one Python function."""


def plan_unit(
    number: int, document: Document, path: tuple[Any, ...], rules: Sequence[Placed], program: Globals
) -> Unit:
    """The plan of one document or function, from all its rules or from those that may fill `path`."""
    kind = document.kind
    params = tuple(Local(at) for at in range(document.arity))
    chains: list[Chain] = []
    default: Chain | None = None
    for placed in rules:
        chain = _plan_chain(placed, kind, params, (), program)
        if placed.rule.default:
            default = chain
        else:
            chains.append(chain)
    tables: tuple[Table, ...] = ()
    if program.indexed:
        # An `else` speaks when its guard does not hold: only a definition without one can be skipped by its
        # guard.
        guards = [find_guards(c.bodies[0].block, params) if len(c.bodies) == 1 else [] for c in chains]
        tables = make_tables(guards)
    shared: tuple[Shared, ...] = ()
    if len(chains) > 1 and not tables:
        shared = _shared(chains, len(params), all_run=kind in ("set", "object"))
        if shared:
            defining = [placed for placed in rules if not placed.rule.default]
            chains = [
                _plan_chain(placed, kind, params, [(one.place, one.body <= at) for one in shared], program)
                for at, placed in enumerate(defining)
            ]
    repeated = kind == "function"
    done = tuple(_refined(chain, repeated=repeated) for chain in chains)
    default = _refined(default, repeated=repeated) if default is not None else None
    return Unit(number, kind, path, params, done, default, tables, document.rules[0].rule.span, shared)


def _plan_chain(
    placed: Placed,
    kind: UnitKind,
    params: tuple[Local, ...],
    shared: Sequence[tuple[tuple[str, ...], bool]],
    program: Globals,
) -> Chain:
    bodies = []
    rule: Rule | None = placed.rule
    while rule is not None:
        bodies.append(_plan_body(rule, kind, placed.suffix, params, placed.rule, shared, program))
        rule = rule.else_
    return Chain(tuple(bodies), placed.rule.span)


def _shared(chains: Sequence[Chain], params: int, *, all_run: bool) -> tuple[Shared, ...]:
    """The places that one chain is sure to read and another reads too; `all_run` whatever the chains before find."""
    if len(chains) > MOST_TOGETHER or any(c.span.source is not chains[0].span.source for c in chains):
        return ()
    read = [frozenset(place for body in chain.bodies for place in body.read) for chain in chains]
    readers = Counter(place for places in read for place in places)
    first: dict[tuple[str, ...], int] = {}
    for at, chain in enumerate(chains):
        for place in leading_places(chain.bodies[0].block):
            # The input itself is at hand everywhere.
            if len(place) > 1 and readers[place] > 1 and place not in first:
                sure = next(n for n, places in enumerate(read) if place in places) if all_run else at
                if sure < at or any(place in places for places in read[at + 1 :]):
                    first[place] = sure
    return tuple(Shared(place, Local(params + n), at) for n, (place, at) in enumerate(first.items()))


def _refined(chain: Chain, *, repeated: bool) -> Chain:
    bodies = [replace(body, block=refine(body.block, repeated=repeated)) for body in chain.bodies]
    return replace(chain, bodies=tuple(bodies))


def _plan_body(
    rule: Rule,
    kind: UnitKind,
    suffix: tuple[Term, ...],
    params: tuple[Local, ...],
    first: Rule,
    shared: Sequence[tuple[tuple[str, ...], bool]],
    program: Globals,
) -> Body:
    head = rule.head
    value = head.value if head.value is not None else Scalar(True, head.span)
    args = head.args if head.args is not None else first.head.args or ()
    members = [*suffix, *([head.key] if head.key is not None else []), value]
    scope = Scope(count_variables(*args, *members, body=rule.body))
    answers = Answers(scope, program)
    for _ in params:
        scope.local()
    scope.share([place for place, _ in shared], [place for place, ready in shared if ready])
    for pattern, param in zip(args, params, strict=True):
        answers.unify(pattern, Known(param), head.span)
    answers.body(cheapest_first(rule.body))
    result: tuple[Operand, ...]
    if kind == "object":
        path = [answers.value(step) for step in suffix]
        result = (*path, answers.value(head.key if head.key is not None else value))
    elif head.key is not None:
        result = (answers.value(head.key),)
    else:
        result = (answers.value(value),)
    single = all(isinstance(operand, Const) or scope.depth_of(operand) == 0 for operand in result)
    block = Block(tuple(scope.steps), result, single)
    return Body(block, head.key is not None, rule.span, frozenset(scope.read_places))
