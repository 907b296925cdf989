"""Everything else that goes over the wire: COPY, notifications, schema changes, settings, many rows, many sessions."""

from __future__ import annotations

import asyncio
import os
import subprocess
from typing import Any

import asyncpg
import psycopg
import pytest
from tests.support.postgres import bin_dir


def test_copy_both_ways(shop: Any) -> None:
    with shop.connect("wes") as connection:
        cursor = connection.cursor()
        connection.execute("create table copied (a int, b text)")
        with cursor.copy("copy copied from stdin") as copy:
            for number in range(20_000):
                copy.write_row((number, "x" * 50))
        assert cursor.rowcount == 20_000
        with cursor.copy("copy copied to stdout") as copy:
            assert sum(len(bytes(chunk).splitlines()) for chunk in copy) == 20_000
        with (
            pytest.raises(psycopg.errors.InvalidTextRepresentation),
            cursor.copy("copy copied (a) from stdin") as copy,
        ):
            copy.write("not a number\n")
        assert connection.execute("select count(*) from copied").fetchone() == (20_000,)


async def test_copy_with_asyncpg(shop: Any) -> None:
    connection = await asyncpg.connect(
        host="127.0.0.1",
        port=shop.port,
        database="shop",
        user="wes",
        password=shop.credential("wes"),
        ssl=False,
    )
    try:
        await connection.execute("create table records (a int, b text)")
        await connection.copy_records_to_table("records", records=[(n, str(n)) for n in range(1000)])
        assert await connection.fetchval("select sum(a) from records") == 499_500
        await connection.executemany("insert into records values ($1, $2)", [(n, "many") for n in range(100)])
        assert await connection.fetchval("select count(*) from records where b = 'many'") == 100
    finally:
        await connection.close()


async def test_notifications_arrive(shop: Any) -> None:
    connection = await asyncpg.connect(
        host="127.0.0.1",
        port=shop.port,
        database="shop",
        user="wes",
        password=shop.credential("wes"),
        ssl=False,
    )
    arrived: asyncio.Queue[str] = asyncio.Queue()
    try:
        await connection.add_listener("news", lambda *message: arrived.put_nowait(message[-1]))
        await connection.execute("notify news, 'hello'")
        assert await asyncio.wait_for(arrived.get(), 10) == "hello"
    finally:
        await connection.close()


def test_a_table_can_be_used_as_soon_as_it_is_made(shop: Any) -> None:
    with shop.connect("wes", autocommit=False) as connection:
        connection.execute("create table fresh (a int)")
        connection.execute("insert into fresh values (1)")
        assert connection.execute("select * from fresh").fetchall() == [(1,)]
        connection.rollback()
        connection.execute("create temp table fresh (b text)")
        connection.execute("insert into fresh values ('x')")
        connection.commit()
        assert connection.execute("select b from fresh").fetchall() == [("x",)]
    shop.server.psql("create table made_behind_the_gateway (a int)")
    with shop.connect("ada") as connection:
        connection.execute("select 1")
        assert connection.execute("select * from made_behind_the_gateway").fetchall() == []


def test_search_path_is_followed(shop: Any) -> None:
    shop.server.psql(
        "create schema if not exists side; create table if not exists side.customers (ssn text, own int)"
    )
    with shop.connect("mallory") as connection:
        assert connection.execute("select * from customers where id = 1").fetchall()
        connection.execute("set search_path = side, public")
        assert connection.execute("select own from customers").fetchall() == []
        with connection.pipeline():
            connection.execute("set search_path = public")
            rows = connection.execute("select ssn from customers where id = 1")
            assert rows.fetchall() == [("*******8841",)]


def test_many_rows_and_large_values(shop: Any) -> None:
    with shop.connect("ada") as connection:
        rows = connection.execute("select n, repeat('x', 100) from generate_series(1, 50000) n").fetchall()
        assert len(rows) == 50_000
        (value,) = connection.execute("select repeat('y', 30000000)").fetchone()
        assert len(value) == 30_000_000


async def test_sessions_side_by_side(shop: Any) -> None:
    passwords = [await asyncio.to_thread(shop.credential, "mia") for _ in range(12)]

    async def one(password: str) -> list[Any]:
        connection = await asyncpg.connect(
            host="127.0.0.1", port=shop.port, database="shop", user="mia", password=password, ssl=False
        )
        try:
            return [
                await connection.fetchval("select ssn from customers where id = $1", 1) for _ in range(20)
            ]
        finally:
            await connection.close()

    for values in await asyncio.gather(*map(one, passwords)):
        assert values == ["*******8841"] * 20


def run(shop: Any, tool: str, *arguments: str) -> str:
    """What a tool of PostgreSQL's own prints, run through the gateway."""
    done = subprocess.run(
        [str(bin_dir() / tool), "-h", "127.0.0.1", "-p", str(shop.port), "-U", "wes", *arguments, "shop"],
        env={**os.environ, "PGPASSWORD": shop.credential("wes")},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ["-i", "-I", "tgvp", "-q"],
        ["-t", "20", "-M", "simple"],
        ["-t", "20", "-M", "extended", "-S"],
        ["-t", "20", "-M", "prepared"],
    ],
)
def test_pgbench_runs(shop: Any, arguments: list[str]) -> None:
    run(shop, "pgbench", "-n", *arguments)


def test_pg_dump_dumps_the_same(shop: Any) -> None:
    def lines(dump: str) -> list[str]:
        return [line for line in dump.splitlines() if "restrict" not in line]  # a random word in every dump

    direct = subprocess.run(
        [str(bin_dir() / "pg_dump"), shop.server.dsn()],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert lines(run(shop, "pg_dump")) == lines(direct.stdout)
