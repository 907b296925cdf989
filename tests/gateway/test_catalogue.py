"""The catalogue document: the same schema gives the same bytes, a change gives others, and the engine takes it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import psycopg
import pytest
from tests.support.postgres import PostgresServer

from doorward_gateway.postgres.catalogue import (
    CATALOGUE_BEGIN,
    CATALOGUE_END,
    CATALOGUE_QUERIES,
    CatalogueText,
    catalogue_document,
)

from doorward.facts.postgres.catalogue import Catalogue, CatalogueError  # isort: skip

Rows = dict[str, list[str]]


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with PostgresServer.start() as running:
        yield running


@pytest.fixture
def connection(server: PostgresServer) -> Iterator[psycopg.Connection]:
    with psycopg.connect(server.dsn(), autocommit=True) as opened:
        opened.execute("DROP SCHEMA public CASCADE; DROP SCHEMA IF EXISTS hr CASCADE; CREATE SCHEMA public")
        yield opened


def rows_of(connection: psycopg.Connection) -> Rows:
    for statement in CATALOGUE_BEGIN:
        connection.execute(statement)
    rows = {name: [row[0] for row in connection.execute(query)] for name, query in CATALOGUE_QUERIES.items()}
    connection.execute(CATALOGUE_END)
    return rows


def read(connection: psycopg.Connection) -> CatalogueText:
    return catalogue_document(rows_of(connection))


def test_the_engine_reads_what_the_gateway_wrote(connection: psycopg.Connection) -> None:
    connection.execute("""
        CREATE SCHEMA hr;
        CREATE TABLE hr.people (id int, "Odd name" varchar(9), gone int, twice int GENERATED ALWAYS AS (id * 2) STORED);
        ALTER TABLE hr.people DROP COLUMN gone;
        CREATE VIEW shown AS SELECT "Odd name" AS odd FROM hr.people;
        CREATE FUNCTION f(a int, b text DEFAULT 'x', VARIADIC c int[] DEFAULT '{}') RETURNS TABLE (x int, y text)
            LANGUAGE sql VOLATILE AS 'SELECT 1, b';
    """)
    text = read(connection)
    catalogue = Catalogue.from_json(text.json)
    assert catalogue.hash == text.hash == hashlib.sha256(text.json).hexdigest()
    assert (catalogue.database, catalogue.server_version // 10_000) == ("postgres", 18)
    people = catalogue.relation("hr", "people")
    assert people is not None
    assert [tuple(column) for column in people.columns] == [
        ("id", 1, "integer", ""),
        ("Odd name", 2, "character varying", ""),
        ("twice", 4, "integer", "(id * 2)"),
    ]
    shown = catalogue.relation("public", "shown")
    assert shown is not None
    assert "hr.people" in (shown.definition or "")
    (function,) = catalogue.functions("public", "f")
    assert (function.volatility, function.returns_set, function.columns) == ("v", True, ("x", "y"))
    assert [n for n in range(5) if function.takes(n)] == [1, 2, 3, 4]
    assert catalogue.relation("pg_catalog", "pg_class")
    assert catalogue.functions("pg_catalog", "lower")


def test_order_of_rows_does_not_show(connection: psycopg.Connection) -> None:
    rows = rows_of(connection)
    turned = {name: list(reversed(found)) for name, found in rows.items()}
    assert catalogue_document(rows) == catalogue_document(turned)
    as_bytes = {name: [row.encode() for row in found] for name, found in rows.items()}
    assert catalogue_document(rows) == catalogue_document(as_bytes)
    assert read(connection) == read(connection)


@pytest.mark.parametrize(
    "change",
    [
        "CREATE TABLE t (a int)",
        "ALTER TABLE base ADD COLUMN b int",
        "ALTER TABLE base RENAME a TO c",
        "ALTER TABLE base ALTER a TYPE text",
        "CREATE OR REPLACE VIEW shown AS SELECT a + 0 AS a FROM base",
        "CREATE OR REPLACE FUNCTION f() RETURNS int LANGUAGE sql STABLE AS 'SELECT 2'",
        "ALTER FUNCTION f() VOLATILE",
        "CREATE RULE r AS ON INSERT TO base DO INSTEAD NOTHING",
        "CREATE OPERATOR === (LEFTARG = int, RIGHTARG = int, FUNCTION = int4eq)",
        "CREATE TABLE child () INHERITS (base)",
        "ALTER TABLE base ADD b int GENERATED ALWAYS AS (a + 1) STORED",
        "CREATE TRIGGER t BEFORE UPDATE ON base FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()",
        "CREATE TEMP TABLE base (other int)",
    ],
)
def test_every_change_that_matters_shows_in_the_hash(connection: psycopg.Connection, change: str) -> None:
    connection.execute("""
        CREATE TABLE base (a int);
        CREATE VIEW shown AS SELECT 1 AS a;
        CREATE FUNCTION f() RETURNS int LANGUAGE sql STABLE AS 'SELECT 1';
    """)
    if "ALTER a TYPE" in change or "RENAME" in change:
        connection.execute("DROP VIEW shown")
    before = read(connection)
    connection.execute(change.encode())
    assert read(connection).hash != before.hash


def test_temporary_relations_are_the_sessions_own(
    server: PostgresServer, connection: psycopg.Connection
) -> None:
    connection.execute("CREATE TABLE orders (note text); CREATE TEMP VIEW orders AS SELECT 'x' AS note")
    assert Catalogue.from_json(read(connection).json).relation("pg_temp", "orders")
    with psycopg.connect(server.dsn(), autocommit=True) as other:
        assert Catalogue.from_json(read(other).json).relation("pg_temp", "orders") is None


def test_an_answer_that_is_no_catalogue_is_refused() -> None:
    whole: Rows = {"server": ['[180000, "x"]'], "relations": [], "functions": [], "operators": []}
    assert Catalogue.from_json(catalogue_document(whole).json).database == "x"
    with pytest.raises(ValueError, match="`functions` is missing"):
        catalogue_document({name: rows for name, rows in whole.items() if name != "functions"})
    with pytest.raises(ValueError, match="`server` must return one row"):
        catalogue_document({**whole, "server": []})


@pytest.mark.parametrize(
    ("document", "place"),
    [
        (b"", "not valid"),
        (b"[]", "not valid"),
        (
            b'{"format": 2, "server_version": 1, "database": "x", "relations": [], "functions": []}',
            "`format`",
        ),
        (
            b'{"server_version": 1, "database": "x", "relations": [["s", "n"]], "functions": []}',
            "`relations.0",
        ),
    ],
)
def test_the_engine_says_what_is_wrong_with_a_document(document: bytes, place: str) -> None:
    with pytest.raises(CatalogueError, match=place):
        Catalogue.from_json(document)
