"""A second opinion on every statement: another parser reads the same text, and must have seen the same.

PostgreSQL's own grammar decides what the server will run, so a statement that sqlglot cannot read stays as it is. What both
have read must agree: how many statements there are and of which kinds, which relations, functions and columns they name, and,
for a plain query, which stored columns each output is made of. The other reading follows names and values by rules of its
own, so a mistake in the walk has to be made there as well to go unseen.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from doorward.facts.postgres.context import Context
from doorward.facts.postgres.model import OutputColumn
from doorward.facts.postgres.second_lineage import origins
from doorward.facts.postgres.second_reading import Reading, readings

__all__ = ["MAX_LENGTH", "Understood", "disagreement"]

MAX_LENGTH: Final = 20_000
"""Characters of a text that is read twice; longer ones are lists of values, as a rule."""

_OTHERWISE: Final = re.compile(r"""\bu&["']""", re.IGNORECASE)
"""Unicode escapes, which the other parser takes for an operator."""

_QUERIES: Final = frozenset({"select", "insert", "update", "delete", "merge"})
_COMPARED: Final = _QUERIES | {"create_table_as", "create_view", "create_materialized_view"}
_CHANGES: Final = _QUERIES - {"select"}

_BY_GRAMMAR: Final = frozenset(
    """
    all any array btrim cast coalesce collation_for exists extract greatest grouping is_normalized json json_array json_arrayagg
    json_exists json_object json_objectagg json_query json_scalar json_serialize json_table json_value least like_escape ltrim
    merge_action normalize nullif overlaps overlay pg_collation_for position row rtrim similar_to_escape some substring
    system_user timezone treat trim values xmlattributes xmlconcat xmlelement xmlexists xmlforest xmlparse xmlpi xmlroot
    xmlserialize xmltable
    """.split()  # noqa: SIM905
)
"""What looks like a call but is a construct of the grammar, and functions that the grammar calls for such constructs."""


@dataclass(frozen=True, slots=True)
class Understood:
    """What the walk has made of one statement: its kind, all that it found, its outputs."""

    kind: str
    context: Context
    outputs: tuple[OutputColumn, ...]


def disagreement(text: str, statements: Sequence[Understood]) -> str:
    """In which way the two readings of a text differ; empty where they agree, or there is no second one."""
    if len(text) > MAX_LENGTH or _OTHERWISE.search(text) is not None:
        return ""
    try:
        found = readings(text)
        if found is None:
            return ""
        if len(found) != len(statements):
            return "" if None in found else f"one sees {len(found)} statements, the other {len(statements)}"
        differences = (
            _difference(reading, understood)
            for reading, understood in zip(found, statements, strict=True)
            if reading is not None
        )
        return next(filter(None, differences), "")
    except Exception:  # a fault in the other parser, or text too deep for it: no opinion
        return ""


def _difference(reading: Reading, understood: Understood) -> str:
    family, context = understood.kind.partition("_")[0], understood.context
    if reading.family != family and understood.kind != "create_table_as":
        return f"one sees `{reading.family}`, the other `{family}`"
    if understood.kind not in _COMPARED:
        return ""
    mentions, findings = context.mentions, context.findings
    columns = mentions.columns | _last_parts(findings.assigned)
    # `column(row)` is a way to write `row.column`.
    named = _last_parts(findings.functions) | {column.name for column in findings.columns}
    return (
        _apart("kind of change", reading.changes, findings.kinds.keys() & _CHANGES)
        or _apart("relation", map(_dotted, reading.relations), map(_dotted, mentions.relations))
        or _apart("relation", _unresolved(reading, context), ())
        or _apart("function", reading.functions - _BY_GRAMMAR, mentions.functions - _BY_GRAMMAR)
        or _apart("function", reading.functions - _BY_GRAMMAR - named, ())
        or _apart("column", reading.columns - columns, mentions.columns - reading.names)
        or _lineage(reading, understood)
    )


def _apart(what: str, one: Iterable[str], other: Iterable[str]) -> str:
    here, there = set(one), set(other)
    differing = sorted(here ^ there)
    return f"one sees the {what} `{differing[0]}`, the other does not" if differing else ""


def _last_parts(names: Iterable[str]) -> set[str]:
    return {name.rpartition(".")[2] for name in names}


def _dotted(name: tuple[str, str]) -> str:
    return ".".join(part for part in name if part)


def _unresolved(reading: Reading, context: Context) -> Iterator[str]:
    """Relations of the other reading that are not among those which facts list."""
    listed = context.findings.read | context.findings.written
    for schema, name in reading.relations:
        if context.named(schema or None, name) not in listed:
            yield _dotted((schema, name))


def _lineage(reading: Reading, understood: Understood) -> str:
    if understood.kind != "select" or not understood.outputs:
        return ""
    found = origins(reading.tree, understood.context)
    if found is None:
        return ""
    if len(found) != len(understood.outputs):
        return f"one sees {len(found)} output columns, the other {len(understood.outputs)}"
    for place, (columns, output) in enumerate(zip(found, understood.outputs, strict=True), 1):
        known = {(column.schema, column.table, column.name) for column in output.direct | output.derived}
        for column in sorted(columns - known):
            return f"one sees `{'.'.join(column)}` in output column {place}, the other does not"
    return ""
