"""Schemas as SQL: what they make names mean, and that a real server reads them the same way."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import psycopg
import pytest
from tests.engine.facts.conftest import SCHEMA as SERVER_SCHEMA
from tests.support.postgres import PostgresServer

from doorward.author.testing.schema import catalogue_of
from doorward.facts.postgres import Settings, analyse
from doorward.facts.postgres.catalogue import (
    SYSTEM_SCHEMAS,
    CatalogueDocument,
    CatalogueError,
    Relation,
)
from doorward_gateway.postgres.catalogue import (
    CATALOGUE_BEGIN,
    CATALOGUE_END,
    CATALOGUE_QUERIES,
    catalogue_document,
)

SCHEMA = """
SET statement_timeout = 0;
SELECT pg_catalog.set_config('search_path', '', false);
CREATE SCHEMA hr;
CREATE TABLE hr.people (
    id serial PRIMARY KEY, name varchar(20) NOT NULL, salary numeric(10, 2)[], joined timestamptz DEFAULT now(),
    double_id int GENERATED ALWAYS AS (id * 2) STORED
);
CREATE TABLE public.customers (id int, ssn text, email text, CONSTRAINT c CHECK (id > 0));
ALTER TABLE ONLY public.customers ADD CONSTRAINT p PRIMARY KEY (id);
ALTER TABLE public.customers OWNER TO postgres;
ALTER TABLE customers ADD COLUMN card text, DROP COLUMN IF EXISTS nothing;
CREATE INDEX ON customers (ssn);
COMMENT ON TABLE customers IS 'x';
CREATE VIEW names AS SELECT p.name, upper(c.email) AS mail FROM hr.people p JOIN customers c USING (id);
CREATE VIEW renamed (a, b) AS WITH customers AS (SELECT ssn, card FROM public.customers) SELECT ssn, card FROM customers;
CREATE OR REPLACE VIEW renamed (a, b) AS SELECT ssn, email FROM customers;
CREATE VIEW over AS SELECT a FROM renamed;
CREATE MATERIALIZED VIEW kept AS SELECT ssn FROM customers;
CREATE TABLE events (at timestamptz, who text) PARTITION BY RANGE (at);
CREATE TABLE events_1 PARTITION OF events FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
CREATE TABLE alike (LIKE customers, more int);
CREATE FUNCTION all_customers(lowest int DEFAULT 0) RETURNS SETOF customers LANGUAGE sql STABLE
    AS $$ SELECT * FROM public.customers WHERE id >= $1 $$;
CREATE FUNCTION touched() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
CREATE TRIGGER t BEFORE INSERT ON customers FOR EACH ROW EXECUTE FUNCTION touched();
CREATE SEQUENCE numbers;
CREATE TYPE mood AS ENUM ('a', 'b');
GRANT SELECT ON customers TO PUBLIC;
"""


@pytest.mark.parametrize(
    ("statement", "returned"),
    [
        ("select ssn from customers", ["customers.ssn"]),
        ("select card from customers", ["customers.card"]),
        ("select name, double_id from hr.people", ["hr.people.double_id", "hr.people.id", "hr.people.name"]),
        ("select name from names", ["hr.people.name", "names.name"]),
        ("select mail from names", ["customers.email", "names.mail"]),
        ("select a from over", ["customers.ssn", "over.a", "renamed.a"]),
        ("select b from renamed", ["customers.email", "renamed.b"]),
        ("select ssn from kept", ["customers.ssn", "kept.ssn"]),
        ("select who from events_1", ["events.who", "events_1.who"]),
        ("select card, more from alike", ["alike.card", "alike.more"]),
        (
            "select email from all_customers()",
            ["customers.card", "customers.email", "customers.id", "customers.ssn"],
        ),
        ("select count(*) from customers", []),
        ("select nextval('numbers')", []),
    ],
)
def test_names(statement: str, returned: list[str]) -> None:
    facts = analyse(statement, catalogue_of(SCHEMA), Settings()).facts
    assert (facts["opaque_reason"], facts["columns_returned"]) == ("", returned)


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ("create tabl x", "the schema is not SQL"),
        ("create table a.b (x int)", "there is no schema `a`"),
        ("create table x (a int, a text)", "the column `a` of `public.x` is given twice"),
        ("create table x (a int); create table x (b int)", "the relation `public.x` is created twice"),
        ("create view v as select * from nothing", "the query of `public.v` cannot be read"),
        ("create table x (a int) inherits (nothing)", "there is no relation `public.nothing` so far"),
        ("do $$ begin end $$", "a schema for tests cannot hold `DO"),
        ("alter table only x alter column a type text", "there is no relation"),
        ("create function f() returns int return 1", "has no body in quotes"),
        ("select " + "(" * 5000, "the schema is not SQL"),
        (";" * 1_000_001, "longer than"),
    ],
)
def test_what_cannot_be_taken_is_refused(schema: str, said: str) -> None:
    with pytest.raises(CatalogueError, match=said.replace("(", r"\(").replace("$", r"\$")):
        catalogue_of(schema)


def test_the_same_schema_is_the_same_catalogue() -> None:
    assert catalogue_of(SCHEMA).hash == catalogue_of(SCHEMA + " ").hash
    assert catalogue_of(SCHEMA).hash != catalogue_of("create table x (a int)").hash


def test_a_server_makes_the_same_of_it() -> None:
    """The statements, run on a server whose catalogue is then read as a gateway reads it."""
    server = PostgresServer.start()
    try:
        with psycopg.connect(server.dsn(), autocommit=True) as connection:
            connection.execute("create database other")
        for schema, database in ((SERVER_SCHEMA, "postgres"), (SCHEMA, "other")):
            compare(schema, f"{server.dsn()} dbname={database}")
    finally:
        server.stop()


def compare(schema: str, dsn: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(schema.replace("set_config('search_path', '', false)", "version()").encode())
        for statement in CATALOGUE_BEGIN:
            connection.execute(statement.encode())
        rows = {
            name: [row[0] for row in connection.execute(query.encode())]
            for name, query in CATALOGUE_QUERIES.items()
        }
        connection.execute(CATALOGUE_END)
    real = CatalogueDocument.model_validate_json(catalogue_document(rows).json)
    ours = catalogue_of(schema)
    assert described(ours.user_relations) == described(real.relations)
    functions = [function for function in real.functions if function.schema not in SYSTEM_SCHEMAS]
    assert functions
    for function in functions:
        mine = [other._replace(body=None) for other in ours.functions(function.schema, function.name)]
        assert mine == [function._replace(body=None)]
    assert [ours.operators(operator.name) for operator in real.operators] == [[o] for o in real.operators]


def described(relations: Iterable[Relation]) -> dict[str, Any]:
    """What of relations does not depend on the order in which a server numbers things."""
    names = {relation.oid: relation.name for relation in relations}
    return {
        f"{relation.schema}.{relation.name}": (
            relation.kind,
            [
                (column.name, column.attnum, column.type, bool(column.generated))
                for column in relation.columns
            ],
            sorted(names[oid] for oid in relation.parents),
            relation.rules,
            relation.triggers,
            relation.definition is not None,
        )
        for relation in relations
        if relation.schema not in SYSTEM_SCHEMAS and relation.kind in "rpmvf"
    }
