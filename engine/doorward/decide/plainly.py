"""Whether a value is plainly as a JSON Schema says: most are, and to find that out costs a tenth of what a validator does.

Only what schemas say most often is understood here. A value that is not plainly valid may be valid all the same: a
validator knows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

__all__ = ["Check", "plain_check"]

Check: TypeAlias = Callable[[Any], bool]

_DEEPEST: Final = 32
_TYPES: Final[Mapping[str, frozenset[type]]] = {
    "array": frozenset({list}),
    "boolean": frozenset({bool}),
    "integer": frozenset({int}),
    "null": frozenset({type(None)}),
    "number": frozenset({int, float}),
    "object": frozenset({dict}),
    "string": frozenset({str}),
}
_SAY_NOTHING: Final = frozenset({"$comment", "$schema", "default", "description", "examples", "title"})
_OF_OBJECTS: Final = frozenset({"properties", "required", "additionalProperties"})


def plain_check(schema: Any, depth: int = 0) -> Check:
    """Tells of a JSON value whether it is surely valid under a schema. Never raises."""
    if schema is True:
        return _anything
    if not isinstance(schema, dict) or depth > _DEEPEST:
        return _never
    said = schema.keys() - _SAY_NOTHING
    match schema:
        case {"anyOf": [inner, {"type": "null", **rest}]} if said == {"anyOf"} and not rest:
            return _or_null(plain_check(inner, depth + 1))
        case {"type": str(name)} if name in _TYPES:
            said -= {"type"}
        case _:
            return _never if said else _anything
    if not said:
        return _of(_TYPES[name])
    if name == "string" and said == {"enum"}:
        return _among(schema["enum"])
    if name == "array" and said == {"items"}:
        return _list(plain_check(schema["items"], depth + 1))
    if name == "object" and said <= _OF_OBJECTS:
        return _object(schema, depth)
    return _never


def _anything(_value: Any) -> bool:
    return True


def _never(_value: Any) -> bool:
    return False


def _of(types: frozenset[type]) -> Check:
    return lambda value: type(value) in types


def _among(values: Any) -> Check:
    texts = frozenset(value for value in (values if isinstance(values, list) else ()) if type(value) is str)
    return lambda value: type(value) is str and value in texts


def _or_null(check: Check) -> Check:
    return lambda value: value is None or check(value)


def _list(check: Check) -> Check:
    return lambda value: type(value) is list and all(map(check, value))


def _object(schema: Mapping[str, Any], depth: int) -> Check:
    properties, more = schema.get("properties", {}), schema.get("additionalProperties", True)
    if not isinstance(properties, dict) or not isinstance(schema.get("required", []), list):
        return _never
    required = frozenset(map(str, schema.get("required", [])))
    checks = {name: plain_check(inner, depth + 1) for name, inner in properties.items()}
    others = plain_check(more, depth + 1)

    def check(value: Any) -> bool:
        if type(value) is not dict or not required <= value.keys():
            return False
        for name, item in value.items():  # noqa: SIM110 - the faster way
            if not checks.get(name, others)(item):
                return False
        return True

    return check
