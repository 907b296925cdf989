"""What the walk over one statement gathers, and how it gives up."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from typing import Final, NamedTuple

from doorward.facts.postgres.model import Column

__all__ = ["ANYTHING", "NOTHING", "Findings", "Flow", "Opaque", "SqlState", "derive", "merge"]

ANYTHING: Final = Column("*", "*", "*", 0, 0)
"""Stands for every column outside the system schemas, while the walk lasts."""

_NONE: frozenset[Column] = frozenset()


class Opaque(Exception):
    """The statement cannot be vouched for; the message says why, to a person.

    `sqlstate` is the error that PostgreSQL would report for the same reason, where there is one.
    """

    def __init__(self, reason: str, sqlstate: str = "") -> None:
        super().__init__(reason)
        self.sqlstate = sqlstate


class SqlState:
    """The errors of PostgreSQL that analysis foresees, by the names of its manual."""

    SYNTAX_ERROR: Final = "42601"
    UNDEFINED_TABLE: Final = "42P01"
    UNDEFINED_COLUMN: Final = "42703"
    UNDEFINED_FUNCTION: Final = "42883"
    AMBIGUOUS_COLUMN: Final = "42702"
    AMBIGUOUS_ALIAS: Final = "42P09"
    DUPLICATE_ALIAS: Final = "42712"
    INVALID_COLUMN_REFERENCE: Final = "42P10"
    INVALID_STATEMENT_NAME: Final = "26000"
    INVALID_CURSOR_NAME: Final = "34000"
    FEATURE_NOT_SUPPORTED: Final = "0A000"


class Flow(NamedTuple):
    """Where a value comes from: see `OutputColumn`.

    `type` is its type where that is certain, as `format_type` has it. `pure`: it is a stored value in every row, never
    a constant or another expression that the statement could have chosen.
    """

    direct: frozenset[Column] = _NONE
    derived: frozenset[Column] = _NONE
    type: str | None = None
    pure: bool = False

    @property
    def sources(self) -> frozenset[Column]:
        """Every column the value depends on."""
        return self.direct | self.derived if self.derived else self.direct

    def depending_on(self, more: frozenset[Column]) -> Flow:
        """The same value, which now also depends on `more`."""
        return Flow(self.direct, self.derived | more, self.type) if more else self


NOTHING = Flow()
"""A value that comes from no column."""


def derive(flows: Iterable[Flow], type_: str | None = None) -> Flow:
    """A value computed from others."""
    sources = _NONE.union(*(flow.sources for flow in flows))
    return Flow(_NONE, sources, type_) if sources or type_ else NOTHING


def merge(flows: Iterable[Flow]) -> Flow:
    """A value that is one of several, unchanged."""
    several = list(flows)
    if len(several) == 1:
        return several[0]
    types = {flow.type for flow in several}
    return Flow(
        _NONE.union(*(flow.direct for flow in several)),
        _NONE.union(*(flow.derived for flow in several)),
        types.pop() if len(types) == 1 else None,
        all(flow.pure for flow in several),
    )


@dataclass(slots=True)
class Findings:
    """Everything about a statement but its outputs. Sets only grow, so that walking a part twice changes nothing.

    `filtered` are the columns that decide which rows come; `compared` those on which but a value depends, by way of a
    comparison; `matched` those that decide which rows come, but only by being equal to another stored value.
    `changes_meaning`: names may mean something else for later statements. `gathers`: many rows may end up
    in one value (`string_agg`, `ARRAY(SELECT …)`), so that a LIMIT bounds nothing.
    """

    kinds: dict[str, None] = field(default_factory=dict)
    read: set[str] = field(default_factory=set)
    written: set[str] = field(default_factory=set)
    columns: set[Column] = field(default_factory=set)
    filtered: set[Column] = field(default_factory=set)
    compared: set[Column] = field(default_factory=set)
    matched: set[Column] = field(default_factory=set)
    assigned: set[str] = field(default_factory=set)
    stored: set[Column] = field(default_factory=set)
    functions: set[str] = field(default_factory=set)
    read_only: bool = True
    writes: bool = False
    changes_schema: bool = False
    changes_roles: bool = False
    changes_session: bool = False
    external: bool = False
    changes_meaning: bool = False
    gathers: bool = False

    def write(self) -> None:
        """Notes that rows, sequences, files or the server's state change."""
        self.writes, self.read_only = True, False

    def change_schema(self) -> None:
        """Notes that objects are created, altered or dropped."""
        self.changes_schema, self.read_only = True, False

    def include(self, other: Findings) -> None:
        """Adds everything that was found in a part."""
        for item in fields(self):
            mine, theirs = getattr(self, item.name), getattr(other, item.name)
            if isinstance(mine, bool):
                both = mine and theirs if item.name == "read_only" else mine or theirs
                setattr(self, item.name, both)
            else:
                mine.update(theirs)
