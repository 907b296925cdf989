"""Errors over HTTP, as JSON in the shape that OPA gives them: `code`, `message`, and perhaps `errors` with their places."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias

import orjson
from starlette.responses import Response

from doorward.run.errors import EvaluationError
from doorward_dsl.diagnostics import PolicyError
from doorward_dsl.source import Span

__all__ = ["Code", "Problem", "errors_of", "json_response", "problem_response"]

Code: TypeAlias = Literal[
    "invalid_parameter",
    "invalid_operation",
    "undefined_document",
    "resource_not_found",
    "unauthorized",
    "forbidden",
    "too_large",
    "timeout",
    "overloaded",
    "no_policy",
    "internal_error",
]


class Problem(Exception):
    """A request that is answered with an error; the message is one sentence."""

    def __init__(
        self,
        status: int,
        code: Code,
        message: str,
        *,
        errors: Sequence[Mapping[str, Any]] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code: Code = code
        self.message = message
        self.errors = tuple(errors)
        self.headers = dict(headers or {})


def problem_response(problem: Problem) -> Response:
    """The answer that says what is wrong."""
    document: dict[str, Any] = {"code": problem.code, "message": problem.message}
    if problem.errors:
        document["errors"] = list(problem.errors)
    return json_response(orjson.dumps(document), problem.status, problem.headers)


def json_response(content: bytes, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """An answer of JSON text, which ends with a line end as OPA's do."""
    return Response(content + b"\n", status, headers, "application/json")


def errors_of(error: PolicyError | EvaluationError) -> list[dict[str, Any]]:
    """What is wrong with a query or its evaluation, each with its place."""
    if isinstance(error, EvaluationError):
        return [_error(error.code, error.message, error.span)]
    return [_error(each.code, each.message, each.span) for each in error.diagnostics]


def _error(code: str, message: str, span: Span | None) -> dict[str, Any]:
    place = {"file": "", "row": 0, "col": 0}
    if span is not None:
        place = {"file": span.source.name, "row": span.line, "col": span.column}
    return {"code": code, "message": message, "location": place}
