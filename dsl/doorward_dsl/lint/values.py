"""Fields, of requests and of described data, that are compared with a value that they never have: `time.weekday == "sunday"`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias

from doorward_dsl.check.described import reached
from doorward_dsl.check.tree import RuleTree, is_global
from doorward_dsl.diagnostics import Diagnostic
from doorward_dsl.lint.nodes import nodes
from doorward_dsl.program import Program
from doorward_dsl.schemas import JsonSchema, Place, Schemas, data_type, referenced
from doorward_dsl.suggest import nearest
from doorward_dsl.syntax import Array, Call, Module, Ref, Scalar, Set, Term, Unify
from doorward_dsl.syntax import Literal as Line
from doorward_dsl.types import AnyType

__all__ = ["impossible_values"]

_Values: TypeAlias = frozenset[Any]

_EQUAL: Final = frozenset({("equal",), ("neq",)})
_MEMBER: Final = ("internal", "member_2")
_DEEPEST: Final = 16


def impossible_values(program: Program, schemas: Mapping[str, JsonSchema]) -> Iterator[Diagnostic]:
    """Literals beside a field, of a request or of described data, whose schema lists other values."""
    described = _Described(program.tree, Schemas.of(schemas).data)
    for module in program.modules:
        if not _replaces_data(module):
            for left, right in _compared(module):
                yield from described.check(left, right)
                yield from described.check(right, left)
        kinds = (
            sorted(schemas) if "*" in module.governs else [kind for kind in module.governs if kind in schemas]
        )
        if kinds:
            finder = _Finder([schemas[kind] for kind in kinds])
            for left, right in _compared(module):
                yield from finder.check(left, right)
                yield from finder.check(right, left)


def _compared(module: Module) -> Iterator[tuple[Term, Term]]:
    """What is compared for equality: a thing, and a thing or the members of a collection."""
    for _, node in nodes(module):
        if isinstance(node, Line):
            if isinstance(node.expr, Unify):
                yield node.expr.left, node.expr.right
        elif isinstance(node, Call) and len(node.args) == 2:
            if node.name in _EQUAL:
                yield node.args[0], node.args[1]
            elif node.name == _MEMBER and isinstance(node.args[1], Array | Set):
                yield from ((node.args[0], item) for item in node.args[1].items)


def _replaces_data(module: Module) -> bool:
    """Whether `with` puts something in the place of data, which need not be as a schema says."""
    return any(
        is_global(modifier.target)
        for _, node in nodes(module)
        if isinstance(node, Line)
        for modifier in node.withs
    )


class _Described:
    """Knows the values of the fields of base documents."""

    def __init__(self, tree: RuleTree, schemas: Mapping[Place, JsonSchema]) -> None:
        self._tree = tree
        self._schemas = schemas
        self._data = data_type(schemas)

    def check(self, field: Term, other: Term) -> Iterator[Diagnostic]:
        """What there is to say where `other` is a literal."""
        if self._schemas and isinstance(other, Scalar) and isinstance(field, Ref) and is_global(field):
            kind, _ = reached(self._tree, self._data, field.path)
            values = None if isinstance(kind, AnyType) else self._values(_path(field))
            if values is not None and other.value not in values:
                yield _never(field, other, values)

    def _values(self, path: tuple[Any, ...]) -> _Values | None:
        """The values that the schema of the innermost place lists."""
        places = [place for place in self._schemas if path[: len(place)] == place]
        if not places:
            return None
        place = max(places, key=len)
        return _listed(self._schemas[place], path[len(place) :])


class _Finder:
    """Knows the values of the fields of some kinds of request."""

    def __init__(self, schemas: Sequence[JsonSchema]) -> None:
        self._schemas = schemas
        self._known: dict[tuple[Any, ...], _Values | None] = {}

    def check(self, field: Term, other: Term) -> Iterator[Diagnostic]:
        """What there is to say where `other` is a literal."""
        if not isinstance(other, Scalar) or not isinstance(field, Ref) or not is_global(field, "input"):
            return
        values = self._values(_path(field))
        if values is not None and other.value not in values:
            yield _never(field, other, values)

    def _values(self, path: tuple[Any, ...]) -> _Values | None:
        """The values that a field can have, where its schema lists them in all kinds."""
        if path not in self._known:
            found = [_listed(schema, path) for schema in self._schemas]
            named = [values for values in found if values is not None]
            self._known[path] = frozenset().union(*named) if found and len(named) == len(found) else None
        return self._known[path]


def _path(field: Ref) -> tuple[Any, ...]:
    """The names that a reference looks up; None for what is no literal."""
    return tuple(part.value if isinstance(part, Scalar) else None for part in field.path)


def _never(field: Ref, other: Scalar, values: _Values) -> Diagnostic:
    texts = sorted(value for value in values if isinstance(value, str) and value)
    near = nearest(str(other.value), texts) or next(
        (text for text in texts if text.casefold() == str(other.value).casefold()), None
    )
    listed = ", ".join(f"`{text}`" for text in texts)
    hint = f"did you mean `{near}`?" if near else f"its values are {listed}"
    written = " ".join(field.span.text.split())
    message = f"`{written}` is never {other.span.text}"
    return Diagnostic("ward_lint", message, other.span, "error", hint, rule="impossible-value")


def _listed(root: JsonSchema, path: Sequence[Any]) -> _Values | None:
    schema: Any = root
    for name in path:
        schema = _followed(schema, root)
        if not isinstance(schema, Mapping):
            return None
        properties = schema.get("properties", {})
        if isinstance(name, str) and name in properties:
            schema = properties[name]
        elif properties or "patternProperties" in schema:
            return None
        else:
            schema = schema.get("items", schema.get("additionalProperties"))
    schema = _followed(schema, root)
    if not isinstance(schema, Mapping):
        return None
    if "const" in schema:
        return frozenset([schema["const"]])
    values = schema.get("enum")
    return frozenset(values) if values and all(isinstance(one, str | int | None) for one in values) else None


def _followed(schema: Any, root: JsonSchema) -> Any:
    for _ in range(_DEEPEST):
        if not isinstance(schema, Mapping) or "$ref" not in schema:
            break
        schema = referenced(schema["$ref"], root)
    return schema
