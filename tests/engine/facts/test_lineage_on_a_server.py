"""Lineage is true: generated queries run on a real server, and what comes out is compared with what was claimed.

Three oracles. *Marks*: a value in which part of a column's mark shows up must be claimed to come from that column, and
to be the whole of it where it is claimed to pass directly. *Interference*: when nothing but one column's contents change, only
outputs that are claimed to depend on it may change. *Origin*: the table and column that the server reports for an output are
among those it is claimed to pass directly.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import psycopg
from hypothesis import HealthCheck, event, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from psycopg.rows import tuple_row
from tests.engine.facts.conftest import mark

from doorward.facts.postgres import Catalogue, Column, OutputColumn, Settings, analyse

MARKED = (
    "customers.name",
    "customers.ssn",
    "customers.card",
    "customers.email",
    "orders.note",
    "hr.people.ssn",
    "parts.secret",
)
PIECE = 6
PIECES = {
    text[start : start + PIECE]: column
    for column in MARKED
    for row in (1, 2, 3)
    for text in (mark(column, row), mark(column, row)[::-1])
    for start in range(len(text) - PIECE + 1)
}
WHOLE = {mark(column, row): column for column in MARKED for row in (1, 2, 3)}

TABLES: dict[str, dict[str, str]] = {
    "customers": {"id": "int", "name": "text", "ssn": "text", "card": "text", "email": "text"},
    "orders": {"id": "int", "customer_id": "int", "note": "text"},
    "hr.people": {"id": "int", "ssn": "text", "boss": "int"},
    "parts_1": {"id": "int", "secret": "text", "k": "int"},
    "parts": {"id": "int", "secret": "text", "k": "int"},
    "v_customers": {"id": "int", "who": "text", "number": "text", "mail": "text"},
    "v_nested": {"id": "int", "number": "text", "note": "text", "top": "text"},
    "everyone()": {"who": "text", "number": "text"},
}


@dataclass(frozen=True)
class Row:
    """A row source in force: its alias and the columns that may be named."""

    alias: str
    columns: dict[str, str]
    composite: bool = True


class Writer:
    """Draws queries that the server accepts, most of the time."""

    def __init__(self, draw: st.DrawFn) -> None:
        self.draw = draw
        self.names = 0

    def pick(self, *choices: Any) -> Any:
        return self.draw(st.sampled_from(choices))

    def name(self, stem: str) -> str:
        """A new name; now and then one that is in use elsewhere, so that scopes hide each other."""
        self.names += 1
        return self.pick(f"{stem}{self.names}", f"{stem}{self.names}", "c", "ssn", "customers")

    def table(self) -> tuple[str, Row]:
        source = self.pick(*TABLES)
        alias, columns = self.name("t"), TABLES[source]
        if source != "orders" and self.pick(False, False, True):
            names = [self.name("c") for _ in columns]
            if len(set(names)) == len(names):
                renamed = dict(zip(names, columns.values(), strict=True))
                return f"{source} AS {alias}({', '.join(names)})", Row(alias, renamed)
        return f"{source} AS {alias}", Row(alias, columns)

    def source(self, depth: int, rows: tuple[Row, ...], ctes: tuple[Row, ...]) -> tuple[str, tuple[Row, ...]]:
        """One element of FROM."""
        kinds = ["table", "table"]
        if depth:
            kinds += ["query", "join", "join", "using", "values", "lateral"] + (["cte"] * 2 if ctes else [])
        kind = self.pick(*kinds)
        if kind == "cte":
            cte, alias = self.pick(*ctes), self.name("t")
            return f"{cte.alias} AS {alias}", (Row(alias, cte.columns),)
        if kind == "query":
            text, columns = self.query(depth - 1, (), ctes)
            alias = self.name("s")
            return f"({text}) AS {alias}", (Row(alias, columns),)
        if kind == "values":
            alias = self.name("v")
            return f"(VALUES (1, 'a'), (2, {self.text(depth - 1, ())})) AS {alias}(a, b)", (
                Row(alias, {"a": "int", "b": "text"}),
            )
        if kind in ("join", "lateral"):
            left, left_rows = self.source(depth - 1, rows, ctes)
            join = (
                self.pick("JOIN", "LEFT JOIN", "FULL JOIN", "RIGHT JOIN") if kind == "join" else "CROSS JOIN"
            )
            if kind == "lateral":
                alias = self.name("l")
                text = self.text(depth - 1, left_rows)
                return f"{left} CROSS JOIN LATERAL (SELECT {text} AS x) AS {alias}", (
                    *left_rows,
                    Row(alias, {"x": "text"}),
                )
            right, right_rows = self.source(depth - 1, rows, ctes)
            condition = f"{self.number(left_rows)} = {self.number(right_rows)}"
            return f"({left} {join} {right} ON {condition})", (*left_rows, *right_rows)
        if kind == "using":
            join = self.pick("JOIN", "LEFT JOIN", "FULL JOIN", "RIGHT JOIN", "NATURAL JOIN")
            a, b = self.name("t"), self.name("t")
            using = "" if join.startswith("NATURAL") else " USING (id)"
            shared = self.pick("hr.people", "orders")
            sources = (Row(a, TABLES["customers"]), Row(b, TABLES[shared]))
            return f"customers AS {a} {join} {shared} AS {b}{using}", sources
        text, row = self.table()
        return text, (row,)

    def number(self, rows: tuple[Row, ...]) -> str:
        found = [f"{row.alias}.{name}" for row in rows for name, kind in row.columns.items() if kind == "int"]
        return self.pick("1", *found)

    def column(self, rows: tuple[Row, ...]) -> str:
        found = [(row.alias, name) for row in rows for name, kind in row.columns.items() if kind == "text"]
        if not found:
            return "'none'"
        alias, name = self.pick(*found)
        # A bare name may be ambiguous: then the server refuses the query.
        return self.pick(f"{alias}.{name}", f"{alias}.{name}", name)

    def condition(self, depth: int, rows: tuple[Row, ...]) -> str:
        a = self.column(rows)
        b = self.text(max(depth - 1, 0), rows)
        return self.pick(
            f"{a} LIKE '%1%'",
            f"{a} < {b}",
            f"{self.number(rows)} = 1",
            f"{a} IS NOT NULL",
            f"{a} IN ('x', {b})",
            "true",
        )

    def text(self, depth: int, rows: tuple[Row, ...]) -> str:
        """An expression of type text."""
        a = self.column(rows)
        if depth <= 0:
            return a
        b = self.text(depth - 1, rows)
        kind = self.pick("column", "compute", "compute", "pass", "pass", "row", "sub", "window")
        if kind == "column":
            return a
        if kind == "compute":
            return self.pick(
                f"({a} || {b})", f"upper({b})", f"left({b}, 9)", f"reverse({a})", f"concat({a}, 1, {b})",
                f"format('%s-%s', {a}, {b})", f"replace({b}, 'a', 'b')", f"length({b})::text", f"({a} = {b})::text",
                f"greatest({a}, {b})", f"nullif({a}, {b})", f"{a}::varchar(8)", f"substr({b}, 3)",
                f"array_to_string(ARRAY[{a}, {b}], ',')", f"(ARRAY[{a}, {b}])[1]", f"joined({a}, {b})", f"md5({b})",
                f"json_build_object('k', {a})::text", f"ROW({a}, {b})::text", f"COALESCE(ssn_of(1), {a})",
                f"xmlelement(name x, {a})::text", f"JSON_OBJECT('a': {b})::text", f"btrim({a}, '0')",
                f"regexp_replace({a}, '[0-9]', '')", f"JSON_ARRAY({a}, {b})::text",
            )  # fmt: skip
        if kind == "pass":
            return self.pick(
                f"COALESCE({a}, {b})", f"CASE WHEN {self.condition(depth - 1, rows)} THEN {a} ELSE {b} END",
                f"CAST({b} AS text)", f"{a}::varchar::text", f'({a} COLLATE "C")', f"({b})", f"CASE {a} WHEN 'x' THEN {b} END",
            )  # fmt: skip
        if kind == "row":
            row = self.pick(*rows) if rows else None
            if row is None:
                return a
            field = self.pick(*row.columns)
            return self.pick(
                f"row_to_json({row.alias})::text", f"{row.alias}::text", f"(to_jsonb({row.alias}) ->> '{field}')",
                f"({row.alias}).{field}::text", f"md5({row.alias}::text)", f"hash_record({row.alias})::text",
            )  # fmt: skip
        if kind == "window":
            # Not nested, not inside sub-queries: the server refuses it elsewhere than in a target list.
            return a
        return self.sub(depth, rows, a)

    def sub(self, depth: int, rows: tuple[Row, ...], a: str) -> str:
        source, row = self.table()
        inner = self.text(depth - 1, (row, *rows))
        where = self.condition(0, (row, *rows))
        return self.pick(
            f"(SELECT max({inner}) FROM {source} WHERE {where})",
            f"(SELECT string_agg({inner}, ',' ORDER BY {inner}) FROM {source} WHERE {where})",
            f"EXISTS (SELECT {inner} FROM {source} WHERE {where})::text",
            f"({a} IN (SELECT {inner} FROM {source}))::text",
            f"array_to_string(ARRAY(SELECT {inner} FROM {source} ORDER BY 1), ',')",
            f"(SELECT json_agg({row.alias} ORDER BY {row.alias})::text FROM {source})",
            f"(SELECT count(*)::text FROM {source} WHERE {where})",
            "(SELECT c.ssn FROM customers c WHERE c.id = 1)",
            f"(SELECT CASE WHEN {a} > '5' THEN c.email ELSE c.name END FROM customers c WHERE c.id = 2)",
        )

    def query(self, depth: int, rows: tuple[Row, ...], ctes: tuple[Row, ...]) -> tuple[str, dict[str, str]]:
        """A query, and the columns it gives."""
        kind = self.pick("select", "select", "select", "union", "with", "group") if depth else "select"
        if kind == "union":
            left, right = self.plain(depth - 1, ctes), self.plain(depth - 1, ctes)
            word = self.pick("UNION ALL", "UNION", "EXCEPT", "INTERSECT", "EXCEPT ALL")
            a, b = self.name("u"), self.text(1, ())
            both = f"(SELECT {left[1]} AS {a}, 1 AS n {left[0]}) {word} (SELECT {right[1]}, 1 {right[0]})"
            return (f"{both} {word} VALUES ({b}, 2)" if self.pick(True, False) else both), {
                a: "text",
                "n": "int",
            }
        if kind == "with":
            return self.with_query(depth, rows, ctes)
        if kind == "group":
            source, found = self.source(depth - 1, rows, ctes)
            key, value = self.column(found), self.text(1, found)
            k, v = self.name("k"), self.name("g")
            aggregate = self.pick("max", "min", "string_agg_", "count", "json_agg", "array_agg", "any_value_")
            call = {
                "string_agg_": f"string_agg({value}, ',' ORDER BY {value})",
                "any_value_": f"(array_agg({value} ORDER BY {value}))[1]",
            }.get(aggregate, f"{aggregate}({value})::text")
            if aggregate in ("json_agg", "array_agg"):
                call = f"{aggregate}({value} ORDER BY {value})::text"
            having = self.pick("", " HAVING count(*) > 0", f" HAVING max({value}) > '2'")
            return f"SELECT {key} AS {k}, {call} AS {v} FROM {source} GROUP BY {key}{having}", {
                k: "text",
                v: "text",
            }
        return self.select(depth, rows, ctes)

    def with_query(
        self, depth: int, rows: tuple[Row, ...], ctes: tuple[Row, ...]
    ) -> tuple[str, dict[str, str]]:
        name = self.name("w")
        kind = self.pick("plain", "recursive", "returning")
        if kind == "plain":
            text, columns = self.query(depth - 1, (), ctes)
            body, out = self.query(depth - 1, rows, (*ctes, Row(name, columns)))
            return f"WITH {name} AS ({text}) {body}", out
        if kind == "recursive":
            start, grown = (
                self.text(1, (Row("c", TABLES["customers"]),)),
                self.text(1, (Row(name, {"a": "text"}),)),
            )
            other = self.column((Row("o", TABLES["orders"]),))
            text = (
                f"SELECT 1, {start}, 'x' FROM customers c UNION ALL "
                f"SELECT n + 1, {name}.b, {grown} || {other} FROM {name}, orders o WHERE n < 3"
            )
            body, out = self.query(
                depth - 1, rows, (*ctes, Row(name, {"n": "int", "a": "text", "b": "text"}))
            )
            return f"WITH RECURSIVE {name}(n, a, b) AS ({text}) {body}", out
        body, out = self.query(depth - 1, rows, ctes)
        return f"WITH {name} AS MATERIALIZED (SELECT 1) {body}", out

    def plain(self, depth: int, ctes: tuple[Row, ...]) -> tuple[str, str]:
        source, found = self.source(depth, (), ctes)
        return f"FROM {source} WHERE {self.condition(depth, found)}", self.text(1, found)

    def select(self, depth: int, rows: tuple[Row, ...], ctes: tuple[Row, ...]) -> tuple[str, dict[str, str]]:
        source, found = self.source(depth, rows, ctes)
        where = f" WHERE {self.condition(depth, found)}" if self.pick(True, False) else ""
        outputs, columns = [], {}
        for _ in range(self.draw(st.integers(1, 3))):
            name, text = self.name("x"), self.text(depth, found)
            if self.pick(False, False, False, True):
                text = self.pick(
                    f"lag({text}) OVER (ORDER BY {self.number(found)}, {self.column(found)})",
                    f"(rank() OVER (ORDER BY {text}))::text",
                    f"max({text}) OVER ()",
                    f"(count(*) OVER (PARTITION BY {self.column(found)}))::text",
                )
            outputs.append(f"{text} AS {name}")
            columns[name] = "text"
        distinct = self.pick("", "", "DISTINCT ")
        return f"SELECT {distinct}{', '.join(outputs)} FROM {source}{where}", columns

    def statement(self) -> str:
        kind = self.pick("query", "query", "star", "row_star", "returning", "values")
        if kind == "star":
            source, found = self.source(2, (), ())
            return f"SELECT {self.pick('*', f'{found[0].alias}.*', f'{found[-1].alias}.*, 1')} FROM {source}"
        if kind == "row_star":
            source, row = self.table()
            return f"SELECT ({row.alias}).* FROM {source}"
        if kind == "values":
            return f"VALUES ({self.text(2, ())}, 1), ({self.text(2, ())}, 2)"
        if kind == "returning":
            return self.change()
        return self.query(3, (), ())[0]

    def change(self) -> str:
        orders, customers = Row("orders", TABLES["orders"]), Row("c", TABLES["customers"])
        value, back = self.text(2, (customers,)), self.text(1, (orders,))
        star = self.pick("*", f"{back} AS r", "note, id", "orders")
        return self.pick(
            f"INSERT INTO orders (id, note) SELECT c.id + 100, {value} FROM customers c RETURNING {star}",
            f"INSERT INTO orders (id, note) SELECT c.id, {value} FROM customers c "
            f"ON CONFLICT (id) DO UPDATE SET note = excluded.note || orders.note RETURNING {star}",
            f"UPDATE orders SET note = {value} FROM customers c WHERE c.id = orders.id RETURNING {star}, old.note, new.note, c.*",
            f"UPDATE orders SET (note, total) = (SELECT {value}, 1 FROM customers c WHERE c.id = orders.id) RETURNING {star}",
            f"DELETE FROM orders USING customers c WHERE c.id = customer_id RETURNING {star}, c.ssn",
            f"WITH d AS (DELETE FROM orders RETURNING *) SELECT d.*, {value} FROM d, customers c",
            f"MERGE INTO orders USING customers c ON c.id = orders.id WHEN MATCHED THEN UPDATE SET note = {value} "
            f"WHEN NOT MATCHED THEN INSERT (id, note) VALUES (c.id, c.card) RETURNING *",
        )


@st.composite
def statements(draw: st.DrawFn) -> str:
    """One statement that returns rows."""
    return Writer(draw).statement()


@dataclass(frozen=True)
class Answer:
    """What the server gave: names, origins as (oid, attnum), and rows."""

    names: list[str]
    origins: list[tuple[int, int]]
    rows: list[tuple[Any, ...]]


def run(connection: psycopg.Connection, text: str) -> Answer:
    with connection.cursor(row_factory=tuple_row) as cursor:
        cursor.execute(text.encode(), prepare=False)
        result = cursor.pgresult
        assert result is not None
        columns = range(result.nfields)
        rows = [
            tuple(None if (v := result.get_value(r, c)) is None else v.decode() for c in columns)
            for r in range(result.ntuples)
        ]
        names = [(result.fname(c) or b"").decode() for c in columns]
        return Answer(names, [(result.ftable(c), result.ftablecol(c)) for c in columns], rows)


def shown(value: str) -> set[str]:
    """The columns whose marks show in a value, in whole or in part, as they are or turned about."""
    lowered = value.lower()
    return {PIECES[p] for i in range(len(lowered) - PIECE + 1) if (p := lowered[i : i + PIECE]) in PIECES}


def names(columns: frozenset[Column]) -> set[str]:
    return {str(column) for column in columns}


def check_marks(output: OutputColumn, values: list[str | None]) -> None:
    direct, derived = names(output.direct), names(output.derived)
    for value in values:
        for column in shown(value) if value is not None else ():
            assert column in direct | derived, f"{value} of {column} in output `{output.name}`"
            if column not in derived:
                assert value in WHOLE, f"`{output.name}` holds but a part of {column}: {value}"


def check_interference(
    connection: psycopg.Connection,
    text: str,
    outputs: tuple[OutputColumn, ...],
    filtered: set[str],
    column: str,
) -> None:
    if column in filtered:
        return
    table, name = column.rsplit(".", 1)
    connection.execute(f"UPDATE {table} SET {name} = {name}".encode())
    before = column_values(run_inside(connection, text))
    connection.execute(f"UPDATE {table} SET {name} = left(md5({name}), 16)".encode())
    after = column_values(run_inside(connection, text))
    for output, old, new in zip(outputs, before, after, strict=True):
        if column not in names(output.direct | output.derived):
            assert old == new, f"`{output.name}` depends on {column}"


def run_inside(connection: psycopg.Connection, text: str) -> Answer:
    connection.execute("SAVEPOINT s")
    answer = run(connection, text)
    connection.execute("ROLLBACK TO s")
    return answer


def column_values(answer: Answer) -> list[list[str]]:
    return [sorted(repr(row[c]) for row in answer.rows) for c in range(len(answer.names))]


def check(
    connection: psycopg.Connection, catalogue: Catalogue, session: Settings, text: str, column: str
) -> bool:
    """Compares claim and truth; `False` where the server refuses the statement."""
    connection.execute("BEGIN")
    try:
        try:
            answer = run(connection, text)
        except psycopg.Error:
            return False
        analysis = analyse(text, catalogue, session)
        assert not analysis.facts["opaque"], analysis.facts["opaque_reason"]
        (outputs,) = analysis.outputs
        assert [output.name for output in outputs] == answer.names
        for index, output in enumerate(outputs):
            check_marks(output, [row[index] for row in answer.rows])
            oid, attnum = answer.origins[index]
            if oid and attnum:
                assert (oid, attnum) in {(c.table_oid, c.attnum) for c in output.direct}, output.name
        connection.execute("ROLLBACK")
        connection.execute("BEGIN")
        check_interference(connection, text, outputs, names(analysis.selecting), column)
        return True
    finally:
        connection.execute("ROLLBACK")


@examples(
    max_examples=500,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(text=statements(), column=st.sampled_from(MARKED))
def test_what_comes_out_is_what_was_claimed(
    connection: psycopg.Connection, catalogue: Catalogue, settings: Settings, text: str, column: str
) -> None:
    event("accepted" if check(connection, catalogue, settings, text, column) else "refused")
