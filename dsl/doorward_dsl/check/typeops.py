"""What can be said of two types, and of the parts of one. None stands for a type that is not known (yet)."""

from __future__ import annotations

from decimal import Decimal
from typing import Final, TypeAlias

from doorward_dsl.types import (
    ANY,
    BOOLEAN,
    NULL,
    NUMBER,
    STRING,
    AnyType,
    ArrayType,
    FunctionType,
    ObjectType,
    SetType,
    Type,
    UnionType,
    union,
)

__all__ = ["Constant", "field_key", "keys_of", "merged", "scalar_type", "select", "unifies", "values_of"]

Constant: TypeAlias = bool | str | int | Decimal | None
"""The value of a literal."""

_MOST_PARTS: Final = 4096
"""Parts of two types that are compared before they are taken to go together."""


def scalar_type(value: Constant) -> Type:
    """The type of a literal."""
    if value is None:
        return NULL
    if isinstance(value, bool):
        return BOOLEAN
    return STRING if isinstance(value, str) else NUMBER


def field_key(key: Constant) -> str | tuple[str, Constant]:
    """A constant as the name of a field: `1` and `true` differ, though Python takes them for equal."""
    return key if isinstance(key, str) else (str(scalar_type(key)), key)


def keys_of(kind: Type) -> Type | None:
    """The type of what can stand in brackets after a value; None for what has no members."""
    if isinstance(kind, AnyType):
        return ANY
    if isinstance(kind, UnionType):
        return union([keys_of(member) for member in kind.of])
    if isinstance(kind, ArrayType):
        return NUMBER if kind.items or kind.rest is not None else None
    if isinstance(kind, SetType):
        return kind.of
    if isinstance(kind, ObjectType):
        names = [scalar_type(name if isinstance(name, str) else name[1]) for name, _ in kind.fields]
        return union([*names, None if kind.rest is None else kind.rest[0]])
    return None


def values_of(kind: Type) -> Type | None:
    """The type of the members of a value; None for what has none."""
    if isinstance(kind, AnyType):
        return ANY
    if isinstance(kind, UnionType):
        return union([values_of(member) for member in kind.of])
    if isinstance(kind, ArrayType):
        return union([*kind.items, kind.rest])
    if isinstance(kind, SetType):
        return kind.of
    if isinstance(kind, ObjectType):
        return union([*(inner for _, inner in kind.fields), None if kind.rest is None else kind.rest[1]])
    return None


def select(kind: Type, key: Constant) -> Type | None:
    """The type of the member at a constant key; None where there can be none."""
    if isinstance(kind, AnyType):
        return ANY
    if isinstance(kind, UnionType):
        return union([select(member, key) for member in kind.of])
    if isinstance(kind, ArrayType):
        if isinstance(key, bool) or not isinstance(key, int) or key < 0:
            return None
        return kind.items[key] if key < len(kind.items) else kind.rest
    if isinstance(kind, SetType):
        return scalar_type(key) if unifies(kind.of, scalar_type(key)) else None
    if isinstance(kind, ObjectType):
        found = kind.get(field_key(key))
        if found is None and kind.rest is not None and unifies(kind.rest[0], scalar_type(key)):
            return kind.rest[1]
        return found
    return None


def merged(one: Type, other: Type) -> Type:
    """The type of a document of which some rules give values of one type, and others of another.

    Sets and objects grow together: what holds is a set of either, not one of two sets.
    """
    if isinstance(one, FunctionType) and isinstance(other, FunctionType):
        if len(one.args) != len(other.args):
            return one
        args = tuple(union(pair) or ANY for pair in zip(one.args, other.args, strict=True))
        return FunctionType(args, union([one.result, other.result]))
    if isinstance(one, SetType) and isinstance(other, SetType):
        return SetType(union([one.of, other.of]))
    if isinstance(one, ObjectType) and isinstance(other, ObjectType) and not one.fields and not other.fields:
        if one.rest is None or other.rest is None:
            return one if other.rest is None else other
        keys = union([one.rest[0], other.rest[0]]) or ANY
        return ObjectType((), (keys, merged(one.rest[1], other.rest[1])))
    return union([one, other]) or ANY


def unifies(one: Type | None, other: Type | None) -> bool:
    """Whether a value can be of both types; taken for granted where finding out would take too long."""
    if one is None or other is None:
        return False
    return one is other or _Unifier().unifies(one, other)


class _Unifier:
    """Compares two types part by part, up to a number of parts: unions of unions multiply."""

    __slots__ = ("_left",)

    def __init__(self) -> None:
        self._left = _MOST_PARTS

    def unifies(self, one: Type | None, other: Type | None) -> bool:
        if one is None or other is None:
            return False
        self._left -= 1
        if one is other or self._left < 0:
            return True
        if isinstance(one, AnyType | UnionType):
            return self._any(one, other)
        if isinstance(other, AnyType | UnionType):
            return self._any(other, one)
        if isinstance(one, ArrayType) and isinstance(other, ArrayType):
            return self._arrays(one, other)
        if isinstance(one, ObjectType) and isinstance(other, ObjectType):
            return self._objects(one, other)
        if isinstance(one, SetType) and isinstance(other, SetType):
            return one.of is None or other.of is None or self.unifies(one.of, other.of)
        return one == other

    def _any(self, wide: AnyType | UnionType, other: Type) -> bool:
        if isinstance(other, FunctionType):
            return False
        return isinstance(wide, AnyType) or any(self.unifies(member, other) for member in wide.of)

    def _arrays(self, one: ArrayType, other: ArrayType) -> bool:
        for index in range(max(len(one.items), len(other.items))):
            left = one.items[index] if index < len(one.items) else one.rest
            right = other.items[index] if index < len(other.items) else other.rest
            if not self.unifies(left, right):
                return False
        return one.rest is None or other.rest is None or self.unifies(one.rest, other.rest)

    def _objects(self, one: ObjectType, other: ObjectType) -> bool:
        closed = one.rest is None and other.rest is None
        for first, second in ((one, other), (other, one)):
            for name, kind in first.fields:
                found = select(second, name if isinstance(name, str) else name[1])
                if closed if found is None else not self.unifies(kind, found):
                    return False
        return one.rest is None or other.rest is None or self.unifies(one.rest[1], other.rest[1])
