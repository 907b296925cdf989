"""Base documents that a policy tree describes: `acme/data.schema.json` is the JSON Schema of `data.acme`.

Objects are closed, as in requests: what a schema with `properties` does not name does not exist, unless it says
`additionalProperties`. Nothing is filled in: what is not `required` may be missing.
"""

from __future__ import annotations

import copy
from typing import Any, Final

from doorward.bundle import PolicySet
from doorward.decide.document import schemas_of
from doorward.engine.kinds import kinds_of
from doorward.run.builtins.json_schemas import SchemaError, Validator
from doorward.run.values import UNDEFINED
from doorward_dsl.diagnostics import Diagnostic, PolicyError
from doorward_dsl.schemas import JsonSchema, Place, Schemas, referenced
from doorward_dsl.source import Source, Span

__all__ = ["check_documents", "schemas_in"]

_STEPS: Final = 1_000_000
"""What applying a schema may take, and beside it what each part of a document adds to that."""
_STEPS_OF_PART: Final = 1_000


def schemas_in(policies: PolicySet) -> Schemas:
    """The schemas of all requests and documents that policies may speak of.

    Raises PolicyError with what is wrong in any declaration.
    """
    described, problems = _described(policies)
    if problems:
        raise PolicyError(problems)
    return Schemas(
        schemas_of(kinds_of(policies)), {place: schema for place, (schema, _) in described.items()}
    )


def check_documents(policies: PolicySet) -> None:
    """Raises PolicyError where the data is not as its schemas say, or one of them is none."""
    described, problems = _described(policies)
    for place, (_, validator) in described.items():
        source = policies.documents[place].source
        written = ".".join(("data", *place))
        document = _at(policies.data, place)
        if document is UNDEFINED:
            problems.append(_problem(source, f"there is no data at `{written}`, which this schema describes"))
            continue
        objection = validator.objection(document, _STEPS + _STEPS_OF_PART * _parts(document))
        if objection is not None:
            problems.append(_problem(source, f"`{written}` is not as its schema says: {objection}"))
    if problems:
        raise PolicyError(problems)


def _described(policies: PolicySet) -> tuple[dict[Place, tuple[JsonSchema, Validator]], list[Diagnostic]]:
    found: dict[Place, tuple[JsonSchema, Validator]] = {}
    problems: list[Diagnostic] = []
    for place, declaration in sorted(policies.documents.items()):
        written = ".".join(("data", *place))
        if not isinstance(declaration.schema, dict):
            problems.append(_problem(declaration.source, f"the schema of `{written}` is not an object"))
            continue
        schema = copy.deepcopy(declaration.schema)
        try:
            Validator(schema)  # before anything relies on its form
            _close(schema)
            found[place] = schema, Validator(schema)
        except SchemaError as error:
            problems.append(_problem(declaration.source, f"the schema of `{written}` is not one: {error}"))
    return found, problems


def _problem(source: Source, message: str) -> Diagnostic:
    return Diagnostic("ward_data_error", message, Span(source, 0, 0))


def _at(data: Any, place: Place) -> Any:
    for name in place:
        if not isinstance(data, dict) or name not in data:
            return UNDEFINED
        data = data[name]
    return data


def _parts(document: Any) -> int:
    count, waiting = 0, [document]
    while waiting:
        count += 1
        here = waiting.pop()
        if isinstance(here, dict):
            waiting += here.values()
        elif isinstance(here, list):
            waiting += here
    return count


def _close(root: dict[str, Any]) -> None:
    """Changes a schema to that of closed objects, wherever the type that is read from it takes them for closed."""
    waiting: list[Any] = [root]
    closed: set[int] = set()
    while waiting:
        schema = waiting.pop()
        if not isinstance(schema, dict) or id(schema) in closed:
            continue
        closed.add(id(schema))
        if "properties" in schema:
            schema.setdefault("type", "object")
            schema.setdefault("additionalProperties", False)
        if "$ref" in schema:
            waiting.append(referenced(schema["$ref"], root))
        for name in ("properties", "patternProperties"):
            waiting += schema.get(name, {}).values()
        waiting += [schema.get(name) for name in ("items", "additionalProperties")]
        for name in ("anyOf", "oneOf"):
            waiting += schema.get(name, ())
        if len(schema.get("allOf", ())) == 1:  # of several, each says a part of what there is
            waiting += schema["allOf"]
