"""What a caller sees of masked columns: in text and in binary, by whatever road."""

from __future__ import annotations

import subprocess
from typing import Any

import asyncpg
import psycopg
import pytest

CANARIES = (
    "536-22-8841",
    "219-09-9999",
    "ada@example.org",
    "bruno@example.org",
    "4556737586899855",
    "120.50",
    "900000",
)


def assert_no_canary(value: Any) -> None:
    text = repr(value)
    for canary in CANARIES:
        assert canary not in text


def run(shop: Any, statement: str, *, binary: bool, prepare: bool) -> list[tuple[Any, ...]]:
    with shop.connect("mia") as connection:
        rows: list[tuple[Any, ...]] = []
        for _ in range(2 if prepare else 1):
            rows = connection.execute(statement, binary=binary, prepare=prepare).fetchall()
        return rows


@pytest.mark.parametrize("binary", [False, True])
@pytest.mark.parametrize("prepare", [False, True])
def test_every_masker_in_every_format(shop: Any, binary: bool, prepare: bool) -> None:
    rows = run(shop, "select * from customers order by id", binary=binary, prepare=prepare)
    assert_no_canary(rows)
    id_, name, ssn, email, card, balance, phone, born, points = rows[0]
    assert (id_, name, ssn, card, balance, born, points) == (
        1,
        "Ada",
        "*******8841",
        "[redacted]",
        "[redacted]",
        None,
        "many",
    )
    assert len(bytes.fromhex(email)) == 16
    assert email != rows[1][3]
    assert [c.isdigit() for c in phone] == [c.isdigit() for c in "+49 30 1234"]
    assert rows[2][2:4] == (None, None)


ROADS = [
    "select ssn from customers",
    "select c.ssn as nothing_special from customers c",
    "select c.* from customers as c",
    "select ssn::varchar(20) from customers",
    "select card::text, balance::text from customers",
    "select x from (select ssn as x from customers) y",
    "with a as (select ssn, balance from customers) select * from a",
    "select ssn from customers union all select email from customers",
    "select number from vip",
    "select * from vip",
    "select (select ssn from customers where id = 1)",
    "select l.s from customers c, lateral (select c.ssn as s) l",
    "select ssn || '' from customers",
    "select upper(email) from customers",
    "select substr(ssn, 1, 3) || substr(ssn, 4) from customers",
    "select case when true then ssn end from customers",
    "select string_agg(ssn, ',') from customers",
    "select array_agg(ssn) from customers",
    "select row_to_json(c) from customers c",
    "select c from customers c",
    "select to_jsonb(c) ->> 'ssn' from customers c",
    "select max(ssn) over () from customers",
    "select first_value(email) over (order by id) from customers",
    "select coalesce(ssn, email) from customers",
    "select balance * 1 from customers",
    "select array[ssn, email] from customers",
]


@pytest.mark.parametrize("statement", ROADS)
def test_no_value_by_any_road(shop: Any, statement: str) -> None:
    for binary in (False, True):
        try:
            rows = run(shop, statement, binary=binary, prepare=binary)
        except psycopg.errors.InsufficientPrivilege:
            continue
        assert rows
        assert_no_canary(rows)


async def test_asyncpg_sees_masks_in_binary(shop: Any) -> None:
    connection = await asyncpg.connect(
        host="127.0.0.1",
        port=shop.port,
        database="shop",
        user="mia",
        password=shop.credential("mia"),
        ssl=False,
    )
    try:
        statement = await connection.prepare(
            "select id, ssn, balance, points, born from customers where id = $1"
        )
        for _ in range(2):
            assert tuple(await statement.fetchrow(1)) == (1, "*******8841", "[redacted]", "many", None)
        rows = await connection.fetch("select * from customers order by id")
        assert_no_canary(rows)
    finally:
        await connection.close()


def test_cursors_and_pieces(shop: Any) -> None:
    with shop.connect("mia", autocommit=False) as connection:
        with connection.cursor("plain") as cursor:  # DECLARE and FETCH
            cursor.itersize = 1
            cursor.execute("select id, ssn, balance from customers order by id")
            rows = cursor.fetchall()
        assert rows[0] == (1, "*******8841", "[redacted]")
        with connection.cursor("computed") as cursor:
            cursor.execute("select ssn || '' from customers order by id")
            assert_no_canary(cursor.fetchall())
        with connection.cursor("binary", withhold=True) as cursor:
            cursor.execute("select ssn, balance from customers order by id", binary=True)
            assert_no_canary(cursor.fetchall())


async def test_portals_fetched_in_pieces(shop: Any) -> None:
    connection = await asyncpg.connect(
        host="127.0.0.1",
        port=shop.port,
        database="shop",
        user="mia",
        password=shop.credential("mia"),
        ssl=False,
    )
    try:
        async with connection.transaction():
            rows = [
                row
                async for row in connection.cursor(
                    "select ssn, balance from customers order by id", prefetch=1
                )
            ]
        assert [row["ssn"] for row in rows] == ["*******8841", "*******9999", None]
        assert_no_canary(rows)
    finally:
        await connection.close()


def test_prepare_and_execute(shop: Any) -> None:
    with shop.connect("mia") as connection:
        connection.execute("prepare p as select ssn, balance from customers order by id")
        for _ in range(2):
            assert connection.execute("execute p").fetchall()[0] == ("*******8841", "[redacted]")


def test_psql_sees_masks(shop: Any) -> None:
    lines = (
        "select ssn, balance from customers where id = 1;",
        "table customers;",
        "\\bind 1",
        "select email from customers where id = $1 \\g",
    )
    done: subprocess.CompletedProcess[str] = shop.psql("mia", "-At", script="\n".join(lines) + "\n")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == "*******8841|[redacted]"
    assert_no_canary(done.stdout + done.stderr)


@pytest.mark.parametrize(
    "statement",
    [
        "copy customers to stdout",
        "copy (select ssn from customers) to stdout",
        "copy (select ssn || 'x' from customers) to stdout with (format csv)",
    ],
)
def test_copy_of_masked_columns_is_refused(shop: Any, statement: str) -> None:
    with shop.connect("mallory") as connection:
        with pytest.raises(psycopg.errors.InsufficientPrivilege), connection.cursor().copy(statement) as copy:
            assert_no_canary(b"".join(copy))
        with connection.cursor().copy("copy orders to stdout") as copy:
            assert len(b"".join(copy).splitlines()) == 500


ERRORS = [
    "select ssn::int from customers",
    "select email::int from customers where id = 1",
    "select 1 / (points - 7) from customers",
    "select * from customers where ssn::int = 1",
    "update customers set email = 'bruno@example.org' where id = 1",
    "update customers set name = null where id = 1",
    "insert into customers (id, name, email) values (9, 'x', 'ada@example.org')",
]


@pytest.mark.parametrize("statement", ERRORS)
@pytest.mark.parametrize("prepare", [False, True])
def test_errors_do_not_carry_values(shop: Any, statement: str, prepare: bool) -> None:
    with shop.connect("mallory") as connection:
        with pytest.raises(psycopg.Error) as caught:
            connection.execute(statement, prepare=prepare)
        diag = caught.value.diag
        for part in (diag.message_primary, diag.message_detail, diag.message_hint, diag.context):
            assert_no_canary(part)
        assert diag.sqlstate


def test_name_errors_stay_helpful(shop: Any) -> None:
    with shop.connect("mallory") as connection, pytest.raises(psycopg.Error) as caught:
        connection.execute("select nam from customers")
    assert "nam" in str(caught.value)


def test_the_record_has_what_the_caller_saw(shop: Any) -> None:
    with shop.connect("mia") as connection:
        connection.execute("select id, ssn from customers order by id limit 1").fetchall()
        (session,) = [s["id"] for s in shop.sessions("mia") if s["principal"]["id"] == "mia"]
    (result,) = shop.records("result", session)
    assert result["body"]["rows"] == [["1", "*******8841"]]
    assert result["body"]["columns"] == [{"name": "id"}, {"name": "ssn", "masked": "partial"}]
    assert result["body"]["tag"] == "SELECT 1"
    assert_no_canary(shop.records(session=session))
