"""Planning documents and functions: every rule that defines them, in one unit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from doorward.compile.answers import Answers, Known
from doorward.compile.free import count_variables
from doorward.compile.globals import Globals
from doorward.compile.index import find_guards, make_tables
from doorward.compile.order import cheapest_first
from doorward.compile.plan import Block, Body, Chain, Const, Local, Operand, Table, Unit, UnitKind
from doorward.compile.scope import Scope
from doorward.compile.tree import Document, Placed
from doorward_dsl.syntax import Rule, Scalar, Term

__all__ = ["plan_unit"]


def plan_unit(
    number: int, document: Document, path: tuple[Any, ...], rules: Sequence[Placed], program: Globals
) -> Unit:
    """The plan of one document or function, from all its rules or from those that may fill `path`."""
    kind = document.kind
    params = tuple(Local(at) for at in range(document.arity))
    chains: list[Chain] = []
    default: Chain | None = None
    for placed in rules:
        bodies = []
        rule: Rule | None = placed.rule
        while rule is not None:
            body = _plan_body(rule, kind, placed.suffix, params, placed.rule, program)
            bodies.append(body)
            rule = rule.else_
        chain = Chain(tuple(bodies), placed.rule.span)
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
    return Unit(number, kind, path, params, tuple(chains), default, tables, document.rules[0].rule.span)


def _plan_body(
    rule: Rule,
    kind: UnitKind,
    suffix: tuple[Term, ...],
    params: tuple[Local, ...],
    first: Rule,
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
    return Body(Block(tuple(scope.steps), result, single), head.key is not None, rule.span)
