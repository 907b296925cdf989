"""The plan in the large: documents and functions, their definitions, and the tables that lead to them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from doorward.compile.plan import Block, Local
from doorward_dsl.source import Span

__all__ = ["Body", "Chain", "Guard", "How", "Place", "Shared", "Table", "Unit", "UnitKind"]

How = Literal["equal", "has", "prefix"]
UnitKind = Literal["complete", "set", "object", "function"]


@dataclass(frozen=True, slots=True)
class Body:
    """One body of a rule. For an object, `block.result` is the path below the document and then the value.

    `into_set`: the value is a member of the set at that path.
    """

    block: Block
    into_set: bool
    span: Span
    read: frozenset[tuple[str, ...]] = frozenset()
    """The places of the input and of the base document that it may read."""


@dataclass(frozen=True, slots=True)
class Chain:
    """A definition: the first of its bodies that has an answer gives the value."""

    bodies: tuple[Body, ...]
    span: Span


Place: TypeAlias = tuple[str | int, ...]
"""`("input", "user", "name")`; a function's argument starts with the number of its local instead."""


@dataclass(frozen=True, slots=True)
class Guard:
    """A test without which a body has no answer: the value at a place is (`equal`), or has as a member
    (`has`), one of `values` (key forms); or starts with one of them (`prefix`) or is no string.
    """

    place: Place
    how: How
    values: tuple[Any, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """Positions of bodies by what they need at `place` (see `Guard`); by key form."""

    place: Place
    how: How
    buckets: Mapping[Any, tuple[int, ...]]

    @property
    def positions(self) -> frozenset[int]:
        """All bodies in the table."""
        return frozenset(at for bucket in self.buckets.values() for at in bucket)


@dataclass(frozen=True, slots=True)
class Shared:
    """A place of the input that several bodies of one function read, defined or not; `body` is the first that does."""

    place: tuple[str, ...]
    local: Local
    body: int


@dataclass(frozen=True, slots=True)
class Unit:
    """One document or function: what all its definitions give together."""

    id: int
    kind: UnitKind
    path: tuple[Any, ...]
    """Below `data`; for a part of a document with dynamic paths, the part's path."""
    params: tuple[Local, ...]
    chains: tuple[Chain, ...]
    default: Chain | None
    tables: tuple[Table, ...]
    """An index over the chains; those in no table are tried every time."""
    span: Span
    shared: tuple[Shared, ...] = ()
    """Places that several of the chains outside of the tables read."""
