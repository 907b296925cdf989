"""What happens when a part is gone: no statement passes, and sessions go on where they can."""

from __future__ import annotations

import resource
import signal
import socket
import time
from pathlib import Path
from typing import Any

import psycopg
import pytest
from tests.support.gateway import open_shop


def test_the_engine_dies_and_returns(own_shop: Any) -> None:
    with own_shop.connect("wes") as connection:
        connection.execute("insert into orders values (3001, 1, 1)")
        own_shop.kill("engine")
        for prepare in (False, True):
            for _ in range(2):
                with pytest.raises(
                    psycopg.errors.SystemError, match="no decision, so the statement is refused"
                ):
                    connection.execute("insert into orders values (3002, 1, 1)", prepare=prepare)
        with pytest.raises(psycopg.errors.SystemError):
            connection.execute("select 1")
        own_shop.start_engine()

        def answers() -> bool:
            try:
                return connection.execute("select count(*) from orders where id > 3000").fetchone() == (1,)
            except psycopg.errors.SystemError:
                return False

        own_shop.until("the session goes on", answers)


def test_a_record_that_cannot_be_written(own_shop: Any) -> None:
    gateway = own_shop.processes["gateway"].pid
    with own_shop.connect("wes") as connection:
        connection.execute("insert into orders values (3101, 1, 1)")
        _, hard = resource.prlimit(gateway, resource.RLIMIT_FSIZE)
        resource.prlimit(gateway, resource.RLIMIT_FSIZE, (1, hard))
        for prepare in (False, True):
            with pytest.raises(psycopg.errors.IoError, match="cannot be recorded, so it is refused"):
                connection.execute("insert into orders values (3102, 1, 1)", prepare=prepare)
        resource.prlimit(gateway, resource.RLIMIT_FSIZE, (hard, hard))
        assert connection.execute("select count(*) from orders where id > 3100").fetchone() == (1,)


def test_a_gateway_that_is_told_to_stop_says_goodbye(own_shop: Any) -> None:
    with own_shop.connect("ada") as connection:
        connection.execute("select 1")
        assert own_shop.kill("gateway", signal.SIGTERM) == 0
        with pytest.raises(psycopg.OperationalError, match="the gateway is shutting down"):
            connection.execute("select 1")
    (end,) = own_shop.records("session_end")
    assert "shutting down" in end["body"]["reason"]


def test_the_server_restarts(own_shop: Any) -> None:
    with own_shop.connect("ada") as connection:
        connection.execute("select 1")
        own_shop.server.restart()
        with pytest.raises(psycopg.OperationalError):
            connection.execute("select 1")
    with own_shop.connect("ada") as connection:
        assert connection.execute("select 1").fetchone() == (1,)


def test_a_session_ends_when_its_credential_expires(own_shop: Any) -> None:
    policy = (own_shop.root / "policies" / "shop.ward").read_text()
    own_shop.put_in_force("shop.ward", policy.replace("credential ttl 10m if", "credential ttl 3s if"))
    connection = own_shop.connect("ada")
    started = time.monotonic()
    with pytest.raises(psycopg.OperationalError, match="has expired, so the session ends"):
        connection.execute("select pg_sleep(30)")
    assert time.monotonic() - started < 15
    running = "select query from pg_stat_activity where pid <> pg_backend_pid()"
    own_shop.until("the statement is cancelled", lambda: "pg_sleep" not in own_shop.server.psql(running))


def test_no_more_sessions_than_configured_and_none_that_dawdle(tmp_path: Path) -> None:
    shop = open_shop(tmp_path, limits={"sessions": 2, "startup_timeout": "1s"})
    try:
        refused = pytest.raises(psycopg.OperationalError, match="as many sessions as it takes")
        with shop.connect("ada"), shop.connect("wes"), refused:
            shop.connect("ada")
        with socket.create_connection(("127.0.0.1", shop.port), timeout=20) as line:
            assert b"start-up took too long" in line.recv(1000)
    finally:
        shop.stop()
