"""The types of request documents, from their JSON Schemas.

A schema is read as pydantic writes it: `$ref` into `$defs`, `anyOf` with null, `additionalProperties` for maps. An object
without `additionalProperties` is closed: a field it does not name does not exist.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, TypeAlias

from doorward_dsl.types import (
    ANY,
    BOOLEAN,
    NULL,
    NUMBER,
    STRING,
    ObjectType,
    Type,
    UnionType,
    array_of,
    union,
)

__all__ = ["JsonSchema", "RequestTypes", "from_schema", "without_null"]

JsonSchema: TypeAlias = Mapping[str, Any]
"""A JSON Schema document."""

_SIMPLE: Final[Mapping[str, Type]] = {
    "null": NULL,
    "boolean": BOOLEAN,
    "integer": NUMBER,
    "number": NUMBER,
    "string": STRING,
}

_DEEPEST: Final = 12
"""Below this many levels, as in a schema that contains itself, everything is `any`."""


def from_schema(schema: JsonSchema) -> Type:
    """The type of the values that a schema describes; what it leaves open is `any`."""
    return _convert(schema, schema, 0)


def _convert(schema: Any, root: JsonSchema, depth: int) -> Type:
    if not isinstance(schema, Mapping) or depth > _DEEPEST:
        return ANY
    if "$ref" in schema:
        return _convert(_referenced(schema["$ref"], root), root, depth + 1)
    for form in ("anyOf", "oneOf"):
        if form in schema:
            return union([_convert(member, root, depth + 1) for member in schema[form]]) or ANY
    if len(schema.get("allOf", ())) == 1:
        return _convert(schema["allOf"][0], root, depth + 1)
    if "const" in schema or "enum" in schema:
        values = schema.get("enum", [schema.get("const")])
        return union([_of_value(value) for value in values]) or ANY
    kind = schema.get("type")
    if isinstance(kind, list):
        return union([_convert({**schema, "type": one}, root, depth + 1) for one in kind]) or ANY
    if kind == "array":
        return array_of(_convert(schema["items"], root, depth + 1) if "items" in schema else ANY)
    if kind == "object" or "properties" in schema:
        return _object(schema, root, depth)
    return _SIMPLE.get(str(kind), ANY)


def _object(schema: JsonSchema, root: JsonSchema, depth: int) -> Type:
    properties = schema.get("properties", {})
    fields = tuple(sorted((name, _convert(inner, root, depth + 1)) for name, inner in properties.items()))
    more = schema.get("additionalProperties", not fields)
    if more is False:
        return ObjectType(fields)
    return ObjectType(fields, (STRING, ANY if more is True else _convert(more, root, depth + 1)))


def _referenced(pointer: Any, root: JsonSchema) -> Any:
    found: Any = root
    for part in str(pointer).removeprefix("#").strip("/").split("/"):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found


def _of_value(value: Any) -> Type:
    if value is None:
        return NULL
    if isinstance(value, bool):
        return BOOLEAN
    if isinstance(value, int | float):
        return NUMBER
    return STRING if isinstance(value, str) else ANY


class RequestTypes:
    """The request document's type for every combination of kinds that a file governs."""

    def __init__(self, schemas: Mapping[str, JsonSchema]) -> None:
        self._kinds = {kind: from_schema(schema) for kind, schema in schemas.items()}
        self._merged: dict[tuple[str, ...], Type] = {}

    @property
    def kinds(self) -> frozenset[str]:
        """The kinds that have a schema."""
        return frozenset(self._kinds)

    def of(self, governs: tuple[str, ...]) -> Type:
        """The type of the requests of some kinds together; `any` where nothing is known of them."""
        if governs not in self._merged:
            named = sorted(self._kinds) if "*" in governs else sorted({*governs} & self._kinds.keys())
            self._merged[governs] = _merge([self._kinds[kind] for kind in named]) if named else ANY
        return self._merged[governs]

    def fields(self, governs: tuple[str, ...]) -> frozenset[str]:
        """The fields at the top of those requests."""
        kind = self.of(governs)
        return (
            frozenset(str(name) for name, _ in kind.fields) if isinstance(kind, ObjectType) else frozenset()
        )


def _merge(types: Iterable[Type]) -> Type:
    """The type of a document that is of one of `types`: of objects, every field that any of them has."""
    distinct = list(dict.fromkeys(types))
    if len(distinct) == 1:
        return distinct[0]
    objects = [kind for kind in distinct if isinstance(kind, ObjectType)]
    if len(objects) < len(distinct):
        return union(distinct) or ANY
    fields: dict[Any, list[Type]] = {}
    for kind in objects:
        for name, inner in kind.fields:
            fields.setdefault(name, []).append(inner)
    merged = tuple((name, _merge(inner)) for name, inner in sorted(fields.items()))
    rests = [kind.rest[1] for kind in objects if kind.rest is not None]
    return ObjectType(merged, (STRING, _merge(rests)) if rests else None)


def without_null(kind: Type) -> Type:
    """The type of a value that is known not to be null."""
    if isinstance(kind, UnionType):
        return union([member for member in kind.of if member != NULL]) or ANY
    return kind
