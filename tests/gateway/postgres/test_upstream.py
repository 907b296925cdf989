"""The way to the server: passwords, TLS, and servers that ask for what they should not have."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from pydantic import SecretStr
from tests.support.postgres import PostgresServer

from doorward_gateway.config import PostgresUpstream, UpstreamAccount
from doorward_gateway.postgres.upstream import UpstreamRefused, account_of, connect


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with PostgresServer.start() as started:
        yield started


def upstream(password: str | None = None, **values: Any) -> PostgresUpstream:
    known = {"host": "127.0.0.1", "database": "postgres", "user": "postgres", "tls": "disable", **values}
    # The configuration takes secrets from files and the environment only; here they are put in by hand.
    return PostgresUpstream(**known).model_copy(
        update={"password": None if password is None else SecretStr(password)}
    )


async def test_scram_and_trust(server: PostgresServer) -> None:
    over_tcp = upstream(port=server.port, password=server.password)
    over_socket = upstream(host=str(server.socket_dir), port=server.port)
    for target in (over_tcp, over_socket):
        connection = await connect(target, target, {"application_name": "test"})
        assert await connection.query("select current_setting('application_name'), null") == [("test", None)]
        with pytest.raises(UpstreamRefused, match="division by zero"):
            await connection.query("select 1 / 0")
        assert await connection.query("select 1") == [("1",)]
        connection.close()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"password": "wrong"}, "refused the gateway's account"),
        ({}, "the configuration has none"),
        ({"password": "x", "tls": "require"}, "does not offer TLS"),
        ({"port": 1}, "cannot be reached"),
    ],
)
async def test_what_does_not_work_is_refused(
    server: PostgresServer, changes: dict[str, Any], reason: str
) -> None:
    target = upstream(**{"port": server.port, **changes})
    with pytest.raises(UpstreamRefused, match=reason) as caught:
        await connect(target, target, {})
    assert "postgres" not in caught.value.report.message


def test_a_role_without_an_account_is_refused() -> None:
    target = upstream(roles={"readonly": UpstreamAccount(user="ro")})
    assert account_of(target, "").user == "postgres"
    assert account_of(target, "readonly").user == "ro"
    with pytest.raises(UpstreamRefused, match="`owner`"):
        account_of(target, "owner")


@asynccontextmanager
async def lying_server(*answers: bytes) -> AsyncIterator[PostgresUpstream]:
    """A server that answers the start-up, and then every message, with the next of `answers`."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            (length,) = struct.unpack("!I", await reader.readexactly(4))
            await reader.readexactly(length - 4)
            for answer in answers:
                writer.write(answer)
                await reader.read(1000)
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with listening:
        port = listening.sockets[0].getsockname()[1]
        yield upstream(port=port, password="secret")


def authentication(kind: int, data: bytes = b"") -> bytes:
    return struct.pack("!cII", b"R", 8 + len(data), kind) + data


READY = b"Z\0\0\0\5I"
SASL = authentication(10, b"SCRAM-SHA-256\0\0")


@pytest.mark.parametrize(
    ("answers", "reason"),
    [
        ([authentication(3)], "the password in clear"),
        ([authentication(5, b"salt")], "an MD5 of the password"),
        ([authentication(10, b"SCRAM-SHA-1\0\0")], "does not offer SCRAM-SHA-256"),
        ([authentication(7)], "only SCRAM-SHA-256"),
        ([SASL, authentication(0)], "without proving"),
        ([SASL, authentication(11, b"r=x,s=QUFBQQ==,i=4096")], "authentication to the server failed"),
        ([SASL, authentication(11, b"\xff")], "authentication to the server failed"),
        ([READY], "before anybody was authenticated"),
        ([b"D\0\0\0\6\0\0"], "during start-up"),
        ([b"\0\0\0\0\0\0"], "unknown type"),
        ([b"R\x7f\xff\xff\xff\0"], "invalid length"),
        ([], "closed by the other side"),
    ],
)
async def test_a_server_that_is_none_is_refused(answers: list[bytes], reason: str) -> None:
    async with lying_server(*answers) as target:
        with pytest.raises(UpstreamRefused, match=reason):
            await connect(target, target, {})
        await asyncio.sleep(0)  # the connection that was given up is closed in the next turn of the loop
