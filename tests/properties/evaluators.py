"""Running the compiled and the reference evaluator side by side, with outcomes that can be compared and read."""

from __future__ import annotations

from dataclasses import astuple, dataclass
from typing import Any

from doorward.compile import CompileOptions, Findings, compile_program
from doorward.run.budget import Limits
from doorward.run.builtins.terms import term_text
from doorward.run.context import CallContext
from doorward.run.errors import EvaluationError
from doorward.run.reference import Outcome, ReferenceProgram
from doorward.run.values import Value
from doorward_dsl import CompileError, Source, parse_module, parse_query
from doorward_dsl.compile import compile_modules, compile_query

__all__ = ["Decision", "Evaluators", "Result"]

_LIMITS = Limits(steps=200_000, wall_ms=60_000)


@dataclass(frozen=True, slots=True)
class Result:
    """The answers of a query as text, or the class of the error."""

    answers: tuple[str, ...] = ()
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """What statements said: id and payload of those that held; id and class of error of those that failed."""

    held: frozenset[tuple[str, Any]]
    failed: frozenset[tuple[str | None, str]]


class Evaluators:
    """One policy on the reference evaluator, and compiled with and without an index."""

    def __init__(self, text: str, data: dict[str, Any]) -> None:
        self._program = compile_modules([parse_module(Source("p.ward", text))])
        self.reference = ReferenceProgram(self._program, data)
        self.compiled = compile_program(self._program, data)
        self.unindexed = compile_program(self._program, data, options=CompileOptions(indexed=False))

    def query(self, evaluator: Any, text: str, document: Value, *, strict: bool) -> Result:
        """The result of a query on one of the evaluators."""
        try:
            body = compile_query(parse_query(text), self._program)
            answers = evaluator.query(body, document, call=_call(strict))
        except (CompileError, EvaluationError) as error:
            return Result(error=error.code)
        return Result(tuple(term_text(answer) for answer in answers))

    def decide(self, evaluator: Any, document: Value, *, strict: bool) -> Decision:
        """What the statements of `postgres` say on one of the evaluators.

        What a statement that failed said before it did is left out: it restricts as a whole.
        """
        found: Findings | Outcome = evaluator.evaluate("postgres", document, _call(strict))
        if isinstance(found, Findings):
            held = {(one.info.id, astuple(one.payload)) for one in found.held}
            failed = {(one.info and one.info.id, one.error.code) for one in found.errors}
        else:
            held = {(name, payload) for name, _, payload in found.held}
            failed = {(name, error.code) for name, error in found.errors}
        wrong = {name for name, _ in failed}
        return Decision(frozenset(one for one in held if one[0] not in wrong), frozenset(failed))


def _call(strict: bool) -> CallContext:
    return CallContext(now_ns=0, seed=0, limits=_LIMITS, strict=strict)
