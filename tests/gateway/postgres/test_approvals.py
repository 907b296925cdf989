"""Statements that wait for a person: released, refused, too late, cancelled, and the client that goes away."""

from __future__ import annotations

import os
import socket
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import psycopg
import pytest


class Waiting:
    """A statement that has been sent by `carl` and waits; `outcome` is its connection's answer."""

    def __init__(self, shop: Any, statement: str, who: str = "carl", parameters: Any = None) -> None:
        self.notices: list[str] = []
        self.shop = shop
        self.connection = shop.connect(who)
        self.connection.add_notice_handler(lambda diag: self.notices.append(diag.message_primary or ""))
        self.pool = ThreadPoolExecutor(1)
        before = {approval["id"] for approval in shop.waiting()}
        self.outcome: Future[Any] = self.pool.submit(self.connection.execute, statement, parameters)
        shop.until(
            "it waits", lambda: any(a["id"] not in before for a in shop.waiting()) or self.outcome.done()
        )
        found = [approval for approval in shop.waiting() if approval["id"] not in before]
        self.approval: dict[str, Any] = found[0] if found else {}

    def close(self) -> None:
        self.pool.shutdown()
        self.connection.close()


def count(shop: Any, where: str) -> int:
    return int(shop.server.psql(f"select count(*) from ledger where {where}"))


def test_an_approved_statement_runs(shop: Any) -> None:
    waiting = Waiting(shop, "insert into ledger values (%s)", parameters=(2001,))
    try:
        assert "2001" in waiting.approval["operation"]
        assert count(shop, "id = 2001") == 0
        assert shop.decide(waiting.approval["id"], "approve").status_code == 200
        assert waiting.outcome.result(20).rowcount == 1
        assert any(waiting.approval["id"] in notice for notice in waiting.notices)
        assert count(shop, "id = 2001") == 1
        assert waiting.connection.execute("select 1").fetchone() == (1,)
    finally:
        waiting.close()


def test_a_refused_statement_does_not_run(shop: Any) -> None:
    waiting = Waiting(shop, "insert into ledger values (2002)")
    try:
        shop.decide(waiting.approval["id"], "refuse")
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="refused by dora"):
            waiting.outcome.result(20)
        assert waiting.connection.execute("select 1").fetchone() == (1,)
        assert count(shop, "id = 2002") == 0
    finally:
        waiting.close()


def test_nobody_consenting_in_time_is_a_block(shop: Any) -> None:
    with shop.connect("hal") as connection:
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="in time"):
            connection.execute("insert into ledger values (2003)")
        assert connection.execute("select 1").fetchone() == (1,)
    assert count(shop, "id = 2003") == 0


def test_the_asker_may_not_approve(shop: Any) -> None:
    waiting = Waiting(shop, "insert into ledger values (2004)")
    try:
        assert shop.decide(waiting.approval["id"], "approve", who="carl").status_code == 403
        assert shop.decide(waiting.approval["id"], "approve", who="ada").status_code == 403
        assert not waiting.outcome.done()
        waiting.connection.cancel()
        with pytest.raises(psycopg.errors.QueryCanceled):
            waiting.outcome.result(20)
        assert shop.decide(waiting.approval["id"], "approve").status_code == 409
        assert count(shop, "id = 2004") == 0
    finally:
        waiting.close()


def test_a_client_that_leaves_cancels(shop: Any) -> None:
    waiting = Waiting(shop, "insert into ledger values (2005)")
    with socket.socket(fileno=os.dup(waiting.connection.fileno())) as line:
        line.shutdown(socket.SHUT_RDWR)
    with pytest.raises(psycopg.OperationalError):
        waiting.outcome.result(20)
    shop.until("it no longer waits", lambda: waiting.approval["id"] not in [a["id"] for a in shop.waiting()])
    assert count(shop, "id = 2005") == 0
    waiting.close()


def test_ending_a_session_ends_its_wait(shop: Any) -> None:
    waiting = Waiting(shop, "insert into ledger values (2008)")
    shop.end_session("carl", waiting.approval["session"])
    with pytest.raises(psycopg.OperationalError, match="the session was ended"):
        waiting.outcome.result(20)
    shop.until("it no longer waits", lambda: waiting.approval["id"] not in [a["id"] for a in shop.waiting()])
    assert count(shop, "id = 2008") == 0
    waiting.close()


def test_consent_is_for_one_statement_with_its_values(shop: Any) -> None:
    first = Waiting(shop, "insert into ledger values (%s)", parameters=(2006,))
    second = Waiting(shop, "insert into ledger values (%s)", parameters=(2007,))
    try:
        shop.decide(first.approval["id"], "approve")
        first.outcome.result(20)
        assert not second.outcome.done()
        shop.decide(second.approval["id"], "refuse")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            second.outcome.result(20)
        assert (count(shop, "id = 2006"), count(shop, "id = 2007")) == (1, 0)
    finally:
        first.close()
        second.close()
