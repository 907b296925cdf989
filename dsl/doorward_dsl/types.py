"""Static types of Rego values, as signatures and schemas state them and inference finds them.

    Type
    ├── AnyType                        whatever
    ├── Scalar types                   null, boolean, number, string: `Simple`
    ├── ArrayType                      fixed items, then any number of `rest`
    ├── SetType                        members
    ├── ObjectType                     known fields, then `rest_key: rest_value`
    ├── UnionType                      one of several, never nested
    └── FunctionType                   of a built-in or a user's function

Types are immutable and compare by content; what stands in several places of one is kept once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, TypeAlias

__all__ = [
    "ANY",
    "BOOLEAN",
    "NULL",
    "NUMBER",
    "STRING",
    "AnyType",
    "ArrayType",
    "FunctionType",
    "ObjectType",
    "SetType",
    "Simple",
    "Type",
    "UnionType",
    "array_of",
    "bounded",
    "from_signature",
    "shown",
    "union",
]

_WIDEST_UNION: Final = 64
"""Unions of more members than this are taken for `any`: large generated policies must not make inference slow."""

_HEAVIEST: Final = 512
"""Parts of a type, each counted as often as it stands there, beyond which `bounded` forgets them."""

_DEEPEST: Final = 32
"""Levels of a type beyond which `bounded` forgets what is inside."""

_LONGEST_SHOWN: Final = 160
"""Characters of a type in a message."""


class Size(NamedTuple):
    """How large a type is when written out."""

    weight: int = 1
    """Its parts and itself, each part as often as it stands there."""
    depth: int = 1


_ONE: Final = Size()


@dataclass(frozen=True, slots=True)
class AnyType:
    """A value of which nothing is known."""

    @property
    def size(self) -> Size:
        """That of a type without parts."""
        return _ONE

    def __str__(self) -> str:
        return "any"


@dataclass(frozen=True, slots=True)
class Simple:
    """`null`, `boolean`, `number` or `string`."""

    name: str

    @property
    def size(self) -> Size:
        """That of a type without parts."""
        return _ONE

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class ArrayType:
    """An array that starts with `items`; what follows, if anything may, is of type `rest`."""

    items: tuple[Type, ...] = ()
    rest: Type | None = None
    size: Size = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(
            self, "size", _around(self.items if self.rest is None else (*self.items, self.rest))
        )

    def __str__(self) -> str:
        parts = [str(item) for item in self.items]
        if self.rest is not None:
            if not parts:
                return f"array[{self.rest}]"
            parts.append(f"{self.rest} ...")
        return f"array<{', '.join(parts)}>"


@dataclass(frozen=True, slots=True)
class SetType:
    """A set whose members are of type `of`; None of the empty set."""

    of: Type | None
    size: Size = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "size", _around(() if self.of is None else (self.of,)))

    def __str__(self) -> str:
        return "set[]" if self.of is None else f"set[{self.of}]"


@dataclass(frozen=True, slots=True)
class ObjectType:
    """An object with known `fields` (a value of the type may lack one) and others of the types `rest`.

    A field is named by its key if that is a string, else by the name of the key's type and the key.
    """

    fields: tuple[tuple[Any, Type], ...] = ()
    rest: tuple[Type, Type] | None = None
    optional: frozenset[str] = frozenset()
    """The fields that a schema says may be missing."""
    size: Size = field(init=False, repr=False, compare=False)
    _index: Mapping[Any, Type] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        parts = [kind for _, kind in self.fields]
        object.__setattr__(self, "size", _around(parts if self.rest is None else (*parts, *self.rest)))
        object.__setattr__(self, "_index", dict(self.fields))

    def get(self, key: Any) -> Type | None:
        """The type of a known field."""
        return self._index.get(key)

    def __str__(self) -> str:
        if self.fields:
            shown = ", ".join(f"{_shown(key)}: {kind}" for key, kind in self.fields[:8])
            more = ", …" if len(self.fields) > 8 or self.rest is not None else ""
            return f"object<{shown}{more}>"
        if self.rest is not None:
            return f"object[{self.rest[0]}: {self.rest[1]}]"
        return "object<>"


@dataclass(frozen=True, slots=True)
class UnionType:
    """One of several types; built by `union` only."""

    of: tuple[Type, ...]
    size: Size = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "size", _around(self.of))

    def __str__(self) -> str:
        return " or ".join(str(member) for member in self.of)


@dataclass(frozen=True, slots=True)
class FunctionType:
    """A function of `args`; a variadic one takes any number of its last."""

    args: tuple[Type, ...]
    result: Type | None
    """None for one that gives no value (`print`)."""
    variadic: bool = False

    @property
    def size(self) -> Size:
        """That of its arguments and result."""
        return _around(self.args if self.result is None else (*self.args, self.result))

    def __str__(self) -> str:
        return f"({', '.join(map(str, self.args))}) => {self.result}"


Type: TypeAlias = AnyType | Simple | ArrayType | SetType | ObjectType | UnionType | FunctionType

ANY: Final = AnyType()
NULL: Final = Simple("null")
BOOLEAN: Final = Simple("boolean")
NUMBER: Final = Simple("number")
STRING: Final = Simple("string")

_SIMPLE: Final = {kind.name: kind for kind in (NULL, BOOLEAN, NUMBER, STRING)}


def _around(parts: Iterable[Type]) -> Size:
    """The size of what is made of `parts`."""
    weight = depth = 0
    for part in parts:
        size = part.size
        weight += size.weight
        depth = max(depth, size.depth)
    return Size(weight + 1, depth + 1)


def _shown(key: Any) -> str:
    return key if isinstance(key, str) else str(key[1]).lower()


def array_of(item: Type) -> ArrayType:
    """An array of any length of one type."""
    return ArrayType((), item)


def bounded(kind: Type) -> Type:
    """The type, or a wider one if it has too many parts.

    What a policy builds can be small in memory and endless when written out (`b := [a, a]; c := [b, b]; …`). Whoever
    builds types out of others bounds each, so that hashing, comparing or showing one is always cheap.
    """
    weight, depth = kind.size
    if weight <= _HEAVIEST and depth <= _DEEPEST:
        return kind
    if isinstance(kind, ArrayType):
        return ArrayType((ANY,) * len(kind.items), kind.rest and ANY) if kind.items else ArrayType((), ANY)
    if isinstance(kind, SetType):
        return SetType(ANY)
    if isinstance(kind, ObjectType) and len(kind.fields) < _HEAVIEST:
        return ObjectType(
            tuple((name, ANY) for name, _ in kind.fields), kind.rest and (ANY, ANY), kind.optional
        )
    if isinstance(kind, FunctionType):
        return FunctionType((ANY,) * len(kind.args), kind.result and ANY, kind.variadic)
    return ANY


def shown(kind: Type | None) -> str:
    """A type as a message shows it."""
    text = "unknown" if kind is None else str(kind)
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"


def union(types: Iterable[Type | None]) -> Type | None:
    """The type of a value that is of one of `types`; None stands for no value at all. Order never shows."""
    members: dict[Type, None] = {}
    for kind in types:
        if kind is None:
            continue
        if isinstance(kind, AnyType):
            return ANY
        members.update(dict.fromkeys(kind.of if isinstance(kind, UnionType) else (kind,)))
    if not members:
        return None
    if len(members) == 1:
        return next(iter(members))
    if len(members) > _WIDEST_UNION:
        return ANY
    return UnionType(tuple(sorted(members, key=str)))


def from_signature(stated: Any) -> Type:
    """A type as `builtins.json` states it.

    Raises ValueError for anything else.
    """
    if isinstance(stated, str):
        return ANY if stated == "any" else _SIMPLE[stated]
    if isinstance(stated, dict) and len(stated) == 1:
        ((form, inner),) = stated.items()
        if form == "array":
            return array_of(from_signature(inner))
        if form == "tuple":
            return ArrayType(tuple(from_signature(item) for item in inner))
        if form == "set":
            return SetType(from_signature(inner))
        if form == "any":
            return union([from_signature(member) for member in inner]) or ANY
        if form == "object":
            return _object_from_signature(inner)
    raise ValueError(f"not a type: {stated!r}")


def _object_from_signature(inner: Mapping[str, Any]) -> ObjectType:
    if "fields" not in inner:
        return ObjectType((), (from_signature(inner["key"]), from_signature(inner["value"])))
    fields = tuple(sorted((name, from_signature(kind)) for name, kind in inner["fields"].items()))
    rest = inner.get("rest")
    return ObjectType(fields, None if rest is None else (ANY, from_signature(rest)))
