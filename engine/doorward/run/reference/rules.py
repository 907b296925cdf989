"""Definitions: what a rule, its `else` chain, and several rules of one name are worth."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from doorward.run.errors import ConflictError
from doorward.run.reference.literals import literal
from doorward.run.reference.solver import Env, Equation, Given, Solver
from doorward.run.reference.world import World
from doorward.run.values import UNDEFINED, Value, equal
from doorward_dsl.syntax import Rule
from doorward_dsl.walk import rule_chain

__all__ = ["answers", "one_value"]


def answers(solver: Solver, rule: Rule, args: Sequence[Value], world: World) -> Iterator[tuple[Rule, Env]]:
    """The answers of the first body of an `else` chain that has any, each with the rule it belongs to."""
    for link in rule_chain(rule):
        found = False
        for env in _body(solver, rule, link, args, world):
            found = True
            yield link, env
        if found:
            return


def _body(solver: Solver, rule: Rule, link: Rule, args: Sequence[Value], world: World) -> Iterator[Env]:
    """The answers of the body of one link of a chain."""
    patterns = link.head.args if link.head.args is not None else rule.head.args or ()
    equations: list[Equation] = [(pattern, Given(arg)) for pattern, arg in zip(patterns, args, strict=True)]
    for bound in solver.unify(equations, {}, world):
        for env in solver.solve(link.body, bound, world):
            solver.answered(link)
            yield env


def one_value(
    solver: Solver, rules: Sequence[Rule], args: Sequence[Value], message: str, world: World
) -> Value:
    """The value that all definitions agree on, else that of the default; raises ConflictError with the
    message.

    A definition whose value is a literal needs no second answer, and where all are the same literal none needs
    a second definition.
    """
    found: Value = UNDEFINED
    definitions = [rule for rule in rules if not rule.default]
    alike = _all_one_literal(definitions)
    for rule in definitions:
        for value, fixed in _values(solver, rule, args, world):
            if found is not UNDEFINED and not equal(found, value):
                raise ConflictError(message, rules[0].span)
            found = value
            if fixed:
                break
        if alike and found is not UNDEFINED:
            break
    if found is UNDEFINED:
        for rule in rules:
            if rule.default:
                found = next((value for value, _ in _values(solver, rule, args, world)), found)
    return found


def _values(solver: Solver, rule: Rule, args: Sequence[Value], world: World) -> Iterator[tuple[Value, bool]]:
    """The values of a definition, and whether each is a literal.

    An `else` has its turn where no body before it has a value: an answer whose value is undefined is none.
    """
    for link in rule_chain(rule):
        found = False
        for env in _body(solver, rule, link, args, world):
            if link.head.value is None:
                found = True
                yield True, True
                continue
            for value, _ in solver.values(link.head.value, env, world):
                found = True
                yield value, literal(link.head.value) is not UNDEFINED
        if found:
            return


def _all_one_literal(rules: Sequence[Rule]) -> bool:
    terms = [link.head.value for rule in rules for link in rule_chain(rule)]
    values = [True if term is None else literal(term) for term in terms]
    return all(value is not UNDEFINED and equal(value, values[0]) for value in values)
