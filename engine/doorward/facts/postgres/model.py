"""What analysis says about SQL text: the `sql` part of the access request, and where every output column
comes from.

Names. A relation of schema `public` goes by its bare name, any other by `schema.name`; the session's
temporary schema is `pg_temp`. A column is `<relation>.<column>`. A function of `pg_catalog` or `public` goes
by its bare name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["Analysis", "Column", "OutputColumn", "Settings", "SqlFacts", "relation_name"]


class Column(NamedTuple):
    """One column of one relation, as the server numbers it.

    `schema` is `pg_temp` for the session's own temporary relations; `attnum` counts from 1 and is negative
    for system columns such as `ctid`.
    """

    schema: str
    table: str
    name: str
    table_oid: int
    attnum: int

    @property
    def relation(self) -> str:
        """The relation as facts name it: `customers`, `hr.people`."""
        return relation_name(self.schema, self.table)

    def __str__(self) -> str:
        return f"{self.relation}.{self.name}"


def relation_name(schema: str, name: str) -> str:
    """A relation as facts name it: bare in `public`, else `schema.name`."""
    return name if schema == "public" else f"{schema}.{name}"


@dataclass(frozen=True, slots=True)
class OutputColumn:
    """One column of a statement's answer.

    `direct` are the columns whose values pass unchanged (or through a cast that loses nothing), so that a
    masker may treat them one by one; `derived` those from which the value is computed, so that only the whole
    output can be withheld. A column may be in both. Columns of views and partitions appear beside the columns
    behind them.
    """

    name: str
    direct: frozenset[Column] = frozenset()
    derived: frozenset[Column] = frozenset()


@dataclass(frozen=True)
class Settings:
    """What of the session decides the meaning of a statement.

    `prepared` and `cursors` give the text behind a name (of `PREPARE`/`Parse`, of `DECLARE`), for `EXECUTE`
    and `FETCH`; without it those are opaque. `parameters` are the bound values as text, `None` where null,
    binary or not yet bound; only a `LIMIT $n` looks at them. They take no part in equality: an analysis that
    looked at them is never cached.
    """

    search_path: tuple[str, ...] = ("$user", "public")
    user: str = ""
    database: str = ""
    standard_conforming_strings: bool = True
    prepared: Mapping[str, str] = field(default_factory=dict, compare=False)
    cursors: Mapping[str, str] = field(default_factory=dict, compare=False)
    parameters: tuple[str | None, ...] = field(default=(), compare=False)


@dataclass(frozen=True, slots=True)
class Analysis:
    """All that is known of one message of SQL text. Shared by every caller that asks for the same text: never changed.

    `facts` is `SqlFacts` as plain JSON values. `outputs` has one entry for each statement of the text, empty where a
    statement returns no rows. `stored` are the columns whose values may leave other than through `outputs`: written to
    another column, handed to a function with side effects, kept under another name; a mask on one of them cannot be
    carried out. `selecting` are the columns that decide which rows come, in which order or group: what an answer tells
    about them it tells by the rows that are there, not by any output. `probed` are the columns that the statement puts
    a question to (a comparison, an order, a group); not those that it only joins on, by equality with other stored
    values.
    """

    facts: dict[str, Any]
    outputs: tuple[tuple[OutputColumn, ...], ...] = ()
    stored: frozenset[Column] = frozenset()
    selecting: frozenset[Column] = frozenset()
    probed: frozenset[Column] = frozenset()


class SqlFacts(BaseModel):
    """The `sql` part of a request of kind `postgres`: what the text does. Total: every field is always there."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    statements: list[str] = Field(
        default=[],
        description="kinds of everything that runs, also inside CTEs, PREPARE and EXPLAIN ANALYZE: select, insert, drop_table …",
    )
    tables: list[str] = Field(
        default=[], description="relations read or written, views with the tables behind them, sorted"
    )
    tables_read: list[str] = Field(default=[], description="relations read, sorted")
    tables_written: list[str] = Field(
        default=[], description="relations written, created, altered or dropped, sorted"
    )
    columns: list[str] = Field(
        default=[], description="columns read, for whatever purpose, as `table.column`, sorted"
    )
    columns_returned: list[str] = Field(
        default=[], description="columns that an output passes on or is computed from, sorted"
    )
    columns_filtered: list[str] = Field(
        default=[], description="columns that decide which rows come, in which order or group, sorted"
    )
    columns_written: list[str] = Field(
        default=[], description="columns that INSERT, UPDATE, MERGE or COPY assign, sorted"
    )
    columns_stored: list[str] = Field(
        default=[],
        description="columns whose values may leave other than in the answer: copied, handed to side effects",
    )
    widths: list[int] = Field(
        default=[],
        description="how many columns each statement answers with, 0 where it answers with no rows",
    )
    functions: list[str] = Field(default=[], description="functions called by name, sorted")
    read_only: bool = Field(
        default=False, description="nothing but reading, transaction control and harmless session settings"
    )
    writes: bool = Field(default=False, description="changes rows, sequences, files or the server's state")
    changes_schema: bool = Field(default=False, description="creates, alters or drops objects")
    changes_roles: bool = Field(
        default=False, description="roles, privileges, ownership, or whom the session acts as"
    )
    changes_session: bool = Field(
        default=False, description="settings or other state that outlives the statement"
    )
    external: bool = Field(
        default=False, description="reaches outside the database: files, programs, other servers"
    )
    transaction: bool = Field(default=False, description="nothing but transaction control")
    limited: bool = Field(
        default=False, description="every statement that carries rows off is bounded by a literal LIMIT"
    )
    limit: int | None = Field(default=None, description="the greatest of those bounds")
    multiple: bool = Field(default=False, description="more than one statement in one message")
    opaque: bool = Field(default=False, description="analysis cannot vouch for the rest of these facts")
    opaque_reason: str = Field(default="", description="why, in a sentence; empty when not opaque")
    opaque_sqlstate: str = Field(
        default="",
        description="the error that PostgreSQL would report for that reason; empty when it is none",
    )
    opaque_at: int = Field(
        default=0, description="the character of the text at which it stops being SQL, from 1; else 0"
    )
