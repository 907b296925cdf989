"""Fields of a typed request: that each one named exists."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from doorward_dsl.check.tree import is_global
from doorward_dsl.diagnostics import Diagnostic
from doorward_dsl.schemas import without_null
from doorward_dsl.suggest import nearest
from doorward_dsl.syntax import Ref, Scalar, Term
from doorward_dsl.types import ArrayType, ObjectType, Simple, Type, UnionType, union

__all__ = ["check_fields", "step", "unknown_field"]


def check_fields(terms: Iterable[Term], request: Type) -> Iterator[Diagnostic]:
    """References into `input` that no request of type `request` can satisfy."""
    for term in terms:
        if isinstance(term, Ref) and is_global(term, "input"):
            found = _check_path(term, request)
            if found is not None:
                yield found


def _check_path(ref: Ref, request: Type) -> Diagnostic | None:
    kind: Type | None = request
    walked: list[str] = []
    for part in ref.path:
        if kind is None:
            return None
        key = part.value if isinstance(part, Scalar) else None
        if isinstance(key, str) and not _allows(kind, key):
            return unknown_field(kind, key, ".".join(walked), part)
        kind = step(kind, part)
        walked.append(key if isinstance(key, str) else "…")
    return None


def _allows(kind: Type, key: str) -> bool:
    kind = without_null(kind)
    if isinstance(kind, UnionType):
        return any(_allows(member, key) for member in kind.of)
    if isinstance(kind, ObjectType):
        return kind.rest is not None or kind.get(key) is not None
    return not isinstance(kind, Simple | ArrayType)


def step(kind: Type, part: Term) -> Type | None:
    """The type one path element on; None where nothing is known."""
    kind = without_null(kind)
    if isinstance(kind, UnionType):
        inner = [step(member, part) for member in kind.of]
        return None if None in inner else union(inner)
    if isinstance(kind, ObjectType):
        found = kind.get(part.value) if isinstance(part, Scalar) else None
        if found is not None:
            return found
        if isinstance(part, Scalar):
            return None if kind.rest is None else kind.rest[1]
        return union([*(inner for _, inner in kind.fields), None if kind.rest is None else kind.rest[1]])
    return kind.rest if isinstance(kind, ArrayType) and not kind.items else None


def unknown_field(kind: Type, key: str, written: str, part: Term) -> Diagnostic:
    """That a value of type `kind`, written so (not at all: the request), has no field `key`, asked for by `part`."""
    owner = f"`{written}`" if written else "the request"
    known = _names(without_null(kind))
    if not known:
        message = f"{owner} is {_described(kind)} and has no field `{key}`"
        hint = f"write `count({written})`" if key in ("length", "size", "len", "count") else None
        return Diagnostic("ward_unknown_field", message, part.span, hint=hint)
    near = nearest(key, known)
    listed = ", ".join(f"`{name}`" for name in known)
    hint = f"did you mean `{near}`?" if near else f"its fields are {listed}"
    return Diagnostic("ward_unknown_field", f"{owner} has no field `{key}`", part.span, hint=hint)


def _described(kind: Type) -> str:
    text = "an array" if isinstance(kind, ArrayType) else str(kind)
    return text if text.startswith("an ") else f"a {text}"


def _names(kind: Type) -> list[str]:
    if isinstance(kind, ObjectType):
        return [str(name) for name, _ in kind.fields]
    if isinstance(kind, UnionType):
        return sorted({name for member in kind.of for name in _names(member)})
    return []
