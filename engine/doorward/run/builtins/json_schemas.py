"""JSON Schema: whether a schema is one, and whether a document is valid under it.

Patterns are matched by RE2, references to elsewhere are never fetched, and every keyword that is applied to a part of
the document takes its steps from the budget: a schema that refers to itself may have exponentially much to apply.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal
from functools import wraps
from itertools import islice
from typing import Any, Final

from jsonschema import Draft4Validator, Draft6Validator, Draft7Validator, FormatChecker, ValidationError
from jsonschema.validators import extend
from referencing import Registry
from referencing.exceptions import Unresolvable

from doorward.run.errors import BuiltinError
from doorward.run.values import Value, key

from .builtin import Meter, contextual
from .json_text import json_text, parse_json, plain
from .operands import ARRAYS
from .regexes import compiled

__all__ = ["BUILTINS", "SchemaError", "Validator"]

_TYPES: Final = ("array", "boolean", "integer", "number", "null", "object", "string")
_MAX_ERRORS: Final = 1_000
_MAX_STEPS: Final = 1_000_000
"""What applying a schema may take where no evaluation's budget says so."""
_STEPS: Final = 8
"""What it takes to apply a keyword to a value, and again for each part of either."""
_PATTERN_STEPS: Final = 500
"""What it takes to compile a pattern."""

_Keyword = Callable[[Any, Any, Any, Any], Iterable[ValidationError] | None]


class _Meter(FormatChecker):
    """What applying a schema takes from the budget.

    It stands in the place of the checker of formats, of which none are checked: of the things that a validator hands
    down to those of its parts, that is the one that is ours to choose.
    """

    def __init__(self, charge: Callable[[int], None]) -> None:
        super().__init__(())
        self.charge = charge


def _metered(keyword: _Keyword) -> _Keyword:
    @wraps(keyword)
    def apply(validator: Any, value: Any, instance: Any, schema: Any) -> Iterable[ValidationError]:
        parts = 1
        if type(value) is list or type(value) is dict:
            parts += len(value)
        if type(instance) is list or type(instance) is dict:
            parts += len(instance)
        validator.format_checker.charge(_STEPS * parts)
        return keyword(validator, value, instance, schema) or ()

    return apply


def _pattern(_validator: Any, pattern: str, instance: Any, _schema: Any) -> Iterator[ValidationError]:
    if type(instance) is str and compiled(pattern).search(instance) is None:
        yield ValidationError(f"Does not match pattern '{pattern}'")


def _pattern_properties(
    validator: Any, patterns: dict[str, Any], instance: Any, _schema: Any
) -> Iterator[ValidationError]:
    if type(instance) is not dict:
        return
    for pattern, schema in patterns.items():
        validator.format_checker.charge(4 * len(instance))
        expression = compiled(pattern)
        for name, value in instance.items():
            if expression.search(name) is not None:
                yield from validator.descend(value, schema, path=name, schema_path=pattern)


def _additional(validator: Any, allowed: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
    if type(instance) is not dict:
        return
    patterns = [compiled(pattern) for pattern in schema.get("patternProperties", {})]
    validator.format_checker.charge(4 * len(patterns) * len(instance))
    for name in sorted(instance):
        if name in schema.get("properties", {}) or any(one.search(name) for one in patterns):
            continue
        if allowed is False:
            yield ValidationError(f"Additional property {name} is not allowed")
        elif type(allowed) is dict:
            yield from validator.descend(instance[name], allowed, path=name)


def _unique(_validator: Any, wanted: Any, instance: Any, _schema: Any) -> Iterator[ValidationError]:
    if wanted and type(instance) is list and len(set(map(key, instance))) < len(instance):
        yield ValidationError("has items that are equal")


def _no_format(_validator: Any, _format: Any, _instance: Any, _schema: Any) -> tuple[()]:
    return ()


_OWN: Final[dict[str, _Keyword]] = {
    "pattern": _pattern,
    "patternProperties": _pattern_properties,
    "additionalProperties": _additional,
    "uniqueItems": _unique,
    "format": _no_format,
}


def _extended(kind: Any) -> Any:
    keywords = {name: _metered(keyword) for name, keyword in {**kind.VALIDATORS, **_OWN}.items()}
    return extend(kind, keywords)  # type: ignore[no-untyped-call]


_DRAFTS: Final = {
    "http://json-schema.org/draft-04/schema": _extended(Draft4Validator),
    "http://json-schema.org/draft-06/schema": _extended(Draft6Validator),
}
_USUAL: Final = _extended(Draft7Validator)


def _loaded(value: Value) -> Any:
    """The document or schema, given as JSON text or as a value; raises ValueError."""
    if type(value) is str:
        try:
            return _floats(parse_json(value))
        except ValueError:
            raise ValueError("invalid JSON string") from None
    if type(value) is dict or type(value) in ARRAYS:
        return _floats(plain(value))
    raise ValueError("wrong type, expected string or object")


def _floats(value: Any) -> Any:
    if type(value) is dict:
        return {name: _floats(item) for name, item in value.items()}
    if type(value) is list:
        return [_floats(item) for item in value]
    return float(value) if type(value) is Decimal else value


def _validator(schema: Any, meter: _Meter) -> Any:
    """The validator of a schema; raises ValueError where the schema is not one."""
    if type(schema) is not dict and type(schema) is not bool:
        raise ValueError("schema is invalid")
    named = str(schema.get("$schema", "")).rstrip("#") if type(schema) is dict else ""
    kind = _DRAFTS.get(named, _USUAL)
    _check_types(schema, meter)
    # without `$schema`, which would take the schema of schemas out of our hands wherever it refers to itself
    schemas = {name: value for name, value in kind.META_SCHEMA.items() if name != "$schema"}
    for error in kind(schemas, format_checker=meter).iter_errors(schema):
        place = ".".join(map(str, error.absolute_path)) or "(root)"
        raise ValueError(f"{place}: {error.message}")
    return kind(schema, registry=Registry(), format_checker=meter)


def _check_types(schema: Any, meter: _Meter) -> None:
    """Names of types first, since they are what is mistyped, and go-jsonschema names the ones it knows.

    A schema within the schema loses its `$schema`, which would take it out of our hands.
    """
    waiting = [schema]
    while waiting:
        here = waiting.pop()
        if type(here) is dict:
            if type(here.get("$schema")) is str:
                del here["$schema"]
            kinds = here.get("type")
            for kind in kinds if type(kinds) is list else [kinds]:
                if type(kind) is str and kind not in _TYPES:
                    known = " ".join(_TYPES)
                    raise ValueError(
                        f"has a primitive type that is NOT VALID -- given: /{kind}/ Expected valid values are:[{known}]"
                    )
            pattern = here.get("pattern")
            if type(pattern) is str:
                meter.charge(_PATTERN_STEPS)
                compiled(pattern)
            waiting.extend(
                here[name] for name in sorted(here, reverse=True) if name not in ("enum", "const", "default")
            )
        elif type(here) is list:
            waiting.extend(reversed(here))


class SchemaError(ValueError):
    """What is given as a schema is not one."""


class Validator:
    """A schema made ready to be applied to documents, plain JSON values. Threads may share it."""

    __slots__ = ("_validator",)

    def __init__(self, schema: dict[str, Any]) -> None:
        """Raises SchemaError."""
        try:
            self._validator = _validator(copy.deepcopy(schema), _Meter(_Allowance(_MAX_STEPS)))
        except (ValueError, RecursionError, BuiltinError) as error:
            raise SchemaError(str(error)) from None

    def objection(self, document: Any, steps: int = _MAX_STEPS) -> str | None:
        """What is wrong with a document, with its place; None where nothing is. Bounded by `steps` in what it takes."""
        validator = self._validator.evolve(format_checker=_Meter(_Allowance(steps)))
        try:
            error = next(validator.iter_errors(_floats(document)), None)
        except (ValueError, RecursionError, Unresolvable, BuiltinError) as wrong:
            return f"the schema cannot be applied to it: {wrong}"
        return None if error is None else str(_shown(error)["error"])


class _Allowance:
    """Takes steps from an allowance of its own, where no budget of an evaluation stands behind."""

    __slots__ = ("_left",)

    def __init__(self, steps: int) -> None:
        self._left = steps

    def __call__(self, steps: int) -> None:
        self._left -= steps
        if self._left < 0:
            raise ValueError("it takes too many steps")


def verify_schema(meter: Meter, schema: Value) -> Value:
    try:
        _validator(_loaded(schema), _Meter(meter.charge))
    except (ValueError, RecursionError) as error:
        return [False, f"jsonschema: {error}"]
    return [True, None]


def match_schema(meter: Meter, document: Value, schema: Value) -> Value:
    name = "json.match_schema"
    try:
        instance = _loaded(document)
        validator = _validator(_loaded(schema), _Meter(meter.charge))
        errors = list(islice(validator.iter_errors(instance), _MAX_ERRORS))
        found = [shown for error in errors for shown in _explained(error)]
        if any(error.relative_schema_path[0] == "allOf" for error in errors):
            description = _DESCRIPTIONS["allOf"]
            found.append(_entry("(Root)", "number_all_of", description))
    except (ValueError, RecursionError, Unresolvable) as error:
        raise BuiltinError(f"{name}: {error}") from None
    return [not found, found]


def _given(value: Any) -> str:
    if value is None:
        return "null"
    kinds = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array", dict: "object"}
    kind = kinds[type(value)]
    return "integer" if kind == "number" and value.is_integer() else kind


_KINDS: Final = {
    "required": "required",
    "additionalProperties": "additional_property_not_allowed",
    "pattern": "pattern",
    "minimum": "number_gte",
    "maximum": "number_lte",
    "exclusiveMinimum": "number_gt",
    "exclusiveMaximum": "number_lt",
    "minLength": "string_gte",
    "maxLength": "string_lte",
    "minItems": "array_min_items",
    "maxItems": "array_max_items",
    "uniqueItems": "unique",
    "minProperties": "array_min_properties",
    "maxProperties": "array_max_properties",
    "multipleOf": "multiple_of",
    "type": "invalid_type",
    "anyOf": "number_any_of",
    "oneOf": "number_one_of",
    "allOf": "number_all_of",
    "not": "number_not",
    "format": "format",
    "contains": "contains",
    "propertyNames": "invalid_property_name",
    "dependencies": "missing_dependency",
}
_DESCRIPTIONS: Final = {
    "minimum": "Must be greater than or equal to {}",
    "maximum": "Must be less than or equal to {}",
    "exclusiveMinimum": "Must be greater than {}",
    "exclusiveMaximum": "Must be less than {}",
    "minLength": "String length must be greater than or equal to {}",
    "maxLength": "String length must be less than or equal to {}",
    "minItems": "Array must have at least {} items",
    "maxItems": "Array must have at most {} items",
    "minProperties": "Must have at least {} properties",
    "maxProperties": "Must have at most {} properties",
    "multipleOf": "Must be a multiple of {}",
    "format": "Does not match format '{}'",
    "anyOf": "Must validate at least one schema (anyOf)",
    "oneOf": "Must validate one and only one schema (oneOf)",
    "allOf": "Must validate all the schemas (allOf)",
    "not": "Must not validate the schema (not)",
    "contains": "At least one of the items must match",
}


def _entry(field: str, kind: str, description: str) -> dict[str, Value]:
    return {"error": f"{field}: {description}", "type": kind, "field": field, "desc": description}


def _explained(error: ValidationError) -> list[dict[str, Value]]:
    """The error, and for one of alternatives also what the first of them lacks."""
    shown = [_shown(error)]
    for part in error.context or ():
        if part.relative_schema_path[0] == 0:
            shown.extend(_explained(part))
    return shown


def _shown(error: ValidationError) -> dict[str, Value]:
    field = ".".join(map(str, error.absolute_path)) or "(Root)"
    keyword, wanted = str(error.validator), error.validator_value
    if keyword == "type":
        expected = f"[{','.join(wanted)}]" if type(wanted) is list else wanted
        description = f"Invalid type. Expected: {expected}, given: {_given(error.instance)}"
    elif keyword == "required":
        description = f"{error.message.split(' is a required')[0].strip(chr(39))} is required"
    elif keyword == "enum":
        allowed = ", ".join(map(json_text, list(error.validator_value)))  # type: ignore[arg-type]
        description = f"{field} must be one of the following: {allowed}"
    elif keyword == "const":
        description = f"{field} does not match: {json_text(wanted)}"
    elif keyword == "uniqueItems":
        description = f"array items[{_repeated(error.instance)}] must be unique"
    elif keyword == "dependencies":
        description = f"Has a dependency on {error.message[1:].partition(chr(39))[0]}"
    elif keyword in _DESCRIPTIONS:
        description = _DESCRIPTIONS[keyword].format(wanted)
    else:
        description = error.message
    return _entry(field, _KINDS.get(keyword, keyword), description)


def _repeated(instance: Any) -> str:
    """The places of the first two equal items."""
    seen: dict[str, int] = {}
    for place, item in enumerate(instance):
        before = seen.setdefault(json_text(item), place)
        if before != place:
            return f"{before},{place}"
    return ""


BUILTINS: Final = contextual({"json.match_schema": match_schema, "json.verify_schema": verify_schema})
