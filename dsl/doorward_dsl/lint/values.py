"""Fields that are compared with a value that they never have: `time.weekday == "sunday"`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias

from doorward_dsl.check.tree import is_global
from doorward_dsl.diagnostics import Diagnostic
from doorward_dsl.lint.nodes import nodes
from doorward_dsl.program import Program
from doorward_dsl.schemas import JsonSchema
from doorward_dsl.suggest import nearest
from doorward_dsl.syntax import Array, Call, Module, Ref, Scalar, Set, Term, Unify
from doorward_dsl.syntax import Literal as Line

__all__ = ["impossible_values"]

_Values: TypeAlias = frozenset[Any]

_EQUAL: Final = frozenset({("equal",), ("neq",)})
_MEMBER: Final = ("internal", "member_2")
_DEEPEST: Final = 16


def impossible_values(program: Program, schemas: Mapping[str, JsonSchema]) -> Iterator[Diagnostic]:
    """Literals beside a field of a request whose schema lists other values."""
    for module in program.modules:
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


class _Finder:
    """Knows the values of the fields of some kinds of request."""

    def __init__(self, schemas: Sequence[JsonSchema]) -> None:
        self._schemas = schemas
        self._known: dict[tuple[Any, ...], _Values | None] = {}

    def check(self, field: Term, other: Term) -> Iterator[Diagnostic]:
        """What there is to say where `other` is a literal."""
        if not isinstance(other, Scalar) or not isinstance(field, Ref) or not is_global(field, "input"):
            return
        path = tuple(part.value if isinstance(part, Scalar) else None for part in field.path)
        values = self._values(path)
        if values is None or other.value in values:
            return
        texts = sorted(value for value in values if isinstance(value, str) and value)
        near = nearest(str(other.value), texts) or next(
            (text for text in texts if text.casefold() == str(other.value).casefold()), None
        )
        listed = ", ".join(f"`{text}`" for text in texts)
        hint = f"did you mean `{near}`?" if near else f"its values are {listed}"
        written = " ".join(field.span.text.split())
        message = f"`{written}` is never {other.span.text}"
        yield Diagnostic("ward_lint", message, other.span, "error", hint, rule="impossible-value")

    def _values(self, path: tuple[Any, ...]) -> _Values | None:
        """The values that a field can have, where its schema lists them in all kinds."""
        if path not in self._known:
            found = [_listed(schema, path) for schema in self._schemas]
            named = [values for values in found if values is not None]
            self._known[path] = frozenset().union(*named) if found and len(named) == len(found) else None
        return self._known[path]


def _listed(root: JsonSchema, path: Sequence[Any]) -> _Values | None:
    schema: Any = root
    for name in path:
        schema = _followed(schema, root)
        if not isinstance(schema, Mapping):
            return None
        properties = schema.get("properties", {})
        schema = properties.get(name) if isinstance(name, str) and name in properties else schema.get("items")
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
        found: Any = root
        for part in str(schema["$ref"]).removeprefix("#").strip("/").split("/"):
            found = found.get(part) if isinstance(found, Mapping) else None
        schema = found
    return schema
