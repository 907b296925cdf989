"""Conditions as people are told of them: what failed, what it saw, and the rules it rests on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from doorward.decide.explain.parts import Condition, Outcome, RuleOutcome
from doorward.decide.explain.seen import failing_member, is_given, seen_in, value_of
from doorward.decide.explain.shown import one_line
from doorward.decide.explain.trace import Trace, trace
from doorward.run.errors import EvaluationError
from doorward.run.reference.evaluator import Evaluator
from doorward.run.reference.solver import Env, Equation, Given
from doorward.run.reference.tree import Node
from doorward.run.reference.world import World
from doorward.run.values import UNDEFINED, Value
from doorward_dsl.source import Span
from doorward_dsl.syntax import Body, Call, ExprTerm, Literal, Not, Ref, Rule, Scalar, Term, Var
from doorward_dsl.walk import deep_terms, every_of, expr_terms, rule_chain

__all__ = ["body_conditions", "condition", "definitions", "failing_rules", "node_at", "trace_link"]

_DEEPEST: Final = 5
"""How far rules are followed to the rules they ask for."""

_MOST_DEFINITIONS: Final = 6


def condition(
    evaluator: Evaluator,
    literal: Literal,
    env: Env,
    world: World,
    outcome: Outcome,
    *,
    tried: int = 1,
    error: EvaluationError | None = None,
    depth: int = 0,
) -> Condition:
    """What is told of one expression in one environment."""
    rules: tuple[RuleOutcome, ...] = ()
    if outcome == "not_held" and depth < _DEEPEST and not literal.withs:
        rules = tuple(
            _rule(evaluator, name, node, args, world, depth)
            for name, node, args in failing_rules(evaluator, literal, env, world)
        )
    return Condition(
        text=one_line(literal.span.text),
        place=str(literal.span),
        outcome=outcome,
        part="if",
        tried=tried,
        seen=seen_in(evaluator, literal, env, world),
        rules=rules,
        error="" if error is None else f"{error.code}: {error.message}",
    )


def failing_rules(
    evaluator: Evaluator, literal: Literal, env: Env, world: World
) -> Iterator[tuple[str, Node, Sequence[Value]]]:
    """The rules and functions that an expression asks for in vain: name as written, definitions, arguments."""
    if isinstance(literal.expr, Not):
        return
    seen: set[tuple[int, str]] = set()
    for term, bound in _terms(evaluator, literal, env, world):
        found = _rule_of(evaluator, term, bound, world)
        if found is None:
            continue
        node, args = found
        name = one_line(term.span.text)
        if (id(node), name) not in seen and _gives_nothing(value_of(evaluator, term, bound, world)):
            seen.add((id(node), name))
            yield name, node, args


def _gives_nothing(value: Value) -> bool:
    return value is UNDEFINED or value is False


def _terms(evaluator: Evaluator, literal: Literal, env: Env, world: World) -> Iterator[tuple[Term, Env]]:
    for term in deep_terms(*expr_terms(literal.expr)):
        if is_given(term, env):
            yield term, env
    every = every_of(literal.expr)
    if every is not None:
        bound = failing_member(evaluator, every, env, world)
        if bound is not None:
            for inner in every.body:
                yield from _terms(evaluator, inner, bound, world)


def _rule_of(evaluator: Evaluator, term: Term, env: Env, world: World) -> tuple[Node, Sequence[Value]] | None:
    if isinstance(term, Call) and term.name[0] == "data":
        node = evaluator.tree.function(term.name[1:])
        args = [value_of(evaluator, arg, env, world) for arg in term.args]
        return None if node is None or any(arg is UNDEFINED for arg in args) else (node, args)
    if isinstance(term, Ref) and isinstance(term.head, Var) and term.head.name == "data":
        names = [step.value for step in term.path if isinstance(step, Scalar)]
        node = node_at(evaluator, names) if len(names) == len(term.path) else None
        if node is not None and node.rules and not (node.is_set or node.is_object or node.is_function):
            return node, ()
    return None


def node_at(evaluator: Evaluator, path: Sequence[object]) -> Node | None:
    """The place of a path below `data`."""
    node: Node | None = evaluator.tree
    for name in path:
        node = node.children.get(name) if node is not None and isinstance(name, str) else None
    return node


def _rule(
    evaluator: Evaluator, name: str, node: Node, args: Sequence[Value], world: World, depth: int
) -> RuleOutcome:
    links = [link for rule in node.rules if not rule.default for link in rule_chain(rule)]
    told = tuple(
        one
        for link in links[:_MOST_DEFINITIONS]
        if (one := _definition(evaluator, link, args, world, depth + 1)) is not None
    )
    return RuleOutcome(name, told, max(0, len(links) - _MOST_DEFINITIONS))


def definitions(
    evaluator: Evaluator, rules: Sequence[Rule], world: World, *, held: bool
) -> tuple[Condition, ...]:
    """What is told of the definitions of a rule that takes part in decisions: why it held, or what each failed on."""
    told: list[Condition] = []
    for rule in rules:
        for link in rule_chain(rule):
            if len(told) >= _MOST_DEFINITIONS:
                return tuple(told)
            if rule.default:
                continue
            if held:
                way = trace_link(evaluator, link, (), world)
                if way is not None and way.held:
                    told += body_conditions(evaluator, link.body, way.env, world)
                    break
            else:
                one = _definition(evaluator, link, (), world, 0)
                if one is not None:
                    told.append(one)
    return tuple(told)


def body_conditions(evaluator: Evaluator, body: Body, env: Env, world: World) -> list[Condition]:
    """The conditions of a body that held, with what they saw."""
    return [condition(evaluator, literal, env, world, "held") for literal in body]


def trace_link(evaluator: Evaluator, link: Rule, args: Sequence[Value], world: World) -> Trace | None:
    """The way of one definition; None where the arguments do not fit it."""
    patterns = link.head.args or ()
    equations: list[Equation] = [(pattern, Given(arg)) for pattern, arg in zip(patterns, args, strict=False)]
    ways = (trace(evaluator, link.body, bound, world) for bound in evaluator.unify(equations, {}, world))
    return next(ways, None)


def _definition(
    evaluator: Evaluator, link: Rule, args: Sequence[Value], world: World, depth: int
) -> Condition | None:
    """What a definition failed on; None where it did not."""
    way = trace_link(evaluator, link, args, world)
    if way is None:
        head = Span(link.span.source, link.head.span.start, link.head.span.end)
        return Condition(
            one_line(head.text), str(head), "not_held", "if", 1, error="the arguments do not fit"
        )
    if way.held:
        value = link.head.value
        if value is None or not _gives_nothing(value_of(evaluator, value, way.env, world)):
            return None
        # the body holds, but what the rule would be worth is not there
        literal = Literal(ExprTerm(value, value.span), (), value.span)
        return condition(evaluator, literal, way.env, world, "not_held", depth=depth)
    return condition(
        evaluator,
        link.body[way.reached],
        way.env,
        world,
        "not_held" if way.error is None else "errored",
        tried=way.tried,
        error=way.error,
        depth=depth,
    )
