"""Names in force at one place of a query, looked up the way the server looks them up."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from doorward.facts.postgres.catalogue import Relation
from doorward.facts.postgres.findings import Flow, Opaque, SqlState, derive
from doorward.facts.postgres.model import Column

__all__ = ["Cte", "Ctes", "Field", "Item", "Namespace", "Scope"]

_SYSTEM_COLUMNS = {"tableoid": -6, "cmax": -5, "xmax": -4, "cmin": -3, "xmin": -2, "ctid": -1}


@dataclass(frozen=True, slots=True)
class Field:
    """A named column of a row source."""

    name: str
    flow: Flow


@dataclass(frozen=True, slots=True)
class Item:
    """A row source by its name in FROM.

    `schema` is set where `schema.name.column` may be written: a relation without an alias. `certain` is false
    where the list of columns is a guess (`unnest` of something whose type is unknown), so that `*` cannot be
    counted.
    """

    name: str
    fields: tuple[Field, ...]
    schema: str | None = None
    relation: Relation | None = None
    certain: bool = True

    def find(self, name: str) -> Field | None:
        """The column of that name, also a system column. Raises `Opaque` where two have it."""
        found = [item for item in self.fields if item.name == name]
        if len(found) > 1:
            raise Opaque(f"the column `{self.name}.{name}` is ambiguous", SqlState.AMBIGUOUS_COLUMN)
        if found:
            return found[0]
        number = _SYSTEM_COLUMNS.get(name)
        if number is not None and self.relation is not None:
            of = self.relation
            column = Column(of.schema, of.name, name, of.oid, number)
            return Field(name, Flow(frozenset({column})))
        return None

    def whole(self) -> Flow:
        """The row as one value."""
        return derive(item.flow for item in self.fields)


@dataclass(frozen=True, slots=True)
class Namespace:
    """What a FROM clause, or one element of it, makes visible: row sources by name, and columns by bare name."""

    items: tuple[Item, ...] = ()
    fields: tuple[Field, ...] = ()
    certain: bool = True

    @classmethod
    def of(cls, item: Item) -> Namespace:
        """Just one row source."""
        return cls((item,), item.fields, item.certain)

    def beside(self, other: Namespace) -> Namespace:
        """Both, one after the other, as a comma in FROM does it."""
        return Namespace(self.items + other.items, self.fields + other.fields, self.certain and other.certain)

    def only(self) -> Namespace:
        """Row sources by name alone, no bare column names."""
        return Namespace(self.items, (), self.certain)


@dataclass(slots=True, eq=False)
class Cte:
    """A common table expression: its query, what it may refer to, and its columns once they are known."""

    node: Any
    scope: Scope
    recursive: bool
    place: int = 0
    """Where it stands in its WITH."""
    fields: tuple[Field, ...] | None = None
    running: bool = False
    referred_to_itself: bool = False


@dataclass(slots=True, eq=False)
class Ctes:
    """The common table expressions in force, innermost first."""

    outer: Ctes | None
    here: dict[str, Cte] = field(default_factory=dict)
    """Of one WITH, whose parts share it."""
    before: int | None = None
    """Only those that stand before this place are in force; all, where it is None."""

    def find(self, name: str) -> Cte | None:
        """The innermost one of that name."""
        level: Ctes | None = self
        while level is not None:
            found = level.here.get(name)
            if found is not None and (level.before is None or found.place < level.before):
                return found
            level = level.outer
        return None


@dataclass(slots=True, eq=False)
class Scope:
    """The names of one query, and of those around it."""

    names: Namespace = field(default_factory=Namespace)
    outer: Scope | None = None
    ctes: Ctes | None = None
    windows: dict[str, Flow] = field(default_factory=dict)

    def _levels(self) -> Iterator[Scope]:
        level: Scope | None = self
        while level is not None:
            yield level
            level = level.outer

    def column(self, name: str) -> Flow:
        """A bare name: a column, else a whole row. Raises `Opaque` where it is neither, or several."""
        for level in self._levels():
            found = [item for item in level.names.fields if item.name == name]
            if len(found) > 1:
                raise Opaque(f"the column `{name}` is ambiguous", SqlState.AMBIGUOUS_COLUMN)
            if found:
                return found[0].flow
            if name in _SYSTEM_COLUMNS and len(level.names.items) == 1:
                system = level.names.items[0].find(name)
                if system is not None:
                    return system.flow
        item = self.item(name)
        if item is None:
            raise Opaque(f"the column `{name}` cannot be resolved", SqlState.UNDEFINED_COLUMN)
        return item.whole()

    def has_column(self, name: str) -> bool:
        """Whether a bare name is a column of this very query."""
        return any(item.name == name for item in self.names.fields)

    def row(self, name: str) -> Item | None:
        """The row source that a bare name means as a value: a column of that name, however far out, comes first."""
        if any(level.has_column(name) for level in self._levels()):
            return None
        return self.item(name)

    def item(self, name: str, schema: str | None = None) -> Item | None:
        """The row source of that name. Raises `Opaque` where one query has two."""
        for level in self._levels():
            found = [
                item
                for item in level.names.items
                if item.name == name and (not schema or item.schema == schema)
            ]
            if len(found) > 1:
                raise Opaque(f"the name `{name}` is ambiguous", SqlState.AMBIGUOUS_ALIAS)
            if found:
                return found[0]
        return None

    def qualified(self, path: tuple[str, ...]) -> Flow:
        """`row.column`, `schema.table.column` or `database.schema.table.column`."""
        schema = path[-3] if len(path) >= 3 else None
        item = self.item(path[-2], schema)
        if item is None:
            raise Opaque(f"the name `{'.'.join(path[:-1])}` cannot be resolved", SqlState.UNDEFINED_TABLE)
        found = item.find(path[-1])
        if found is None:
            raise Opaque(f"the column `{'.'.join(path)}` cannot be resolved", SqlState.UNDEFINED_COLUMN)
        return found.flow
