"""OPA's API for those who ask: a document of policies and data, or a query. Evaluation goes on aside, so that no decision
waits with it, and within the limits of one evaluation.

Policies and data are not written here: they change by a new revision, which comes from where all policies come from.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Callable
from importlib.metadata import version
from itertools import count
from time import perf_counter_ns
from typing import Any, Final
from urllib.parse import unquote_to_bytes

from starlette.requests import Request
from starlette.responses import Response

from doorward.engine import Engine
from doorward.run.errors import EvaluationError
from doorward.run.values import UNDEFINED
from doorward.serve.aside import Aside, Overloaded
from doorward.serve.http.bodies import json_of, json_text_of
from doorward.serve.http.problems import Problem, errors_of, json_response
from doorward.serve.point import DecisionPoint
from doorward_dsl.diagnostics import PolicyError

__all__ = ["OpaApi"]

_AT_ONCE: Final = 2
_WAITING: Final = 64
_MAX_QUERY: Final = 64 << 10
_MAX_STEPS: Final = 100
_MAX_ANSWER: Final = 32 << 20

_DATA: Final = "/v1/data"
_MAIN: Final = "data.system.main"
_HIDDEN: Final = "system"
"""Not shown among everything, only by its name."""

_NUMBER: Final = re.compile(r"[+-]?[0-9]{1,9}")
_FALSE: Final = frozenset({"false", "False", "FALSE", "f", "F", "0"})
_WITHOUT_INPUT: Final = {
    "code": "api_usage_warning",
    "message": "'input' key missing from the request",
}


class OpaApi:
    """Answers `/v1/data`, `/v1/query` and `/`. For one event loop."""

    def __init__(self, point: DecisionPoint) -> None:
        self._point = point
        self._aside = Aside(_AT_ONCE, waiting=_WAITING)
        self._prefix = secrets.token_hex(8)
        self._ids = count(1)

    def close(self) -> None:
        """Begin nothing any more."""
        self._aside.close()

    async def data(self, request: Request, body: bytes) -> Response:
        """`/v1/data/…`: a document, by the input in the body or in the parameter `input`. Raises Problem."""
        engine = self._engine()
        steps = _steps(request.scope["raw_path"])
        query = _reference(steps, engine.policies.data)
        more: dict[str, Any] = {"decision_id": f"{self._prefix}-{next(self._ids):x}"}
        parameter = request.query_params.get("input")
        strict = _is_set(request, "strict-builtin-errors")

        def work() -> Any:
            if request.method == "POST":
                given = _input(_object(body))
                if given is UNDEFINED:
                    more["warning"] = _WITHOUT_INPUT
            elif parameter is None:
                given = UNDEFINED
            else:
                given = json_of(parameter.encode("utf-8", "replace"), "the input")
            value = _value_of(engine, query, given, strict=strict)
            if not steps:
                value.pop(_HIDDEN, None)
            return value

        return await self._answer(request, engine, work, more)

    async def query(self, request: Request, body: bytes) -> Response:
        """`/v1/query`: every answer to a query. Raises Problem."""
        engine = self._engine()
        parameter = request.query_params.get("q")
        strict = _is_set(request, "strict-builtin-errors")

        def work() -> Any:
            if request.method == "GET":
                document: dict[str, Any] = {"query": parameter}
            else:
                document = _object(body)
            text, given = document.get("query"), _input(document)
            if not isinstance(text, str) or not text.strip():
                raise Problem(400, "invalid_parameter", "there is no query")
            if len(text) > _MAX_QUERY:
                raise Problem(400, "invalid_parameter", f"the query is longer than {_MAX_QUERY} characters")
            try:
                prepared = engine.prepare(text, strict_builtin_errors=strict)
            except PolicyError as error:
                said = "error(s) occurred while compiling query"
                raise Problem(400, "invalid_parameter", said, errors=errors_of(error)) from None
            return prepared(given) or UNDEFINED

        return await self._answer(request, engine, work, {})

    async def main(self, request: Request, body: bytes) -> Response:
        """`POST /`: the document `data.system.main` by itself, for which the whole body is the input. Raises Problem."""
        engine = self._engine()

        def work() -> Any:
            given = json_of(body, "the body") if body.strip() else UNDEFINED
            result = _value_of(engine, _MAIN, given, strict=False)
            if result is UNDEFINED:
                raise Problem(404, "undefined_document", f"document missing: {_MAIN}")
            return result

        return await self._answer(request, engine, work, None)

    def _engine(self) -> Engine:
        in_force = self._point.revisions.in_force
        if in_force is None:
            raise Problem(503, "no_policy", "no policies have been loaded yet")
        return in_force.engine

    async def _answer(
        self, request: Request, engine: Engine, evaluate: Callable[[], Any], more: dict[str, Any] | None
    ) -> Response:
        """What is evaluated, unless it is undefined, as `result` of an object with `more` in it; by itself where that is
        None.
        """
        begin = perf_counter_ns()  # what follows goes on aside, the reading of the body too
        measured = _is_set(request, "metrics") or _is_set(request, "instrument")
        pretty, provenance = _is_set(request, "pretty"), _is_set(request, "provenance")

        def work() -> bytes:
            at = perf_counter_ns()
            result = evaluate()
            if more is None:
                return _bounded(json_text_of(result, pretty=pretty))
            answer = dict(more)
            if result is not UNDEFINED:
                answer["result"] = result
            if provenance:
                answer["provenance"] = {"version": version("doorward"), "revision": engine.revision}
            if measured:
                now = perf_counter_ns()
                timers = {"timer_rego_query_eval_ns": now - at, "timer_server_handler_ns": now - begin}
                answer["metrics"] = timers
            return _bounded(json_text_of(answer, pretty=pretty))

        try:
            return json_response(await self._aside.run(work))
        except Overloaded as error:
            raise Problem(503, "overloaded", str(error), headers={"retry-after": "1"}) from None
        except EvaluationError as error:
            said = "error(s) occurred while evaluating query"
            raise Problem(500, "internal_error", said, errors=errors_of(error)) from None


def _steps(raw_path: bytes) -> list[str]:
    """The names of a path, each decoded by itself; OPA sends whoever writes two slashes to the path with one."""
    steps = []
    for part in raw_path.decode("ascii", "replace").removeprefix(_DATA).split("/"):
        if not part:
            continue
        try:
            steps.append(unquote_to_bytes(part).decode())
        except UnicodeDecodeError:
            raise Problem(400, "invalid_parameter", "the path is not UTF-8") from None
    if len(steps) > _MAX_STEPS:
        raise Problem(400, "invalid_parameter", f"the path has more than {_MAX_STEPS} steps")
    return steps


def _reference(steps: list[str], data: Any) -> str:
    """The term that the path means: `/a/b-c/0` is `data["a"]["b-c"][0]`.

    What looks like a number is one, unless it is the name of something in the data.
    """
    reference, place = "data", data
    for step in steps:
        named = isinstance(place, dict) and step in place
        if _NUMBER.fullmatch(step) is not None and not named:
            reference += f"[{int(step)}]"
            place = None
        else:
            reference += f"[{json.dumps(step)}]"
            place = place[step] if named else None
    return reference


def _value_of(engine: Engine, term: str, given: Any, *, strict: bool) -> Any:
    """The value of a document, UNDEFINED where it has none. Raises Problem, EvaluationError."""
    try:
        prepared = engine.prepare(term, strict_builtin_errors=strict)
    except PolicyError as error:  # such as a function, or a field of what has none
        said = "; ".join(each.message for each in error.diagnostics)
        raise Problem(500, "internal_error", said, errors=errors_of(error)) from None
    return prepared.value(given, default=UNDEFINED)


def _object(body: bytes) -> dict[str, Any]:
    """The object in a body; an empty one where there is none."""
    document = json_of(body, "the body") if body.strip() else None
    if document is None:
        return {}
    if not isinstance(document, dict):
        raise Problem(400, "invalid_parameter", "the body is not an object")
    return document


def _input(document: dict[str, Any]) -> Any:
    """The input in a body, in which null says that there is none."""
    given = document.get("input")
    return UNDEFINED if given is None else given


def _is_set(request: Request, name: str) -> bool:
    """Whether a parameter is there and does not say no."""
    value = request.query_params.get(name)
    return value is not None and value not in _FALSE


def _bounded(content: bytes) -> bytes:
    if len(content) > _MAX_ANSWER:
        raise Problem(500, "internal_error", f"the answer takes more than {_MAX_ANSWER} bytes")
    return content
