"""Runs one conformance case through the compiled evaluator."""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from doorward.compile import compile_program
from doorward.run.context import CallContext
from doorward.run.convert import to_json
from doorward.run.errors import EvaluationError
from doorward.run.values import UNDEFINED, Value
from doorward_dsl import PolicyError, Source, parse_module, parse_query
from doorward_dsl.compile import compile_modules, compile_query

from .cases import Case

__all__ = ["Failure", "run"]


class Failure(AssertionError):
    """The case came out differently."""


def run(case: Case) -> None:
    """Raise Failure, or whatever broke, unless the case comes out as it should."""
    try:
        answers = [{name: to_json(value) for name, value in answer.items()} for answer in _evaluate(case)]
    except (PolicyError, EvaluationError) as error:
        _check_error(case, error)
        return
    if case.want_error_code is not None or case.want_error is not None:
        raise Failure(f"wanted {case.want_error_code} {case.want_error!r}, got {answers!r}")
    wanted = case.want_result or []
    if not _same_answers(answers, wanted, ordered=not case.sort_bindings):
        raise Failure(f"wanted {wanted!r}, got {answers!r}")


def _evaluate(case: Case) -> list[dict[str, Value]]:
    modules = [parse_module(Source(f"test-{at}.rego", text)) for at, text in enumerate(case.modules)]
    program = compile_modules(modules)
    compiled = compile_program(program, case.data)
    query = compile_query(parse_query(case.query), program)
    document: Value = case.input if case.has_input else UNDEFINED
    if case.input_term is not None:
        term = compile_query(parse_query(f"x = {case.input_term}"), program)
        document = compiled.query(term)[0]["x"]
    return compiled.query(query, document, call=CallContext(strict=case.strict_error))


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
