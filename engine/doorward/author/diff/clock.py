"""Whether policies look at the clock: where they do not, the same request has the same answer at any instant."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from doorward_dsl.program import Program
from doorward_dsl.syntax import Body, Call, Ref, Scalar, Term, Var
from doorward_dsl.walk import deep_terms, head_terms, rule_chain, statement_terms

__all__ = ["reads_clock"]

_BUILTINS: Final = frozenset({"time.now_ns", "io.jwt.decode_verify", "opa.runtime"})
"""Built-ins whose answer follows from the instant of the evaluation, too."""


def reads_clock(program: Program) -> bool:
    """Whether anything in the program could see `input.time`, or asks a built-in that knows what time it is."""
    return any(_sees_time(term) for term in _terms(program))


def _sees_time(term: Term) -> bool:
    if isinstance(term, Call):
        return ".".join(term.name) in _BUILTINS
    if isinstance(term, Ref) and isinstance(term.head, Var) and term.head.name == "input":
        first = term.path[0]
        return not isinstance(first, Scalar) or first.value == "time"
    return isinstance(term, Var) and term.name in ("input", *_BUILTINS)


def _terms(program: Program) -> Iterator[Term]:
    for heads, bodies in _pieces(program):
        waiting = iter(deep_terms(*heads, bodies=bodies))
        for term in waiting:
            if isinstance(term, Ref) and isinstance(term.head, Var) and term.head.name == "input":
                next(waiting, None)  # the head, which by itself would be the whole document
            yield term


def _pieces(program: Program) -> Iterator[tuple[list[Term], list[Body]]]:
    for rules in program.rules.values():
        for rule in rules:
            for link in rule_chain(rule):
                yield head_terms(link.head), [link.body]
    for one in program.statements:
        statement = one.statement
        yield statement_terms(statement), [body for body in (statement.when, statement.unless) if body]
