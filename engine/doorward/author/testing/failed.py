"""Why an expression did not hold: the line that failed, and what its parts were worth.

The reference evaluator tells it: it walks the tree as it is written. Whether a test passes is never asked here.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from doorward.run.convert import to_json
from doorward.run.errors import EvaluationError
from doorward.run.reference.evaluator import Evaluator
from doorward.run.reference.solver import Env
from doorward.run.reference.world import World
from doorward.run.values import Value
from doorward_dsl.source import Span
from doorward_dsl.syntax import Body, Call, Literal, Ref, Scalar, SomeIn, Term, Var
from doorward_dsl.walk import literal_terms, subterms

__all__ = ["FailedLine", "failed_line", "shown"]

_MOST_VALUES: Final = 12
_LONGEST: Final = 400


@dataclass(frozen=True, slots=True)
class FailedLine:
    """The line of a body that no answer came past, and values in the last attempt at it."""

    span: Span
    values: tuple[tuple[str, str], ...]
    error: str = ""


def failed_line(evaluator: Evaluator, body: Body, world: World, env: Env | None = None) -> FailedLine | None:
    """The furthest line of a body that failed; None where the body holds, or where that cannot be told in time."""
    at, last = 0, dict(env or {})
    try:
        while at < len(body):
            reached = next(evaluator.solve(body[: at + 1], env or {}, world), None)
            if reached is None:
                break
            last, at = dict(reached), at + 1
    except EvaluationError as error:
        return FailedLine(body[at].span, tuple(_values(evaluator, body[at], last, world)), str(error))
    except RecursionError:
        return FailedLine(body[at].span, ())
    if at == len(body):
        return None
    return FailedLine(body[at].span, tuple(_values(evaluator, body[at], last, world)))


def shown(value: Value) -> str:
    """A value as JSON, cut where it is long."""
    try:
        text = json.dumps(to_json(value), ensure_ascii=False, default=str)
    except (EvaluationError, RecursionError, ValueError):
        return "…"
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _values(evaluator: Evaluator, literal: Literal, env: Env, world: World) -> Iterator[tuple[str, str]]:
    seen: set[str] = set()
    for term in _parts(literal):
        text = " ".join(term.span.text.split())
        if text in seen or not text or len(seen) >= _MOST_VALUES:
            continue
        seen.add(text)
        try:
            found = next(evaluator.values(term, env, world), None)
        except (EvaluationError, RecursionError, KeyError):
            continue  # a part that cannot be worked out by itself
        yield text, "undefined" if found is None else shown(found[0])


def _parts(literal: Literal) -> Iterator[Term]:
    """The parts of a line that have a value worth showing: names, paths, calls; the whole before its parts."""
    waiting = list(literal_terms(literal))
    if isinstance(literal.expr, SomeIn):
        waiting = [literal.expr.domain]
    while waiting:
        term = waiting.pop(0)
        if isinstance(term, Scalar):
            continue
        operator = isinstance(term, Call) and term.name_span.start > term.span.start
        if isinstance(term, Var | Ref) or (isinstance(term, Call) and not operator):
            yield term
        waiting[:0] = [
            part
            for part in subterms(term)
            if not (isinstance(term, Ref) and part is term.head and _root(part))
        ]


def _root(term: Term) -> bool:
    return isinstance(term, Var) and term.name in ("data", "input")
