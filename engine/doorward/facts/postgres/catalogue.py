"""What a backend holds: relations with their columns, views, functions, operators.

A gateway reads it from the server and describes it to the engine once, as a JSON document named by the
SHA-256 of its bytes. This module is the one place that defines the document, `CatalogueDocument`; system
relations and functions are part of it, for they differ from one server version to the next.
"""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Iterable
from functools import cached_property
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, ValidationError

from doorward.facts.postgres.model import Column, relation_name

__all__ = [
    "SYSTEM_SCHEMAS",
    "Catalogue",
    "CatalogueDocument",
    "CatalogueError",
    "Function",
    "Operator",
    "Relation",
    "RelationColumn",
]

SYSTEM_SCHEMAS = frozenset({"pg_catalog", "information_schema"})
"""Schemas that come with the server; their views are read as plain tables, their functions are known."""


_MAX_EXPANSIONS = 10_000


class CatalogueError(ValueError):
    """The catalogue document is not one."""


class RelationColumn(NamedTuple):
    """A column: `type` as `format_type` writes it with nothing but `pg_catalog` on the search path; `generated` is the
    expression of a generated column, every name outside `pg_catalog` qualified, and empty for any other.
    """

    name: str
    attnum: int
    type: str
    generated: str = ""


class Relation(NamedTuple):
    """A table, view or sequence.

    `kind` is PostgreSQL's `relkind` (`r` table, `p` partitioned, `v` view, `m` materialized view, `f` foreign
    table, `S` sequence, `c` composite type). `parents` are the oids it inherits from or is a partition of.
    `rules`: rewrite rules other than a view's own stand on it. `definition` is the query of a view outside
    the system schemas, with every name outside `pg_catalog` qualified. `triggers`: a trigger on it may change rows before
    they are stored.
    """

    schema: str
    name: str
    oid: int
    kind: str
    columns: tuple[RelationColumn, ...]
    parents: tuple[int, ...] = ()
    rules: bool = False
    definition: str | None = None
    triggers: bool = False


class Function(NamedTuple):
    """One function, aggregate, window function or procedure.

    `kind` and `volatility` are `prokind` and `provolatile`. Calls with `min_args` to `max_args` arguments
    fit, without upper bound where `max_args` is -1. `columns` names the columns of a composite answer that is
    spelt out (OUT, TABLE); `body` is the text of a function in plain SQL outside the system schemas.
    """

    schema: str
    name: str
    kind: str
    volatility: str
    returns_set: bool
    min_args: int
    max_args: int
    language: str
    result: str
    columns: tuple[str, ...] | None = None
    body: str | None = None

    def takes(self, arguments: int) -> bool:
        """Whether a call with so many arguments could mean this one."""
        return self.min_args <= arguments and (self.max_args < 0 or arguments <= self.max_args)


class Operator(NamedTuple):
    """An operator outside the system schemas, and the function it calls."""

    schema: str
    name: str
    function_schema: str
    function: str


class CatalogueDocument(BaseModel):
    """The document as it travels: arrays in the order of the fields of the tuples above."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal[1] = 1
    server_version: int
    database: str
    relations: tuple[Relation, ...]
    functions: tuple[Function, ...]
    operators: tuple[Operator, ...] = ()


class Catalogue:
    """A catalogue made ready for look-ups. Immutable as far as anybody can tell; safe to share between
    threads.
    """

    def __init__(self, document: CatalogueDocument, digest: str) -> None:
        self.hash = digest
        self.document = document
        self.database = document.database
        self.server_version = document.server_version
        self.schemas = {r.schema for r in document.relations} | {f.schema for f in document.functions}
        self._expansions: dict[Hashable, Any] = {}
        self._relations = {(r.schema, r.name): r for r in document.relations}
        self._by_oid = {r.oid: r for r in document.relations}
        self._functions: dict[tuple[str, str], list[Function]] = {}
        for function in document.functions:
            self._functions.setdefault((function.schema, function.name), []).append(function)
        self._operators: dict[str, list[Operator]] = {}
        for operator in document.operators:
            self._operators.setdefault(operator.name, []).append(operator)
        self._children: dict[int, list[Relation]] = {}
        for relation in document.relations:
            for parent in relation.parents:
                self._children.setdefault(parent, []).append(relation)

    @classmethod
    def from_json(cls, document: bytes) -> Catalogue:
        """Reads the document; its hash is that of the very bytes. Raises `CatalogueError`."""
        try:
            parsed = CatalogueDocument.model_validate_json(document)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(map(str, first["loc"]))
            raise CatalogueError(f"the catalogue is not valid at `{place}`: {first['msg']}") from error
        return cls(parsed, hashlib.sha256(document).hexdigest())

    @classmethod
    def empty(cls) -> Catalogue:
        """A catalogue that knows nothing: every statement that names a relation or a function is opaque under
        it.
        """
        return cls(CatalogueDocument(server_version=0, database="", relations=(), functions=()), "")

    def relation(self, schema: str, name: str) -> Relation | None:
        """The relation of that very schema and name."""
        return self._relations.get((schema, name))

    def relations_of(self, schema: str) -> set[str]:
        """The relations of a schema, as facts name them."""
        return {relation_name(*key) for key in self._relations if key[0] == schema}

    def functions(self, schema: str, name: str) -> list[Function]:
        """All functions of that schema and name, whatever they take."""
        return self._functions.get((schema, name), [])

    def operators(self, name: str) -> list[Operator]:
        """Operators of that name that did not come with the server."""
        return self._operators.get(name, [])

    def columns(self, relation: Relation) -> tuple[Column, ...]:
        """The columns of a relation, in order."""
        return tuple(
            Column(relation.schema, relation.name, c.name, relation.oid, c.attnum) for c in relation.columns
        )

    def ancestors(self, relation: Relation) -> list[Relation]:
        """Everything that `relation` inherits from or is a partition of, however far up."""
        return self._closure(
            relation, lambda r: (self._by_oid[oid] for oid in r.parents if oid in self._by_oid)
        )

    def descendants(self, relation: Relation) -> list[Relation]:
        """Everything that inherits from `relation` or is a partition of it, however far down."""
        return self._closure(relation, lambda r: self._children.get(r.oid, ()))

    def expansion(self, key: Hashable) -> Any:
        """What the analyser made of a view or an SQL function earlier, if it still is known."""
        return self._expansions.get(key)

    def keep_expansion(self, key: Hashable, value: Any) -> None:
        """Keeps what a view or an SQL function turned out to be; two threads that both work it out keep the
        same.
        """
        if len(self._expansions) >= _MAX_EXPANSIONS:
            # A caller who varies the search path without end must not fill the memory.
            self._expansions.clear()
        self._expansions[key] = value

    @staticmethod
    def _closure(relation: Relation, step: Any) -> list[Relation]:
        found: dict[int, Relation] = {}
        waiting: list[Relation] = [relation]
        while waiting:
            following: Iterable[Relation] = step(waiting.pop())
            for item in following:
                if item.oid not in found and item.oid != relation.oid:
                    found[item.oid] = item
                    waiting.append(item)
        return list(found.values())

    @cached_property
    def user_relations(self) -> tuple[Relation, ...]:
        """Every relation outside the system schemas that has rows."""
        return tuple(
            relation
            for relation in self._by_oid.values()
            if relation.schema not in SYSTEM_SCHEMAS and relation.kind in "rpmvf"
        )

    @cached_property
    def user_columns(self) -> frozenset[Column]:
        """Every column outside the system schemas: what statistics, logs and large objects may repeat."""
        return frozenset(column for relation in self.user_relations for column in self.columns(relation))
