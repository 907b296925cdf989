"""What a test may give: which part of the request, of `data` or which function a name in `given` means."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, Literal, TypeAlias

from doorward_dsl.check.fields import check_fields, step
from doorward_dsl.check.withs import function_name
from doorward_dsl.diagnostics import Diagnostic
from doorward_dsl.resolve.globals import ModuleNames
from doorward_dsl.schemas import without_null
from doorward_dsl.signatures import signatures
from doorward_dsl.suggest import near_miss
from doorward_dsl.syntax import Array, Object, Ref, Scalar, Term, Var
from doorward_dsl.types import NULL, AnyType, ArrayType, ObjectType, Type, UnionType

__all__ = ["SPECIAL", "Part", "check_field", "check_value", "classify"]

Part: TypeAlias = Literal["field", "replaced", "time", "schema", "catalogue", "request"]
"""What is given: a field of the request; a document or a function; or one of what a test has besides."""

SPECIAL: Final[Mapping[str, Part]] = {
    "time": "time",
    "schema": "schema",
    "catalogue": "catalogue",
    "request": "request",
}


def classify(target: Term, names: ModuleNames, fields: frozenset[str]) -> Part | Diagnostic:
    """What the target of a `given` is, or why it is nothing. `fields` are those of the requests that may be meant."""
    path = function_name(target)
    if path is None:
        return Diagnostic(
            "ward_given_error",
            "what is given is named by a path without variables",
            target.span,
            hint='write `given data.directory["some key"] := …`',
        )
    head = path[0]
    if len(path) == 1 and head in SPECIAL:
        return SPECIAL[head]
    if head == "input":
        return "field"
    if head == "data":
        return "replaced" if len(path) > 1 else _all_of(target)
    if head in names.imports or head in names.rules or ".".join(path) in signatures():
        return "replaced"
    if head == "time":
        hint = 'write `given time := "2026-11-20T10:00:00Z"`'
        return Diagnostic("ward_given_error", "the clock is given as a whole", target.span, hint=hint)
    if head in fields:
        return "field"
    known = {*fields, *SPECIAL, *names.imports, *names.rules, "data"}
    found = near_miss(head, known)
    if found is None and len(path) > 1:
        alike = [name for name in signatures() if name.startswith(f"{head}.")]
        found = near_miss(".".join(path), alike)
    return Diagnostic(
        "ward_given_error",
        f"there is nothing `{'.'.join(path)}` that could be given",
        target.span,
        hint=found or f"a field of the request, such as {_some(fields)}, a part of `data`, or a function",
    )


def _all_of(target: Term) -> Diagnostic:
    hint = "name the part that is to be replaced: `given data.directory := …`"
    return Diagnostic("ward_given_error", "`data` as a whole cannot be given", target.span, hint=hint)


def _some(fields: frozenset[str]) -> str:
    shown = [name for name in ("principal", "resource", "session") if name in fields]
    return f"`{shown[0]}`" if shown else "`principal`"


def check_field(
    path: tuple[Term, ...], value: Term, request: Type, facts: Mapping[str, str]
) -> Iterator[Diagnostic]:
    """What is wrong with a field that is given: the request has no such field, or it cannot have such a value.

    `path` leads to the field from the top of the request. `facts` are the parts that are worked out of the operation,
    each with a kind that has them.
    """
    if isinstance(request, AnyType):
        return
    first = path[0]
    name = first.value if isinstance(first, Scalar) else None
    if isinstance(name, str) and name in facts:
        hint = f"say what is done in `when {facts[name]} `…``"
        yield Diagnostic(
            "ward_given_error",
            f"`{name}` is worked out of the operation and cannot be given",
            first.span,
            hint=hint,
        )
        return
    if name == "resource" and len(path) == 2 and isinstance(path[1], Scalar) and path[1].value == "kind":
        hint = "write `when postgres`, `when http`, …"
        yield Diagnostic(
            "ward_given_error", "the kind of the request is said by `when`", path[1].span, hint=hint
        )
        return
    span = first.span
    found = list(check_fields([Ref(Var("input", span), path, span)], request))
    yield from found
    kind: Type | None = request
    for part in path:
        kind = None if kind is None else step(kind, part)
    if not found and kind is not None:
        yield from check_value(value, kind, ".".join(str(p.value) for p in path if isinstance(p, Scalar)))


def check_value(value: Term, kind: Type, owner: str) -> Iterator[Diagnostic]:
    """Where a literal cannot be of a type: keys that an object does not have, values of another type."""
    kind = without_null(kind) if not _is_null(value) else kind
    if isinstance(kind, AnyType | UnionType) and not _is_null(value):
        return
    if isinstance(value, Object) and isinstance(kind, ObjectType):
        for key, item in value.pairs:
            if not isinstance(key, Scalar) or not isinstance(key.value, str):
                continue
            inner = step(kind, key)
            if inner is None and kind.rest is None:
                known = [str(name) for name, _ in kind.fields]
                hint = near_miss(key.value, known) or f"its fields are {', '.join(f'`{n}`' for n in known)}"
                message = f"`{owner}` has no field `{key.value}`"
                yield Diagnostic("ward_unknown_field", message, key.span, hint=hint)
            elif inner is not None:
                yield from check_value(item, inner, f"{owner}.{key.value}")
    elif isinstance(value, Array) and isinstance(kind, ArrayType):
        for item in value.items:
            inner = step(kind, Scalar(0, item.span))
            if inner is not None:
                yield from check_value(item, inner, f"{owner}[]")
    elif isinstance(value, Scalar | Array | Object) and not _may_be(value, kind):
        yield Diagnostic("ward_type_error", f"`{owner}` is {_a(kind)}", value.span)


def _is_null(value: Term) -> bool:
    return isinstance(value, Scalar) and value.value is None


def _may_be(value: Scalar | Array | Object, kind: Type) -> bool:
    if isinstance(value, Array):
        return isinstance(kind, ArrayType | AnyType)
    if isinstance(value, Object):
        return isinstance(kind, ObjectType | AnyType)
    if value.value is None:
        return isinstance(kind, AnyType) or kind == NULL or isinstance(kind, UnionType)
    wanted = {bool: "boolean", str: "string"}.get(type(value.value), "number")
    return isinstance(kind, AnyType) or str(kind) == wanted


def _a(kind: Type) -> str:
    text = "array" if isinstance(kind, ArrayType) else "object" if isinstance(kind, ObjectType) else str(kind)
    return f"an {text}" if text[0] in "aeiou" else f"a {text}"
