"""The types of documents, of requests and of data, from their JSON Schemas.

A schema is read as pydantic writes it: `$ref` into `$defs`, `anyOf` with null, `additionalProperties` for maps. An object
without `additionalProperties` is closed: a field it does not name does not exist.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
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

__all__ = [
    "JsonSchema",
    "Place",
    "RequestTypes",
    "Schemas",
    "data_type",
    "from_schema",
    "referenced",
    "without_null",
]

JsonSchema: TypeAlias = Mapping[str, Any]
"""A JSON Schema document."""

Place: TypeAlias = tuple[str, ...]
"""Where a document lies below `data`: the names of the path to it."""

_SIMPLE: Final[Mapping[str, Type]] = {
    "null": NULL,
    "boolean": BOOLEAN,
    "integer": NUMBER,
    "number": NUMBER,
    "string": STRING,
}

_DEEPEST: Final = 12
"""Below this many levels, as in a schema that contains itself, everything is `any`."""


class Schemas(Mapping[str, JsonSchema]):
    """The schemas of request documents by kind, and beside them those of base documents by their place.

    What takes the schemas of requests alone takes these.
    """

    __slots__ = ("_requests", "data")

    def __init__(
        self, requests: Mapping[str, JsonSchema], data: Mapping[Place, JsonSchema] | None = None
    ) -> None:
        self._requests = dict(requests)
        self.data = dict(data or {})

    @classmethod
    def of(cls, schemas: Mapping[str, JsonSchema] | None) -> Schemas:
        """The same schemas; where they are of requests alone, with none of data."""
        return schemas if isinstance(schemas, Schemas) else cls(schemas or {})

    def __getitem__(self, kind: str) -> JsonSchema:
        return self._requests[kind]

    def __iter__(self) -> Iterator[str]:
        return iter(self._requests)

    def __len__(self) -> int:
        return len(self._requests)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Mapping):
            return NotImplemented
        return super().__eq__(other) and self.data == Schemas.of(other).data

    __hash__ = None  # type: ignore[assignment]


def data_type(schemas: Mapping[Place, JsonSchema]) -> Type:
    """The type of `data`: what schemas say of some places of it; what they do not speak of is `any`.

    Objects of which no schema speaks as a whole have other keys of type `any`, not texts. Where schemas of two places,
    one inside the other, speak of the same document, the inner one counts.
    """
    whole: Type = ANY
    for place in sorted(schemas, key=len):
        whole = _placed(whole, place, from_schema(schemas[place], total=False))
    return whole


def _placed(around: Type, place: Place, kind: Type) -> Type:
    """A type with another one at a place of it, which is certain to be there."""
    if not place:
        return kind
    if not isinstance(around, ObjectType):
        around = ObjectType((), (ANY, ANY))
    inner = _placed(around.get(place[0]) or ANY, place[1:], kind)
    fields = {**dict(around.fields), place[0]: inner}
    return ObjectType(tuple(sorted(fields.items())), around.rest, around.optional - {place[0]})


def from_schema(schema: JsonSchema, *, total: bool = True) -> Type:
    """The type of the values that a schema describes; what it leaves open is `any`.

    Of `total` values every property that is named is there, required or not.
    """
    return _Reading(schema, total=total).type(schema, 0)


class _Reading:
    """One schema, being read."""

    def __init__(self, root: JsonSchema, *, total: bool) -> None:
        self._root = root
        self._total = total

    def type(self, schema: Any, depth: int) -> Type:
        """The type that a part of the schema describes."""
        if not isinstance(schema, Mapping) or depth > _DEEPEST:
            return ANY
        if "$ref" in schema:
            return self.type(referenced(schema["$ref"], self._root), depth + 1)
        for form in ("anyOf", "oneOf"):
            if form in schema:
                return union([self.type(member, depth + 1) for member in schema[form]]) or ANY
        if len(schema.get("allOf", ())) == 1:
            return self.type(schema["allOf"][0], depth + 1)
        if "const" in schema or "enum" in schema:
            values = schema.get("enum", [schema.get("const")])
            return union([_of_value(value) for value in values]) or ANY
        kind = schema.get("type")
        if isinstance(kind, list):
            return union([self.type({**schema, "type": one}, depth + 1) for one in kind]) or ANY
        if kind == "array":
            return array_of(self.type(schema["items"], depth + 1) if "items" in schema else ANY)
        if kind == "object" or (kind is None and "properties" in schema):
            return self._object(schema, depth)
        return _SIMPLE.get(str(kind), ANY)

    def _object(self, schema: JsonSchema, depth: int) -> Type:
        fields = {name: self.type(inner, depth + 1) for name, inner in schema.get("properties", {}).items()}
        more = schema.get("additionalProperties", not fields)
        others = [self.type(inner, depth + 1) for inner in schema.get("patternProperties", {}).values()]
        if more is not False:
            others.append(ANY if more is True else self.type(more, depth + 1))
        rest = union(others)
        optional: frozenset[str] = frozenset()
        if not self._total:
            required = set(schema.get("required", ()))
            optional = frozenset(fields.keys() - required)
            if rest is not None:
                fields |= dict.fromkeys(required - fields.keys(), rest)
        return ObjectType(tuple(sorted(fields.items())), None if rest is None else (STRING, rest), optional)


def referenced(pointer: Any, root: JsonSchema) -> Any:
    """What `$ref` in a schema points to, within the schema; None where that is nothing, or elsewhere."""
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
