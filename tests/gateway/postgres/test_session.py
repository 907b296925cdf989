"""Real clients on a real server through a real gateway: letting in, deciding, refusing, ending."""

from __future__ import annotations

import threading
import time
from typing import Any

import asyncpg
import psycopg
import pytest

SECRET_ROWS = [(1, "Ada"), (2, "Bruno"), (3, "Chloe")]


@pytest.mark.parametrize("binary", [False, True])
@pytest.mark.parametrize("prepare", [False, True])
def test_a_reader_reads(shop: Any, binary: bool, prepare: bool) -> None:
    with shop.connect("ada") as connection:
        for _ in range(2):
            rows = connection.execute(
                "select id, name from customers where id <= %s order by id",
                (3,),
                binary=binary,
                prepare=prepare,
            ).fetchall()
            assert rows == SECRET_ROWS


async def test_asyncpg_reads(shop: Any) -> None:
    connection = await asyncpg.connect(
        host="127.0.0.1",
        port=shop.port,
        database="shop",
        user="ada",
        password=shop.credential("ada"),
        ssl=False,
    )
    try:
        statement = await connection.prepare(
            "select id, total from orders where customer_id = $1 order by id limit 2"
        )
        for _ in range(2):
            rows = await statement.fetch(2)
            assert [row["id"] for row in rows] == [1, 4]
        async with connection.transaction():
            assert await connection.fetchval("select count(*) from orders") == 500
    finally:
        await connection.close()


def test_psql_reads_and_describes(shop: Any) -> None:
    done = shop.psql("ada", "-At", "-c", "select id, name from customers order by id", "-c", "\\d orders")
    assert done.returncode == 0, done.stderr
    assert "2|Bruno" in done.stdout
    assert "customer_id|integer" in done.stdout


# --- blocking ---


BLOCKED = [
    "drop table orders",
    "DROP /* just a comment */ TABLE orders -- really",
    "with x as (select 1) select * from x; drop table orders",
    "begin; drop table orders; commit",
    "do $$ begin execute 'drop table orders'; end $$",
]


@pytest.mark.parametrize("statement", BLOCKED)
@pytest.mark.parametrize("who", ["wes", "ada"])
def test_a_dropped_table_is_blocked_and_the_session_goes_on(shop: Any, statement: str, who: str) -> None:
    with shop.connect(who) as connection:
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="doorward: blocked: ") as caught:
            connection.execute(statement)
        assert "decision" in (caught.value.diag.message_hint or "")
        assert connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
        assert connection.execute("select count(*) from orders").fetchone() == (500,)


def test_the_reason_and_the_place_are_told(shop: Any) -> None:
    with shop.connect("wes") as connection, pytest.raises(psycopg.errors.InsufficientPrivilege) as caught:
        connection.execute("drop table orders")
    assert caught.value.diag.message_primary == "doorward: blocked: tables are not dropped"
    assert "shop.ward:" in (caught.value.diag.message_detail or "")


REFUSED_BY_THE_SERVER_TOO = [
    "selec 1",
    "select 1 +",
    "select 'é' from where",
    "select '日本語日本語日本語日本語日本語日本語' from where",
    "select 'not closed",
    "select * from no_such_table",
    "select o.id from orders",
    "select no_such_column from orders",
    "select id from orders o join customers c on true",
    "insert into orders (nothing) values (1)",
    "update orders set nothing = 1",
    "select no_such_function(1)",
    "with a as (select 1), a as (select 2) select * from a",
    "select 1 union select 1, 2",
    "select id from orders order by 2",
    "execute nothing",
    "fetch 1 from nothing",
    "select * from elsewhere.public.orders",
]


@pytest.mark.parametrize("statement", REFUSED_BY_THE_SERVER_TOO)
def test_what_the_server_would_refuse_too_fails_in_the_same_class(shop: Any, statement: str) -> None:
    with (
        psycopg.connect(shop.server.dsn(), autocommit=True) as direct,
        pytest.raises(psycopg.Error) as expected,
    ):
        direct.execute(statement)
    with shop.connect("wes") as connection, pytest.raises(psycopg.Error) as caught:
        connection.execute(statement)
    assert caught.value.sqlstate == expected.value.sqlstate
    assert (caught.value.diag.message_primary or "").startswith("doorward: blocked: ")
    if expected.value.sqlstate == "42601" and "union" not in statement:
        assert caught.value.diag.statement_position == expected.value.diag.statement_position


def test_a_prepared_drop_is_blocked(shop: Any) -> None:
    with shop.connect("wes") as connection:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("drop table orders", prepare=True)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("prepare p as select 1; drop table orders")
        assert connection.execute("select count(*) from orders", prepare=True).fetchone() == (500,)


def test_text_that_only_looks_dangerous_is_allowed(shop: Any) -> None:
    with shop.connect("ada") as connection:
        assert connection.execute("select 'drop table orders' as x").fetchone() == ("drop table orders",)


def test_a_block_fails_the_transaction_as_an_error_of_the_server_would(shop: Any) -> None:
    with shop.connect("wes", autocommit=False) as connection:
        connection.execute("insert into orders values (1001, 1, 1)")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("drop table orders")
        assert connection.info.transaction_status == psycopg.pq.TransactionStatus.INERROR
        with pytest.raises(psycopg.errors.InFailedSqlTransaction):
            connection.execute("select 1")
        connection.rollback()
        assert connection.execute("select count(*) from orders where id = 1001").fetchone() == (0,)


def pipelined(connection: psycopg.Connection[Any], *statements: str) -> None:
    with connection.pipeline():
        for statement in statements:
            connection.execute(statement)


def test_a_block_in_a_pipeline_undoes_the_pipeline(shop: Any) -> None:
    with shop.connect("wes") as connection:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            pipelined(
                connection,
                "insert into orders values (1002, 1, 1)",
                "drop table orders",
                "insert into orders values (1003, 1, 1)",
            )
        assert connection.execute("select count(*) from orders where id > 1000").fetchone() == (0,)
        with connection.pipeline():
            first = connection.execute("select 1")
            second = connection.execute("select 2")
            assert (first.fetchone(), second.fetchone()) == ((1,), (2,))


def test_a_server_error_is_passed_on_with_its_fields(shop: Any) -> None:
    with shop.connect("ada") as connection:
        with pytest.raises(psycopg.errors.DivisionByZero) as caught:
            connection.execute("select 1 / 0")
        assert caught.value.diag.message_primary == "division by zero"
        with pytest.raises(psycopg.errors.DatetimeFieldOverflow):
            connection.execute("select '2020-13-45'::date")


# --- credentials ---


def test_a_single_use_credential_is_refused_the_second_time(shop: Any) -> None:
    dsn = shop.dsn("agent-7")
    with psycopg.connect(dsn) as connection:
        connection.execute("select 1")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(dsn)


def test_a_wrong_credential_is_refused_without_saying_why(shop: Any) -> None:
    messages = set()
    for password in ("dwc_wrong", "x" * 300):
        with pytest.raises(psycopg.OperationalError) as caught:
            psycopg.connect(f"host=127.0.0.1 port={shop.port} dbname=shop user=ada password={password}")
        messages.add(str(caught.value).partition("FATAL")[2])
    assert len(messages) == 1
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(
            f"host=127.0.0.1 port={shop.port} dbname=other user=ada password={shop.credential('ada')}"
        )


def test_settings_that_change_who_one_is_are_refused(shop: Any) -> None:
    for options in ("-c role=nobody", "-c session_authorization=nobody", "-c client_encoding=LATIN1"):
        with pytest.raises(psycopg.OperationalError, match="doorward: "):
            psycopg.connect(f"{shop.dsn('ada')} options='{options}'")
    with psycopg.connect(
        f"{shop.dsn('ada')} options='-c statement_timeout=1234 -c search_path=public'"
    ) as connection:
        assert connection.execute("show statement_timeout").fetchone() == ("1234ms",)


# --- cancelling and ending ---


def test_a_statement_can_be_cancelled(shop: Any) -> None:
    with shop.connect("ada") as connection:
        timer = threading.Timer(0.3, connection.cancel)
        timer.start()
        started = time.monotonic()
        with pytest.raises(psycopg.errors.QueryCanceled):
            connection.execute("select pg_sleep(20)")
        assert time.monotonic() - started < 10
        assert connection.execute("select 1").fetchone() == (1,)


def test_a_session_is_listed_and_can_be_ended_in_the_middle_of_a_statement(shop: Any) -> None:
    with shop.connect("wes") as connection:
        (session,) = [s for s in shop.sessions("wes") if s["principal"]["id"] == "wes"]
        assert session["resource"] == "shop"
        timer = threading.Timer(0.3, shop.end_session, ("wes", session["id"]))
        timer.start()
        with pytest.raises(psycopg.OperationalError, match="the session was ended"):
            connection.execute("select pg_sleep(20)")
    shop.until(
        "the server is rid of it",
        lambda: (
            "pg_sleep(20)"
            not in shop.server.psql(
                "select query from pg_stat_activity where state = 'active' and query like 'select pg_sleep%'"
            )
        ),
    )


def test_attribution_follows_the_statement(shop: Any) -> None:
    with shop.connect("agent-7", run="r1", branch="b0") as connection:
        connection.execute("select 1 /*run='forged',branch='b1',step='s%207'*/")
        session_id = shop.sessions("agent-7")[0]["id"]
    operations = shop.records("operation", session_id)
    assert operations[0]["body"]["attribution"] == {
        "purpose": "tests",
        "run": "r1",
        "branch": "b1",
        "step": "s 7",
    }
