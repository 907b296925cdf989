"""What is served over HTTP, as an OpenAPI document."""

from __future__ import annotations

from functools import cache
from importlib.metadata import version
from typing import Any, Final

from pydantic.json_schema import models_json_schema

from doorward.serve.http.authzen import METADATA, Answer, Evaluation, Evaluations, EvaluationsAnswer

__all__ = ["openapi"]

_TEMPLATE: Final = "#/components/schemas/{model}"

_PROBLEMS: Final = {
    "400": "The request is not as it has to be.",
    "401": "The caller does not say who it is, or not truly.",
    "403": "The caller may not ask this.",
    "405": "The path does not take this method.",
    "408": "The body took too long to arrive.",
    "413": "The body is too large.",
    "415": "The body is compressed.",
    "429": "The caller asks for more than it may have.",
    "500": "It cannot be evaluated; `errors` say why, where it is for the policies or the query.",
    "503": "There are no policies yet, or as much is under way as may be: nothing was decided.",
}

_LOCATION: Final = {
    "type": "object",
    "properties": {"file": {"type": "string"}, "row": {"type": "integer"}, "col": {"type": "integer"}},
    "required": ["file", "row", "col"],
}
_PROBLEM: Final = {
    "type": "object",
    "properties": {
        "code": {"type": "string"},
        "message": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "code": {"type": "string"},
                    "message": {"type": "string"},
                    "location": _LOCATION,
                },
                "required": ["code", "message"],
            },
        },
    },
    "required": ["code", "message"],
}
_METADATA_SCHEMA: Final = {
    "type": "object",
    "properties": {
        name: {"type": "string"}
        for name in ("policy_decision_point", "access_evaluation_endpoint", "access_evaluations_endpoint")
    },
    "required": ["policy_decision_point", "access_evaluation_endpoint"],
}
_DATA_ANSWER: Final = {
    "type": "object",
    "properties": {
        "result": {"description": "The document; not there where it is undefined."},
        "decision_id": {"type": "string"},
        "warning": {"type": "object"},
        "metrics": {"type": "object"},
        "provenance": {"type": "object"},
    },
}
_QUERY_ANSWER: Final = {
    "type": "object",
    "properties": {
        "result": {
            "description": "Every answer, as the values of the query's variables; not there where there is none.",
            "type": "array",
            "items": {"type": "object"},
        },
        "metrics": {"type": "object"},
        "provenance": {"type": "object"},
    },
}


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


_MANY: Final = {
    "anyOf": [
        {
            "allOf": [
                _ref("Evaluations"),
                {"properties": {"evaluations": {"minItems": 1}}, "required": ["evaluations"]},
            ]
        },
        {"allOf": [_ref("Evaluation"), {"properties": {"evaluations": {"type": "array", "maxItems": 0}}}]},
    ]
}
"""Without evaluations it is a single one, and has to be whole."""


@cache
def openapi() -> dict[str, Any]:
    """The document. Shared: not to be changed."""
    models = [
        (Evaluation, "validation"),
        (Evaluations, "validation"),
        (Answer, "serialization"),
        (EvaluationsAnswer, "serialization"),
    ]
    _, schemas = models_json_schema(models, ref_template=_TEMPLATE)  # type: ignore[arg-type] # lists are invariant
    return {
        "openapi": "3.1.0",
        "info": {"title": "Doorward", "version": version("doorward")},
        "paths": {
            "/access/v1/evaluation": {
                "post": _operation(
                    "evaluation", "One access evaluation (AuthZEN)", _ref("Evaluation"), _ref("Answer")
                )
            },
            "/access/v1/evaluations": {
                "post": _operation(
                    "evaluations",
                    "Many access evaluations (AuthZEN)",
                    _MANY,
                    {"anyOf": [_ref("EvaluationsAnswer"), _ref("Answer")]},
                )
            },
            METADATA: {"get": _operation("metadata", "Where what is (AuthZEN)", None, _METADATA_SCHEMA)},
            "/v1/data/{path}": {
                "parameters": [_parameter("path", "path", "Names from `data` on, separated by slashes.")],
                **_data("Named"),
            },
            "/v1/data": _data("All"),
            "/v1/query": _query(),
            "/": {"post": _main()},
            "/health": {
                "get": {
                    **_operation("health", "Whether policies are loaded", None, {"type": "object"}),
                    "parameters": [_parameter("bundles", "query", "And the newest are in force.")],
                }
            },
            "/openapi.json": {"get": _operation("openapi", "This document", None, {"type": "object"})},
        },
        "components": {"schemas": {**schemas["$defs"], "Problem": _PROBLEM}},
    }


def _operation(
    name: str, summary: str, body: dict[str, Any] | None, answer: dict[str, Any], *, required: bool = True
) -> dict[str, Any]:
    problem = {"application/json": {"schema": _ref("Problem")}}
    identified = {"x-request-id": {"description": "That of the request.", "schema": {"type": "string"}}}
    operation: dict[str, Any] = {
        "operationId": name,
        "summary": summary,
        "responses": {
            "200": {
                "description": "The answer.",
                "headers": identified,
                "content": {"application/json": {"schema": answer}},
            },
            **{status: {"description": said, "content": problem} for status, said in _PROBLEMS.items()},
        },
    }
    if body is not None:
        operation["requestBody"] = {"required": required, "content": {"application/json": {"schema": body}}}
    return operation


def _parameter(name: str, place: str, said: str) -> dict[str, Any]:
    return {
        "name": name,
        "in": place,
        "required": place == "path",
        "description": said,
        "schema": {"type": "string"},
    }


_HOW: Final = [
    _parameter("pretty", "query", "JSON for people."),
    _parameter("metrics", "query", "How long it took."),
    _parameter("provenance", "query", "Which version and revision answered."),
    _parameter("strict-builtin-errors", "query", "A built-in that fails is an error."),
]


def _data(which: str) -> dict[str, Any]:
    given = {
        "name": "input",
        "in": "query",
        "required": False,
        "description": "The input.",
        "content": {"application/json": {"schema": {}}},
    }
    body = {"type": ["object", "null"], "properties": {"input": {"description": "The input."}}}
    get = _operation(f"get{which}Data", "A document of policies and data (OPA)", None, _DATA_ANSWER)
    post = _operation(
        f"post{which}Data",
        "A document of policies and data, by an input (OPA)",
        body,
        _DATA_ANSWER,
        required=False,
    )
    return {"get": {**get, "parameters": [given, *_HOW]}, "post": {**post, "parameters": _HOW}}


def _query() -> dict[str, Any]:
    body = {
        "type": "object",
        "properties": {"query": {"type": "string"}, "input": {"description": "The input."}},
        "required": ["query"],
    }
    text = {**_parameter("q", "query", "The query."), "required": True}
    get = _operation("getQuery", "Every answer to a query (OPA)", None, _QUERY_ANSWER)
    post = _operation("postQuery", "Every answer to a query, by an input (OPA)", body, _QUERY_ANSWER)
    return {"get": {**get, "parameters": [text, *_HOW]}, "post": {**post, "parameters": _HOW}}


def _main() -> dict[str, Any]:
    operation = _operation(
        "postMain", "The document `data.system.main` by itself (OPA)", {}, {}, required=False
    )
    missing = {
        "description": "There is no such document.",
        "content": {"application/json": {"schema": _ref("Problem")}},
    }
    return {
        **operation,
        "responses": {**operation["responses"], "404": missing},
        "parameters": [each for each in _HOW if each["name"] in ("pretty", "strict-builtin-errors")],
    }
