"""Kinds of request that a policy tree declares itself, by a JSON Schema of what is to be done.

The file `payments.kind.json` declares the kind `payments`: requests of it have a section `payments`, which the schema
describes and which policies see as the caller sent it. There is nothing to derive, so there are no facts beside it.

Documents are total here too. A property that need not be sent has its default, or null; and what the schema does not
name does not exist, unless it says `additionalProperties`.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from typing import Any, Final

from doorward.decide.document import SHARED, InvalidRequest, Kind
from doorward.decide.plainly import plain_check
from doorward.decide.request import DOCUMENTS, AccessRequest, Instant
from doorward.facts import Reading
from doorward.run.builtins.json_schemas import SchemaError, Validator
from doorward_dsl.diagnostics import DoorwardError
from doorward_dsl.schemas import referenced

__all__ = ["DeclaredKindError", "declared_kind"]

_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,62}")
_DEEPEST: Final = 32
_TAKEN: Final = frozenset(
    {name for model in DOCUMENTS.values() for name in model.model_fields}
    | DOCUMENTS.keys()
    | {"input", "data"}
)


_NOTHING_FOUND: Final = Reading({})


class DeclaredKindError(DoorwardError):
    """A declaration that cannot be taken. The message says why."""


def declared_kind(name: str, schema: Any) -> Kind:
    """The kind that a schema declares. Raises DeclaredKindError."""
    if _NAME.fullmatch(name) is None:
        raise DeclaredKindError(
            f"`{name}` is no name for a kind of request: expected small letters, digits and `_`"
        )
    if name in _TAKEN:
        raise DeclaredKindError(f"`{name}` already has a meaning in requests")
    if not isinstance(schema, dict) or schema.get("type") != "object":
        raise DeclaredKindError(
            f'the schema of the kind `{name}` does not describe an object: expected `"type": "object"`'
        )
    total = copy.deepcopy(schema)
    _make_total(total)
    try:
        section = _DeclaredSection(name, total)
    except SchemaError as error:
        raise DeclaredKindError(f"the schema of the kind `{name}` is not one: {error}") from None
    return Kind(
        name=name,
        operation=name,
        schema=_document_schema(name, total),
        empty={**SHARED.empty, "time": Instant().model_dump(), name: section.empty},
        sections=(*SHARED.sections, (name, section)),
        reader=section.read,
    )


class _DeclaredSection:
    """What a caller sends of a declared kind, made total and checked by its schema."""

    __slots__ = ("_is_plain", "_name", "_schema", "_validator", "empty")

    def __init__(self, name: str, schema: dict[str, Any]) -> None:
        self._name = name
        self._schema = schema
        self._validator = Validator(schema)
        self._is_plain = plain_check(schema)
        # where nothing is to be done yet, as when a credential is asked for
        self.empty = {**dict.fromkeys(schema.get("properties", {})), **_filled({}, schema, schema, 0)}

    def complete(self, given: Any, where: str) -> dict[str, Any]:
        """See `SectionReader`."""
        if not isinstance(given, dict):
            raise InvalidRequest(f"`{where}` is not an object")
        whole: dict[str, Any] = _filled(given, self._schema, self._schema, 0)
        return whole

    def read(self, section: Mapping[str, Any]) -> Reading:
        """No facts beside the operation itself; opaque where it is not as the schema says."""
        if self._is_plain(section):
            return _NOTHING_FOUND
        objection = self._validator.objection(section)
        return Reading(
            {}, "" if objection is None else f"`{self._name}` is not as its kind says: {objection}"
        )


def _filled(value: Any, schema: Any, root: Mapping[str, Any], depth: int) -> Any:
    """The value with what is missing filled in: defaults, and nulls for what need not be there."""
    schema = _followed(schema, root)
    if not isinstance(schema, dict) or depth > _DEEPEST:
        return value
    if isinstance(value, list) and "items" in schema:
        return [_filled(item, schema["items"], root, depth + 1) for item in value]
    properties = schema.get("properties")
    if not isinstance(value, dict) or not isinstance(properties, dict):
        return value
    whole = dict(value)
    for name, inner in properties.items():
        if name in whole:
            whole[name] = _filled(whole[name], inner, root, depth + 1)
        elif name not in schema.get("required", ()):
            stated = _followed(inner, root)
            whole[name] = copy.deepcopy(stated.get("default")) if isinstance(stated, dict) else None
    return whole


def _make_total(schema: Any, depth: int = 0) -> None:
    """Changes a schema to that of total values: closed objects, and null where a property may be missing."""
    if isinstance(schema, list):
        for inner in schema:
            _make_total(inner, depth + 1)
    if not isinstance(schema, dict) or depth > _DEEPEST:
        return
    properties = schema.get("properties")
    if isinstance(properties, dict):
        schema.setdefault("additionalProperties", False)
        for name, inner in properties.items():
            _make_total(inner, depth + 1)
            optional = name not in schema.get("required", ())
            if optional and not (isinstance(inner, dict) and "default" in inner):
                properties[name] = {"anyOf": [inner, {"type": "null"}]}
    for name in ("items", "anyOf", "oneOf", "allOf", "additionalProperties"):
        _make_total(schema.get(name), depth + 1)
    for name in ("$defs", "definitions"):
        for inner in (schema.get(name) or {}).values():
            _make_total(inner, depth + 1)


def _followed(schema: Any, root: Mapping[str, Any]) -> Any:
    """What a schema, that may be null or stand elsewhere in the document, says of a value that is there."""
    for _ in range(_DEEPEST):
        if not isinstance(schema, dict):
            break
        if "$ref" in schema:
            schema = referenced(schema["$ref"], root)
        elif len(schema.get("anyOf", ())) == 2 and schema["anyOf"][1] == {"type": "null"}:
            schema = schema["anyOf"][0]
        else:
            break
    return schema


def _document_schema(name: str, section: dict[str, Any]) -> dict[str, Any]:
    """The schema of the whole document: what all kinds share, and the section."""
    shared = _Shared.model_json_schema(mode="serialization")
    own = copy.deepcopy(section)
    definitions = {**shared["$defs"], **own.pop("$defs", {})}
    properties = {**shared["properties"], name: own}
    for part in definitions.values():
        if isinstance(part, dict) and "properties" in part:
            part["required"] = list(part["properties"])
    return {
        **shared,
        "properties": properties,
        "required": list(properties),
        "$defs": definitions,
        "definitions": own.pop("definitions", {}),  # where references from within the section look for them
    }


class _Shared(AccessRequest):
    time: Instant = Instant()
