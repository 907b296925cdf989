"""A Rego query as it is asked over the wire: everything of it is bounded, and everything may be wrong."""

from __future__ import annotations

from typing import Final

from doorward.engine import Engine
from doorward.run.errors import BudgetExceeded, EvaluationError
from doorward.run.exact import loads_exactly
from doorward.run.values import UNDEFINED, Value
from doorward.serve.point import Unanswered
from doorward.serve.rpc.wire import instant_of, json_bytes
from doorward_dsl.diagnostics import PolicyError
from doorward_proto.v1 import decision_pb2 as pb

__all__ = ["answered"]

_MAX_TEXT: Final = 64 << 10
_MAX_ANSWER_BYTES: Final = 32 << 20


def answered(engine: Engine, request: pb.QueryRequest) -> pb.QueryResponse:
    """The answers to a query, or what is wrong with it. Takes up to the time of one evaluation, and that of compiling the
    query and writing the answers. Raises Unanswered.
    """
    if len(request.query) + len(request.within) > _MAX_TEXT:
        raise Unanswered("invalid_request", f"the query is longer than {_MAX_TEXT} characters")
    response = pb.QueryResponse(revision=engine.revision)
    given, now = _input(request.input), instant_of(request)
    try:
        answers = engine.query(
            request.query,
            given,
            strict_builtin_errors=request.strict_builtin_errors,
            within=request.within,
            now_ns=now,
        )
        bindings = list(map(json_bytes, answers))
        if sum(map(len, bindings)) > _MAX_ANSWER_BYTES:
            raise BudgetExceeded(f"the answers take more than {_MAX_ANSWER_BYTES} bytes")
        response.answers.bindings.extend(bindings)
        response.answers.SetInParent()  # that there are none is an answer too
    except PolicyError as error:
        for one in error.diagnostics:
            response.errors.errors.add(code=one.code, message=one.message, place=str(one.span))
    except EvaluationError as error:
        place = "" if error.span is None else str(error.span)
        response.errors.errors.add(code=error.code, message=error.message, place=place)
    return response


def _input(text: bytes) -> Value:
    if not text:
        return UNDEFINED
    try:
        return loads_exactly(text)
    except (ValueError, ArithmeticError, RecursionError) as error:
        raise Unanswered("invalid_request", f"the input is not JSON: {error}") from None
