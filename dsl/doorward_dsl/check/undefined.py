"""What to say of a reference to something that there cannot be, and of values that can never be equal."""

from __future__ import annotations

from doorward_dsl.check.typeops import unifies, values_of
from doorward_dsl.diagnostics import Diagnostic
from doorward_dsl.source import Span
from doorward_dsl.suggest import nearest
from doorward_dsl.syntax import Ref, Scalar, Var
from doorward_dsl.types import ArrayType, ObjectType, SetType, Type, shown

__all__ = ["missing", "unequal", "written"]


def missing(kind: Type, keys: Type, ref: Ref, position: int) -> Diagnostic:
    """The error for an element of a path that a value of a type, whose `keys` are of another, does not have."""
    part = ref.path[position]
    hint = f"it has keys of type {shown(keys)}"
    if isinstance(kind, ObjectType) and kind.fields and kind.rest is None:
        near = nearest(str(part.value), map(str, dict(kind.fields))) if isinstance(part, Scalar) else None
        listed = ", ".join(f"`{name}`" for name, _ in kind.fields[:12])
        hint = f"did you mean `{near}`?" if near else f"its keys are {listed}"
    message = f"undefined ref: `{written(ref, position + 1)}`"
    return Diagnostic("rego_type_error", message, part.span, hint=hint)


def unequal(left: Type | None, right: Type | None, span: Span) -> Diagnostic:
    """The error for two values of types that have no value in common."""
    message = f"match error: {shown(left)} and {shown(right)} can never be equal"
    hint = None
    for whole, part in ((left, right), (right, left)):
        if isinstance(whole, ArrayType | SetType) and unifies(values_of(whole), part):
            hint = "whether a value is among several is asked by `in`"
    return Diagnostic("rego_type_error", message, span, hint=hint)


def written(ref: Ref, length: int) -> str:
    """A reference up to an element of its path, as a user would write it."""
    text = ref.head.name.partition("#")[0] if isinstance(ref.head, Var) else ref.head.span.text
    for part in ref.path[:length]:
        if isinstance(part, Scalar) and isinstance(part.value, str):
            text += f".{part.value}" if part.value.isidentifier() else f'["{part.value}"]'
        elif isinstance(part, Var):
            text += f"[{part.name.partition('#')[0]}]"
        else:
            text += f"[{part.span.text}]"
    return text
