"""Access evaluations: one, or many under one of AuthZEN's three semantics."""

from __future__ import annotations

from typing import Any, Final, TypeVar

from pydantic import BaseModel, ValidationError
from starlette.requests import Request
from starlette.responses import Response

from doorward.decide.decision import Decision
from doorward.serve.http.authzen import (
    Evaluation,
    Evaluations,
    Include,
    answer_of,
    document_of,
    refusal,
)
from doorward.serve.http.bodies import json_of
from doorward.serve.http.problems import Code, Problem, json_response
from doorward.serve.point import Code as Unanswerable
from doorward.serve.point import DecisionPoint, Question, Unanswered
from doorward.serve.rpc.wire import json_bytes

__all__ = ["evaluate", "evaluate_all"]

_Model = TypeVar("_Model", bound=BaseModel)

_STATUS: Final[dict[Unanswerable, int]] = {
    "invalid_request": 400,
    "unknown_catalogue": 400,
    "forbidden": 403,
    "overloaded": 429,
    "no_policy": 503,
    "internal": 500,
}
_CODES: Final[dict[Unanswerable, Code]] = {
    "forbidden": "forbidden",
    "overloaded": "overloaded",
    "no_policy": "no_policy",
    "internal": "internal_error",
}
"""What is an error of the whole request, rather than a decision that is not to be had."""

_DEFAULTS: Final = ("subject", "action", "resource", "context")


async def evaluate(point: DecisionPoint, request: Request, body: bytes) -> Response:
    """`/access/v1/evaluation`. Raises Problem."""
    return await _one(point, _valid(Evaluation, _object(request, body)))


async def evaluate_all(point: DecisionPoint, request: Request, body: bytes) -> Response:
    """`/access/v1/evaluations`. Without any evaluations it is the one above. Raises Problem."""
    given = _object(request, body)
    asked = _valid(Evaluations, given)
    if not asked.evaluations:
        return await _one(point, _valid(Evaluation, given))
    shared = {name: given[name] for name in _DEFAULTS if given.get(name) is not None}
    questions = [_question({**shared, **each}) for each in asked.evaluations]
    include, semantic = asked.options.include, asked.options.evaluations_semantic
    if semantic == "execute_all":
        answers = await _answers(point, questions, include)
    else:
        ends_with = semantic == "permit_on_first_permit"
        answers = []
        for question in questions:  # those behind the end are never decided, nor logged
            answers += await _answers(point, [question], include)
            if answers[-1]["decision"] is ends_with:
                break
    return json_response(json_bytes({"evaluations": answers}))


async def _one(point: DecisionPoint, asked: Evaluation) -> Response:
    try:
        question = Question(document_of(asked))
        answer = answer_of(await point.answer_one(question), asked.options.include)
    except Unanswered as why:
        if why.code in _CODES:
            raise Problem(_STATUS[why.code], _CODES[why.code], str(why)) from None
        answer = refusal(_STATUS[why.code], str(why))
    return json_response(json_bytes(answer))


async def _answers(
    point: DecisionPoint, questions: list[Question | Unanswered], include: tuple[Include, ...]
) -> list[dict[str, Any]]:
    """To each its own, in their order."""
    decided = iter(await point.answer([each for each in questions if isinstance(each, Question)]))
    outcomes = [next(decided) if isinstance(each, Question) else each for each in questions]
    return [
        answer_of(outcome, include)
        if isinstance(outcome, Decision)
        else refusal(_STATUS[outcome.code], str(outcome))
        for outcome in outcomes
    ]


def _question(given: dict[str, Any]) -> Question | Unanswered:
    """What one of many evaluations asks; what is wrong with one is no matter of the others."""
    try:
        return Question(document_of(_valid(Evaluation, given)))
    except Problem as problem:
        return Unanswered("invalid_request", problem.message)
    except Unanswered as why:
        return why


def _object(request: Request, body: bytes) -> dict[str, Any]:
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media != "application/json":
        raise Problem(400, "invalid_parameter", "the content type is not `application/json`")
    document = json_of(body, "the body")
    if not isinstance(document, dict):
        raise Problem(400, "invalid_parameter", "the body is not an object")
    return document


def _valid(model: type[_Model], given: dict[str, Any]) -> _Model:
    try:
        return model.model_validate(given)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise Problem(400, "invalid_parameter", f"`{place[:200]}`: {first['msg'].lower()}") from None
