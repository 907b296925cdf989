"""The table that the log is kept in, where it is kept in PostgreSQL."""

from __future__ import annotations

__all__ = ["insert_statement", "table_definition"]


def table_definition(table: str) -> str:
    """SQL that creates the table; `table` is as in `PostgresSettings`."""
    index = table.rpartition(".")[2] + "_time"
    return f"""create table {table} (
    id            text primary key,      -- of the decision; of a catalogue its content hash
    kind          text not null,         -- decision, catalogue, dropped, recovered
    time          timestamptz not null,
    verdict       text,
    principal     text,
    action        text,
    resource_kind text,
    resource      text,
    revision      text,
    line          jsonb not null         -- the whole line
);
create index {index} on {table} (time);
"""


def insert_statement(table: str) -> str:
    """Inserts the lines in its one parameter, an array of texts."""
    return f"""insert into {table}
    (id, kind, time, verdict, principal, action, resource_kind, resource, revision, line)
select coalesce(line->>'id', line->>'catalogue'), coalesce(line->>'kind', 'decision'),
       coalesce((line->>'time')::timestamptz, now()), line#>>'{{decision,verdict}}',
       line#>>'{{request,principal,id}}', line#>>'{{request,action,name}}', line#>>'{{request,resource,kind}}',
       line#>>'{{request,resource,name}}', line->>'revision', line
from (select text::jsonb as line from unnest(%s::text[]) as text) as lines
on conflict do nothing"""  # noqa: S608 - the name of the table is checked, and an operator's
