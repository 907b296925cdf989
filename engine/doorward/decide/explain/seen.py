"""The values that an expression saw: of its references, variables and calls, as far as they are known."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from doorward.decide.explain.parts import Seen
from doorward.decide.explain.shown import one_line, value_text
from doorward.run.errors import BudgetExceeded, EvaluationError
from doorward.run.reference.evaluator import Evaluator
from doorward.run.reference.members import is_collection, members
from doorward.run.reference.solver import Env
from doorward.run.reference.withs import changed_worlds
from doorward.run.reference.world import World
from doorward.run.values import UNDEFINED, Value
from doorward_dsl.source import Span
from doorward_dsl.syntax import Body, Call, Every, Expr, Literal, Ref, Term, Var
from doorward_dsl.walk import (
    closure_body,
    closure_heads,
    closures_in,
    deep_terms,
    every_of,
    expr_terms,
    subterms,
)

__all__ = ["failing_member", "is_given", "seen_in", "value_of"]

_MOST: Final = 8
"""Values shown with one expression."""


def value_of(evaluator: Evaluator, term: Term, env: Env, world: World) -> Value:
    """The first value of a term, or UNDEFINED, also where working it out fails."""
    try:
        return next((value for value, _ in evaluator.values(term, env, world)), UNDEFINED)
    except BudgetExceeded:
        raise
    except EvaluationError:
        return UNDEFINED


def is_given(term: Term, env: Env) -> bool:
    """Whether every variable of the term has a value."""
    return all(
        part.name in env or part.name in ("data", "input")
        for part in deep_terms(term)
        if isinstance(part, Var)
    )


def seen_in(evaluator: Evaluator, literal: Literal, env: Env, world: World) -> tuple[Seen, ...]:
    """What the expression saw, in the order in which it is written, each once."""
    inside = next(
        (inner for inner, _ in changed_worlds(evaluator, evaluator.tree, literal.withs, env, world)), world
    )
    found: dict[str, Seen] = {}
    for text, term, bound in _shown_terms(evaluator, literal.expr, env, inside):
        if text not in found and len(found) < _MOST:
            found[text] = Seen(text, value_text(value_of(evaluator, term, bound, inside)))
    return tuple(found.values())


def _shown_terms(evaluator: Evaluator, expr: Expr, env: Env, world: World) -> Iterator[tuple[str, Term, Env]]:
    for term in expr_terms(expr):
        yield from _of_term(term, env)
    every = every_of(expr)
    if every is not None:
        bound = failing_member(evaluator, every, env, world)
        if bound is not None:
            names = (every.value,) if every.key is None else (every.key, every.value)
            for name in names:
                yield from _of_term(name, bound)
            yield from _of_body(every.body, bound)


def _of_body(body: Body, env: Env) -> Iterator[tuple[str, Term, Env]]:
    for literal in body:
        for term in expr_terms(literal.expr):
            yield from _of_term(term, env)


def _of_term(term: Term, env: Env) -> Iterator[tuple[str, Term, Env]]:
    if isinstance(term, Var):
        if term.name in env and term.name[0].isalpha():
            yield term.name.partition("#")[0], term, env
        return
    if isinstance(term, Ref):
        known = _known_part(term, env)
        if known is not None:
            yield (*known, env)
        for step in term.path:
            yield from _of_term(step, env)
        if not isinstance(term.head, Var):
            yield from _of_term(term.head, env)
        return
    if isinstance(term, Call) and term.name_span.start == term.span.start and is_given(term, env):
        yield one_line(term.span.text), term, env
    for part in subterms(term):
        yield from _of_term(part, env)
    for closure in closures_in(term):
        yield from _of_body(closure_body(closure), env)
        for head in closure_heads(closure):
            yield from _of_term(head, env)


def _known_part(term: Ref, env: Env) -> tuple[str, Term] | None:
    """The reference up to the first step that is not known, with its text."""
    if not is_given(term.head, env):
        return None
    steps = 0
    while steps < len(term.path) and is_given(term.path[steps], env):
        steps += 1
    if isinstance(term.head, Var) and term.head.name == "data" and steps < min(2, len(term.path)):
        return None  # nobody is helped by all of the data
    if not steps:
        return (term.head.name, term.head) if isinstance(term.head, Var) and term.head.name in env else None
    if steps == len(term.path):
        return one_line(term.span.text), term
    last = term.path[steps - 1].span
    after = term.span.source.text[last.end : last.end + 1]
    end = last.end + 1 if after == "]" else last.end
    if end <= term.span.start:  # the name of an import: its steps stand elsewhere
        return None
    span = Span(term.span.source, term.span.start, end)
    return one_line(span.text), Ref(term.head, term.path[:steps], span)


def failing_member(evaluator: Evaluator, every: Every, env: Env, world: World) -> Env | None:
    """The environment of the first member for which the body of an `every` does not hold."""
    for collection, now in evaluator.values(every.domain, env, world):
        if not is_collection(collection):
            continue
        for index, one in members(collection):
            bound = {**now, every.value.name: one}
            if every.key is not None:
                bound[every.key.name] = index
            if next(evaluator.solve(every.body, bound, world), None) is None:
                return bound
    return None
