"""Clients look around before they work: what they send must be understood, and be read-only."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Iterator

import asyncpg
import psycopg
import pytest
from psycopg.types.composite import CompositeInfo
from psycopg.types.enum import EnumInfo
from tests.support.postgres import PostgresServer

from doorward.facts.postgres import Catalogue, Settings, analyse

Logged = Callable[[], list[str]]

COMMANDS = r"""
\l+ \d \d+ \dt+ \df+ \du+ \dn+ \dp \dT+ \di+ \dv+ \ds+ \dx+ \db+ \dC \dD \dF+ \do \dO \dL \dy \ddp
\drds \dRp \dRs \dA+ \dc \det \dew \des \deu \dX \dP+ \dd \z \drg \dm+ \dconfig
""".split()  # noqa: SIM905
COMMANDS += [
    rf"\d+ {name}"
    for name in ("customers", "v_nested", "parts", "parts_1", "hr.people", "places", "derived", "pg_class")
]
COMMANDS += [r"\sf ssn_of", r"\sv v_customers", r"\dt+ *.*", r"\df pg_catalog.lower"]


@pytest.fixture
def statements_logged(server: PostgresServer, connection: psycopg.Connection) -> Iterator[Logged]:
    """Everything that the server was asked since, when called."""
    connection.execute("ALTER SYSTEM SET log_statement = 'all'")
    connection.execute("SELECT pg_reload_conf()")
    connection.execute("SELECT pg_sleep(0.1)")
    log = server.root / "log"
    start = log.stat().st_size

    def logged() -> list[str]:
        entries = re.split(r"\n(?=\d{4}-\d\d-\d\d )", log.read_bytes()[start:].decode())
        found = [re.search(r"LOG:  (?:statement|execute [^:]*): (.*)", entry, re.DOTALL) for entry in entries]
        return [match[1] for match in found if match]

    yield logged
    connection.execute("ALTER SYSTEM RESET log_statement")
    connection.execute("SELECT pg_reload_conf()")


def refused(statements: list[str], catalogue: Catalogue, settings: Settings) -> list[tuple[str, str]]:
    """Statements that a policy of `allow if sql.read_only` would refuse, and why."""
    found = [(text, analyse(text, catalogue, settings).facts) for text in statements]
    return [(facts["opaque_reason"], text) for text, facts in found if not facts["read_only"]]


def test_psql(
    server: PostgresServer, connection: psycopg.Connection, catalogue: Catalogue, settings: Settings
) -> None:
    done = subprocess.run(
        [str(server.binaries / "psql"), "-X", "-E", "-f", "-", server.dsn()],
        input="\n".join(COMMANDS),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    queries = re.findall(r"^/\*+ QUERY \*+/\n(.*?)\n/\*+/$", done.stdout, re.DOTALL | re.MULTILINE)
    assert len(queries) > 80, done.stdout[:2000] + done.stderr[:2000]
    assert refused(queries, catalogue, settings) == []


async def test_asyncpg(
    server: PostgresServer, statements_logged: Logged, catalogue: Catalogue, settings: Settings
) -> None:
    client = await asyncpg.connect(database="postgres", **_parts(server))
    try:
        await client.fetch("SELECT home FROM places")
        await client.fetch("SELECT $1::address", ("a", "b"))
        async with client.transaction():
            assert [row async for row in client.cursor("SELECT id FROM customers")]
        await client.reset()
    finally:
        await client.close()
    statements = statements_logged()
    assert len(statements) > 6
    assert refused(statements, catalogue, settings) == []


def _parts(server: PostgresServer) -> dict[str, object]:
    return {"host": server.host, "port": server.port, "user": server.superuser, "password": server.password}


def test_psycopg(
    server: PostgresServer, statements_logged: Logged, catalogue: Catalogue, settings: Settings
) -> None:
    with psycopg.connect(server.dsn()) as client:
        assert CompositeInfo.fetch(client, "address")
        assert EnumInfo.fetch(client, "address")
        client.execute("SELECT * FROM customers WHERE id = %s", [1], prepare=True).fetchall()
    statements = statements_logged()
    assert len(statements) > 4
    assert refused(statements, catalogue, settings) == []


def test_pg_dump(
    server: PostgresServer, statements_logged: Logged, catalogue: Catalogue, settings: Settings
) -> None:
    subprocess.run(
        [str(server.binaries / "pg_dump"), "-s", server.dsn()], capture_output=True, timeout=60, check=True
    )
    statements = statements_logged()
    assert len(statements) > 40
    prepared = {m[1].lower(): text for text in statements if (m := re.match(r"PREPARE (\w+)", text))}
    session = Settings(user="postgres", database="postgres", prepared=prepared)
    assert [text for text in statements if analyse(text, catalogue, session).facts["opaque"]] == []
