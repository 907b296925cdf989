"""One server for all tests of facts, with a schema in which every text is a mark of the column it stands in."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import psycopg
import pytest
from tests.support.postgres import PostgresServer

from doorward.facts.postgres import Catalogue, Settings
from doorward_gateway.postgres.catalogue import (
    CATALOGUE_BEGIN,
    CATALOGUE_END,
    CATALOGUE_QUERIES,
    catalogue_document,
)

SCHEMA = """
CREATE SCHEMA hr;
CREATE TABLE customers (id int PRIMARY KEY, name text, ssn text, card varchar(40), email text);
CREATE TABLE orders (id int PRIMARY KEY, customer_id int, total numeric, note text);
CREATE TABLE traces (id bigint PRIMARY KEY, run text, body jsonb);
CREATE TABLE hr.people (id int PRIMARY KEY, ssn text, boss int);
CREATE TABLE parts (id int, secret text, k int) PARTITION BY RANGE (k);
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (10);
CREATE TABLE parts_2 PARTITION OF parts FOR VALUES FROM (10) TO (20);
CREATE TABLE base (id int, secret text);
CREATE TABLE derived (extra text) INHERITS (base);
CREATE TYPE address AS (street text, city text);
CREATE TABLE places (id int PRIMARY KEY, home address, tags text[], upper_name text GENERATED ALWAYS AS (md5('x')) STORED);
CREATE TABLE audited (id int, what text);
CREATE TABLE audit_log (id int, what text);
CREATE RULE log_it AS ON INSERT TO audited DO ALSO INSERT INTO audit_log VALUES (NEW.id, NEW.what);
CREATE VIEW v_customers AS SELECT id, name AS who, ssn AS number, upper(email) AS mail FROM customers;
CREATE VIEW v_nested AS
    SELECT v.id, v.number, o.note, (SELECT max(card) FROM customers) AS top
    FROM v_customers v LEFT JOIN orders o ON o.customer_id = v.id;
CREATE MATERIALIZED VIEW m_customers AS SELECT id, ssn FROM customers;
CREATE FUNCTION ssn_of(i int) RETURNS text LANGUAGE sql STABLE AS 'SELECT ssn FROM customers WHERE id = i';
CREATE FUNCTION ssn_in_code(i int) RETURNS text LANGUAGE plpgsql STABLE
    AS 'BEGIN RETURN (SELECT ssn FROM customers WHERE id = i); END';
CREATE FUNCTION joined(a text, b text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT a || b';
CREATE FUNCTION everyone() RETURNS TABLE (who text, number text) LANGUAGE sql STABLE AS 'SELECT name, ssn FROM customers';
CREATE FUNCTION peek(text, text) RETURNS boolean LANGUAGE plpgsql AS 'BEGIN RAISE NOTICE ''%'', $1; RETURN true; END';
CREATE OPERATOR === (LEFTARG = text, RIGHTARG = text, FUNCTION = peek);
CREATE FUNCTION in_code(text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN $1; END';
CREATE TABLE computed (id int, ssn text, last4 text GENERATED ALWAYS AS (right(ssn, 4)) STORED,
    one int GENERATED ALWAYS AS (1) STORED, coded text GENERATED ALWAYS AS (in_code('x')) STORED);
CREATE VIEW v_computed AS SELECT id, last4 AS shown FROM computed;
CREATE TABLE triggered (id int, secret text, note text);
CREATE FUNCTION copy_secret() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.note := NEW.secret; RETURN NEW; END';
CREATE TRIGGER copy BEFORE INSERT OR UPDATE ON triggered FOR EACH ROW EXECUTE FUNCTION copy_secret();
CREATE VIEW v_triggered AS SELECT id, note FROM triggered;
CREATE FOREIGN DATA WRAPPER nowhere;
CREATE SERVER far FOREIGN DATA WRAPPER nowhere;
CREATE FOREIGN TABLE far_away (id int, ssn text) SERVER far;
CREATE TABLE measures (id int, at int) PARTITION BY RANGE (at);
CREATE FOREIGN TABLE measures_far PARTITION OF measures FOR VALUES FROM (0) TO (10) SERVER far;
"""


def mark(column: str, row: int) -> str:
    """A text that stands in one row of one column only; any six characters of it tell which."""
    return hashlib.sha256(f"{column}/{row}".encode()).hexdigest()[:16]


def fill(connection: psycopg.Connection) -> None:
    """Three rows a table, every text a mark."""
    for row in (1, 2, 3):
        texts = [mark(f"customers.{name}", row) for name in ("name", "ssn", "card", "email")]
        connection.execute("INSERT INTO customers VALUES (%s, %s, %s, %s, %s)", [row, *texts])
        connection.execute(
            "INSERT INTO orders VALUES (%s, %s, %s, %s)",
            [row, row % 2 + 1, row * 10, mark("orders.note", row)],
        )
        connection.execute("INSERT INTO hr.people VALUES (%s, %s, 1)", [row, mark("hr.people.ssn", row)])
        for k in (5, 15):
            connection.execute("INSERT INTO parts VALUES (%s, %s, %s)", [row, mark("parts.secret", row), k])


@pytest.fixture(scope="session")
def server() -> Iterator[PostgresServer]:
    """A server of its own."""
    with PostgresServer.start() as running:
        yield running


@pytest.fixture(scope="session")
def connection(server: PostgresServer) -> Iterator[psycopg.Connection]:
    """A connection to the database with the schema above."""
    with psycopg.connect(server.dsn(), autocommit=True) as opened:
        opened.execute(SCHEMA)
        fill(opened)
        opened.execute("REFRESH MATERIALIZED VIEW m_customers")
        yield opened


def read_catalogue(connection: psycopg.Connection) -> bytes:
    """The catalogue document of a live server."""
    for statement in CATALOGUE_BEGIN:
        connection.execute(statement)
    rows = {name: [row[0] for row in connection.execute(query)] for name, query in CATALOGUE_QUERIES.items()}
    connection.execute(CATALOGUE_END)
    return catalogue_document(rows).json


@pytest.fixture(scope="session")
def catalogue(connection: psycopg.Connection) -> Catalogue:
    """The catalogue of that database."""
    return Catalogue.from_json(read_catalogue(connection))


@pytest.fixture(scope="session")
def settings() -> Settings:
    """The session of `connection`."""
    return Settings(user="postgres", database="postgres")
