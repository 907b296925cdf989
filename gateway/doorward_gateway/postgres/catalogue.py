"""How the catalogue of a backend is read, and the document it becomes. No input or output happens here.

The session runs every query of `CATALOGUE_QUERIES` inside one transaction between `CATALOGUE_BEGIN` and `CATALOGUE_END`, so
that they see one state of the schema and names are written in one way, and hands the rows to `catalogue_document`. The format is
defined by the engine (`doorward.facts.postgres.catalogue.CatalogueDocument`), which knows a document by its bytes' SHA-256.

Works with PostgreSQL 12 to 18. A session that has temporary relations of its own has to read the catalogue on its own
connection, because no other session can tell which of them hide what.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import orjson

__all__ = ["CATALOGUE_BEGIN", "CATALOGUE_END", "CATALOGUE_QUERIES", "CatalogueText", "catalogue_document"]

CATALOGUE_BEGIN = (
    "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
    "SET LOCAL search_path TO pg_catalog",
    "SET LOCAL statement_timeout TO '30s'",
)
"""Run these first, in order."""

CATALOGUE_END = "COMMIT"
"""Run this last; `ROLLBACK` where something failed."""

_NAMESPACES = """
  (SELECT oid, CASE WHEN oid = pg_catalog.pg_my_temp_schema() THEN 'pg_temp' ELSE nspname::text END AS name
   FROM pg_catalog.pg_namespace
   WHERE oid = pg_catalog.pg_my_temp_schema() OR (nspname !~ '^pg_toast' AND nspname !~ '^pg_temp_'))
"""

CATALOGUE_QUERIES: Mapping[str, str] = {
    "server": """
SELECT json_build_array(current_setting('server_version_num')::int, current_database())::text
""",
    "relations": f"""
SELECT json_build_array(n.name, c.relname, c.oid::int8, c.relkind::text,
    COALESCE(a.columns, '[]'), COALESCE(i.parents, '[]'),
    EXISTS (SELECT FROM pg_rewrite w WHERE w.ev_class = c.oid AND w.rulename <> '_RETURN'),
    CASE WHEN c.relkind IN ('v', 'm') AND n.name NOT IN ('pg_catalog', 'information_schema')
         THEN pg_get_viewdef(c.oid) END,
    EXISTS (SELECT FROM pg_trigger t
            WHERE t.tgrelid = c.oid AND NOT t.tgisinternal AND t.tgtype & 1 <> 0 AND t.tgtype & 66 <> 0))::text
FROM pg_class c
JOIN {_NAMESPACES} n ON n.oid = c.relnamespace
LEFT JOIN (SELECT attrelid, json_agg(json_build_array(attname, attnum, format_type(atttypid, NULL),
                                                      CASE WHEN attgenerated <> '' THEN pg_get_expr(adbin, adrelid)
                                                           ELSE '' END) ORDER BY attnum) AS columns
           FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
           WHERE attnum > 0 AND NOT attisdropped GROUP BY attrelid) a ON a.attrelid = c.oid
LEFT JOIN (SELECT inhrelid, json_agg(inhparent::int8 ORDER BY inhseqno) AS parents
           FROM pg_inherits GROUP BY inhrelid) i ON i.inhrelid = c.oid
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S', 'c')
""",  # noqa: S608 - nothing but constants
    "functions": f"""
SELECT json_build_array(n.name, p.proname, p.prokind::text, p.provolatile::text, p.proretset,
    p.pronargs - p.pronargdefaults,
    CASE WHEN p.provariadic <> 0 THEN -1 ELSE p.pronargs END,
    l.lanname, format_type(p.prorettype, NULL),
    CASE WHEN p.proargmodes && ARRAY['o', 'b', 't']::"char"[]
         THEN (SELECT json_agg(COALESCE(NULLIF(o.name, ''), 'column' || o.place) ORDER BY o.place)
               FROM (SELECT p.proargnames[g.at] AS name, row_number() OVER (ORDER BY g.at) AS place
                     FROM generate_subscripts(p.proargmodes, 1) g(at)
                     WHERE p.proargmodes[g.at] IN ('o', 'b', 't')) o) END,
    CASE WHEN l.lanname = 'sql' AND p.prosrc <> '' AND p.proconfig IS NULL
          AND n.name NOT IN ('pg_catalog', 'information_schema') THEN p.prosrc END)::text
FROM pg_proc p
JOIN {_NAMESPACES} n ON n.oid = p.pronamespace
JOIN pg_language l ON l.oid = p.prolang
""",  # noqa: S608 - nothing but constants
    "operators": f"""
SELECT json_build_array(n.name, o.oprname, f.name, p.proname)::text
FROM pg_operator o
JOIN {_NAMESPACES} n ON n.oid = o.oprnamespace
JOIN pg_proc p ON p.oid = o.oprcode
JOIN {_NAMESPACES} f ON f.oid = p.pronamespace
WHERE n.name NOT IN ('pg_catalog', 'information_schema')
   OR f.name NOT IN ('pg_catalog', 'information_schema')
""",  # noqa: S608 - nothing but constants
}
"""One query for each part of the document; every row is one column of text, a JSON array."""


class CatalogueText(NamedTuple):
    """The document as it is sent to the engine, and its content hash."""

    json: bytes
    hash: str


def catalogue_document(rows: Mapping[str, Sequence[str | bytes]]) -> CatalogueText:
    """The document for the answers to `CATALOGUE_QUERIES`, each a sequence of its rows' only column.

    The same schema gives the same bytes, in whatever order the server returned the rows. Raises `ValueError` where an
    answer is missing or is not what the queries return.
    """
    parts = {name: _part(rows, name) for name in CATALOGUE_QUERIES}
    if len(parts["server"]) != 1 or len(parts["server"][0]) != 2:
        raise ValueError("the catalogue query `server` must return one row of two values")
    version, database = parts["server"][0]
    document = {
        "format": 1,
        "server_version": version,
        "database": database,
        "relations": parts["relations"],
        "functions": parts["functions"],
        "operators": parts["operators"],
    }
    text = orjson.dumps(document)
    return CatalogueText(text, hashlib.sha256(text).hexdigest())


def _part(rows: Mapping[str, Sequence[str | bytes]], name: str) -> list[list[Any]]:
    if name not in rows:
        raise ValueError(f"the answer to the catalogue query `{name}` is missing")
    # The text of a row orders rows of one server the same way every time; values of mixed types would not compare.
    parsed = sorted(orjson.dumps(orjson.loads(row)) for row in rows[name])
    return [orjson.loads(row) for row in parsed]
