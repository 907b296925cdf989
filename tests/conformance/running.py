"""Runs one conformance case through an evaluator."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final, Protocol

from doorward.compile import compile_program
from doorward.run.budget import Limits
from doorward.run.context import CallContext
from doorward.run.convert import to_json
from doorward.run.effects import GRANTED_TO_QUERIES
from doorward.run.errors import EvaluationError
from doorward.run.reference import ReferenceProgram
from doorward.run.values import UNDEFINED, Value
from doorward_dsl import PolicyError, Source, parse_module, parse_query
from doorward_dsl.compile import compile_modules, compile_query
from doorward_dsl.program import Program
from doorward_dsl.syntax import Body

from .cases import Case

__all__ = ["EVALUATORS", "Failure", "run"]


class Failure(AssertionError):
    """The case came out differently."""


class Evaluator(Protocol):
    """A program that answers queries."""

    def query(
        self,
        body: Body,
        input: Value = ...,  # noqa: A002
        *,
        call: CallContext | None = ...,
    ) -> list[dict[str, Value]]: ...


EVALUATORS: Final[Mapping[str, Callable[[Program, dict[str, Value]], Evaluator]]] = {
    "compiled": compile_program,
    "reference": ReferenceProgram,
}


_LIMITS: Final = Limits(wall_ms=60_000)
"""What is right does not depend on how busy the machine is."""


def run(case: Case, evaluator: str = "compiled") -> None:
    """Raise Failure, or whatever broke, unless the case comes out as it should."""
    try:
        found = _evaluate(case, EVALUATORS[evaluator])
        answers = [{name: to_json(value) for name, value in answer.items()} for answer in found]
    except (PolicyError, EvaluationError) as error:
        _check_error(case, error)
        return
    if case.want_error_code is not None or case.want_error is not None:
        raise Failure(f"wanted {case.want_error_code} {case.want_error!r}, got {answers!r}")
    wanted = case.want_result or []
    if not _same_answers(answers, wanted, ordered=not case.sort_bindings):
        raise Failure(f"wanted {wanted!r}, got {answers!r}")


def _evaluate(case: Case, make: Callable[[Program, dict[str, Value]], Evaluator]) -> list[dict[str, Value]]:
    modules = [parse_module(Source(f"test-{at}.rego", text)) for at, text in enumerate(case.modules)]
    program = compile_modules(modules)
    evaluator = make(program, case.data)
    query = compile_query(parse_query(case.query), program)
    document: Value = case.input if case.has_input else UNDEFINED
    if case.input_term is not None:
        term = compile_query(parse_query(f"x = {case.input_term}"), program)
        document = evaluator.query(term)[0]["x"]
    call = CallContext(strict=case.strict_error, grants=GRANTED_TO_QUERIES, limits=_LIMITS)
    return evaluator.query(query, document, call=call)


def _check_error(case: Case, error: PolicyError | EvaluationError) -> None:
    if case.want_error_code is None and case.want_error is None:
        raise Failure(f"wanted {case.want_result!r}, got the error {error}") from error
    if case.want_error_code is not None and error.code != case.want_error_code:
        raise Failure(f"wanted {case.want_error_code}, got the error {error}") from error
    if case.want_error_code is None and case.want_error not in str(error):
        raise Failure(f"wanted {case.want_error!r}, got the error {error}") from error


def _same_answers(ours: list[Any], theirs: list[Any], *, ordered: bool) -> bool:
    if ordered:
        return _same(ours, theirs)
    # Neither the answers nor the members of a collection in them come in an order that counts.
    return _same_members(
        ours,
        theirs,
        lambda one, other: one.keys() == other.keys() and all(_loosely(one[k], other[k]) for k in one),
    )


def _loosely(ours: Any, theirs: Any) -> bool:
    if isinstance(ours, list) and isinstance(theirs, list):
        return _same_members(ours, theirs, _same)
    return _same(ours, theirs)


def _same_members(ours: list[Any], theirs: list[Any], same: Callable[[Any, Any], bool]) -> bool:
    rest = list(theirs)
    for one in ours:
        found = next((at for at, other in enumerate(rest) if same(one, other)), None)
        if found is None:
            return False
        del rest[found]
    return not rest


def _same(ours: Any, theirs: Any) -> bool:
    if isinstance(ours, bool) or isinstance(theirs, bool):
        return ours is theirs
    if isinstance(ours, dict) and isinstance(theirs, dict):
        return ours.keys() == theirs.keys() and all(
            _same(value, theirs[name]) for name, value in ours.items()
        )
    if isinstance(ours, list) and isinstance(theirs, list):
        return len(ours) == len(theirs) and all(map(_same, ours, theirs))
    if isinstance(ours, (float, Decimal)) and isinstance(theirs, (int, float)):
        return math.isclose(float(ours), theirs, rel_tol=1e-12)
    return bool(ours == theirs)
