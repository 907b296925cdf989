"""The fields of requests as their JSON Schemas describe them: names, types and what they hold."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from doorward_dsl.schemas import JsonSchema, referenced

__all__ = ["Field", "fields_below", "find_field"]

_DEEPEST: Final = 12
_MOST_VALUES: Final = 12
"""Values of an enumeration that are shown."""


@dataclass(frozen=True, slots=True)
class Field:
    """One field: its type as text, its description, and the values it may have where there are few."""

    name: str
    type: str
    description: str
    values: tuple[str, ...]
    kinds: tuple[str, ...]
    """The kinds of request that have it."""


def fields_below(schemas: Mapping[str, JsonSchema], path: Sequence[str | None]) -> list[Field]:
    """The fields of the object at a path, over all `schemas`; None in a path is any element."""
    found: dict[str, list[tuple[str, Any, JsonSchema]]] = {}
    for kind, schema in schemas.items():
        for place in _places(schema, path):
            for name, inner in _properties(place):
                found.setdefault(name, []).append((kind, inner, schema))
    return [_field(name, places) for name, places in found.items()]


def find_field(schemas: Mapping[str, JsonSchema], path: Sequence[str | None]) -> Field | None:
    """The field at a path; None where no schema has it."""
    if not path:
        return None
    places = [(kind, place, schema) for kind, schema in schemas.items() for place in _places(schema, path)]
    return _field(str(path[-1]), places) if places else None


def _places(schema: JsonSchema, path: Sequence[str | None]) -> list[Any]:
    """What the schema says of a path; several places where it leaves a choice."""
    here = list(_choices(schema, schema))
    for name in path:
        here = [
            choice for place in here for inner in _inner(place, name) for choice in _choices(inner, schema)
        ]
    return here


def _inner(place: Any, name: str | None) -> Iterator[Any]:
    properties = place.get("properties", {})
    if name is None:
        if "items" in place:
            yield place["items"]
        yield from properties.values()
    elif name in properties:
        yield properties[name]
        return
    more = place.get("additionalProperties")
    if isinstance(more, Mapping):
        yield more


def _properties(place: Any) -> Iterator[tuple[str, Any]]:
    yield from place.get("properties", {}).items()


def _choices(
    schema: Any, root: JsonSchema, seen: frozenset[str] = frozenset()
) -> Iterator[Mapping[str, Any]]:
    """The schemas that one stands for: what it refers to, or each of those it leaves the choice of.

    `seen` are the references that led here: one that leads back to itself says nothing more.
    """
    if not isinstance(schema, Mapping) or len(seen) > _DEEPEST:
        return
    described = {key: schema[key] for key in ("description",) if key in schema}
    if "$ref" in schema:
        pointer = str(schema["$ref"])
        if pointer not in seen:
            for found in _choices(referenced(pointer, root), root, seen | {pointer}):
                yield {**found, **described}
        return
    for form in ("anyOf", "oneOf", "allOf"):
        if form in schema:
            for member in schema[form]:
                for found in _choices(member, root, seen):
                    yield {**found, **described}
            return
    yield schema


def _field(name: str, places: Iterable[tuple[str, Any, JsonSchema]]) -> Field:
    types: dict[str, None] = {}
    kinds: dict[str, None] = {}
    values: dict[str, None] = {}
    description = ""
    for kind, inner, root in places:
        kinds[kind] = None
        for choice in _choices(inner, root):
            types[_type(choice, root)] = None
            values.update(dict.fromkeys(str(value) for value in choice.get("enum", ()) if value != ""))
            description = description or str(choice.get("description", ""))
    shown = tuple(values)[:_MOST_VALUES]
    return Field(name, " or ".join(types) or "any", description, shown, tuple(kinds))


def _type(schema: Mapping[str, Any], root: JsonSchema) -> str:
    kind = schema.get("type")
    if isinstance(kind, list):
        return " or ".join(_type({**schema, "type": one}, root) for one in kind)
    if kind == "array":
        inner = dict.fromkeys(_type(one, root) for one in _choices(schema.get("items", {}), root))
        return f"array of {' or '.join(inner) or 'any'}"
    if kind == "object" and "properties" not in schema:
        more = schema.get("additionalProperties", {})
        inner = dict.fromkeys(_type(one, root) for one in _choices(more, root))
        return f"object of {' or '.join(inner) or 'any'}"
    if kind is None and "enum" in schema:
        return "string"
    return {"integer": "number"}.get(str(kind), "any" if kind is None else str(kind))
