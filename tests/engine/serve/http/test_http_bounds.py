"""What callers may cost: heads and bodies that do not come, that are too large, that are too many; and how it ends."""

from __future__ import annotations

import asyncio
import gzip
import json
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import httpx
import pytest
from tests.support.http import Http, http_of
from tests.support.served import PATIENCE

from doorward.serve.http.server import HttpServer
from doorward.serve.http.settings import HttpSettings
from doorward.serve.point import Made

POLICIES = {"p.rego": "package p\n\nx := 1"}
LONG = {**POLICIES, "data.json": json.dumps({"long": "x" * (12 << 20)})}
HASTY = HttpSettings(header_seconds=0.3, body_seconds=0.3, idle_seconds=0.3)


@asynccontextmanager
async def raw(
    http: Http, *, limit: int = 1 << 16
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection without a client of HTTP on it."""
    reader, writer = await asyncio.open_connection(http.host, http.port, limit=limit)
    try:
        yield reader, writer
    finally:
        writer.close()


async def rest(reader: asyncio.StreamReader) -> bytes:
    """What comes until the other side closes."""
    came = b""
    async with asyncio.timeout(PATIENCE):
        with suppress(ConnectionResetError):
            while part := await reader.read(1 << 16):
                came += part
    return came


@pytest.mark.parametrize("sent", [b"", b"GET /health HTTP/1.1\r\nhost: x\r\n", b"G"])
async def test_a_head_that_does_not_come_is_not_waited_for(tmp_path: Path, sent: bytes) -> None:
    async with http_of(tmp_path, POLICIES, HASTY) as http, raw(http) as (reader, writer):
        writer.write(sent)
        assert await rest(reader) == b""


async def test_a_second_head_that_does_not_come_is_not_waited_for(tmp_path: Path) -> None:
    settings = HttpSettings(header_seconds=0.3, idle_seconds=3600)
    async with http_of(tmp_path, POLICIES, settings) as http, raw(http) as (reader, writer):
        writer.write(b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n")
        assert (await reader.readuntil(b"{}\n")).startswith(b"HTTP/1.1 200")
        writer.write(b"GET /hea")
        assert await rest(reader) == b""


async def test_a_connection_on_which_nothing_is_asked_is_closed(tmp_path: Path) -> None:
    async with http_of(tmp_path, POLICIES, HASTY) as http, raw(http) as (reader, writer):
        writer.write(b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n")
        answer = await rest(reader)
        assert answer.startswith(b"HTTP/1.1 200")
        assert answer.endswith(b"{}\n")


async def test_a_body_that_does_not_come_is_answered_408(tmp_path: Path) -> None:
    async with http_of(tmp_path, POLICIES, HASTY) as http, raw(http) as (reader, writer):
        writer.write(b"POST /v1/data/p/x HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{")
        answer = await rest(reader)
        assert answer.startswith(b"HTTP/1.1 408")
        assert b'"code":"timeout"' in answer


async def test_an_answer_that_is_not_fetched_is_not_kept(tmp_path: Path) -> None:
    async with (
        http_of(tmp_path, LONG, HASTY, max_concurrent=1) as http,
        raw(http, limit=1) as (reader, writer),
    ):
        writer.write(b"GET /v1/data/long HTTP/1.1\r\nhost: x\r\n\r\n")
        assert await reader.readexactly(5) == b"HTTP/"
        statuses = set()
        async with asyncio.timeout(PATIENCE):
            while (status := (await http.client.get("/v1/data/p/x")).status_code) != 200:
                statuses.add(status)
        assert statuses == {503}
        assert len(await rest(reader)) < 12 << 20


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"content-length: 2000000", 413),
        (b"content-length: 99999999999999999999", 413),
        (b"transfer-encoding: chunked", 413),
        (b"content-length: -1", 400),
        (b"content-length: 1\r\ncontent-length: 2", 400),
        (b"broken", 400),
        (b"content-length: 3\r\ncontent-encoding: gzip", 415),
    ],
)
async def test_requests_that_are_too_large_or_are_none(tmp_path: Path, head: bytes, status: int) -> None:
    async with http_of(tmp_path, POLICIES, HASTY) as http, raw(http) as (reader, writer):
        writer.write(b"POST /v1/data/p/x HTTP/1.1\r\nhost: x\r\n" + head + b"\r\n\r\n")
        if b"chunked" in head:
            writer.write(b"%x\r\n" % 1_500_000 + b" " * 1_500_000 + b"\r\n0\r\n\r\n")
        if b"gzip" in head:
            writer.write(b"abc")
        assert (await rest(reader)).startswith(b"HTTP/1.1 %d" % status)


async def test_a_head_that_is_too_large_is_not_taken(tmp_path: Path) -> None:
    async with http_of(tmp_path, POLICIES) as http, raw(http) as (reader, writer):
        writer.write(b"GET /health HTTP/1.1\r\nhost: x\r\nx: " + b"y" * (800 << 10) + b"\r\n\r\n")
        assert b"200" not in await rest(reader)


async def test_a_body_that_nobody_wants_does_not_go_on_for_ever(tmp_path: Path) -> None:
    settings = HttpSettings(body_seconds=0.3, idle_seconds=3600)
    async with http_of(tmp_path, POLICIES, settings) as http, raw(http) as (reader, writer):
        writer.write(b"PUT /v1/data/p/x HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n")
        assert (await reader.readuntil(b"}\n")).startswith(b"HTTP/1.1 405")
        writer.write(b"and")
        assert await rest(reader) == b""


async def test_compressed_bodies_are_not_taken(tmp_path: Path) -> None:
    async with http_of(tmp_path, POLICIES) as http:
        bomb = gzip.compress(b" " * (100 << 20))
        answer = await http.client.post("/v1/data/p/x", content=bomb, headers={"content-encoding": "gzip"})
        assert answer.status_code == 415


@pytest.mark.parametrize(
    "text",
    ["[" * 100_000 + "]" * 100_000, '{"input":' * 70 + "1" + "}" * 70, "[" * 65 + "]" * 65, "1e99999"],
)
async def test_documents_that_are_too_deep_or_too_large_are_answered_400(tmp_path: Path, text: str) -> None:
    async with http_of(tmp_path, POLICIES) as http:
        answer = await http.client.post("/v1/data/p/x", content=f'{{"input": {text}}}')
        assert answer.status_code == 400


async def test_more_than_may_be_under_way_is_refused_at_once(tmp_path: Path) -> None:
    async with http_of(tmp_path, POLICIES, max_concurrent=1) as http, raw(http) as (reader, writer):
        writer.write(
            b"POST /v1/data/p/x HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n"
        )
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 100")
        answer = await http.client.get("/v1/data/p/x", headers={"x-request-id": "7"})
        assert answer.status_code == 503
        assert answer.json()["code"] == "overloaded"
        assert answer.headers["retry-after"] == "1"
        assert answer.headers["x-request-id"] == "7"
        assert (await http.client.get("/health")).status_code == 200
        writer.write(b"{}")
        assert (await reader.readline()).startswith(b"HTTP/1.1 200")
        await reader.readuntil(b"}\n")
        assert (await http.client.get("/v1/data/p/x")).status_code == 200


async def test_more_connections_than_may_be_are_closed(tmp_path: Path) -> None:
    async with (
        http_of(tmp_path, POLICIES, max_connections=2) as http,
        raw(http),
        raw(http),
        raw(http) as third,
    ):
        third[1].write(b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n")
        assert await rest(third[0]) == b""


async def test_a_body_that_ends_in_the_middle_ends_nothing_else(tmp_path: Path) -> None:
    async with http_of(tmp_path, POLICIES, max_concurrent=1) as http:
        async with raw(http) as (_, writer):
            writer.write(b"POST /v1/data/p/x HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{")
            await writer.drain()
        async with asyncio.timeout(PATIENCE):
            while (await http.client.get("/v1/data/p/x")).status_code != 200:
                pass


class Broken:
    """An observer that fails."""

    def saw(self, batch: Sequence[Made]) -> None:
        raise RuntimeError("secret")


async def test_a_fault_of_ours_is_an_error_that_says_no_more_than_that(tmp_path: Path) -> None:
    async with http_of(
        tmp_path, {"w.ward": "package w\n\ngoverns http\n\nallow"}, observers=[Broken()]
    ) as http:
        call = {"name": "call", "properties": {"method": "GET", "target": "/"}}
        ask = {
            "subject": {"type": "user", "id": "a"},
            "action": call,
            "resource": {"type": "http", "id": "1"},
        }
        for path, body in (("evaluation", ask), ("evaluations", {"evaluations": [ask]})):
            answer = await http.client.post(f"/access/v1/{path}", json=body)
            assert answer.status_code == 500
            assert answer.json() == {"code": "internal_error", "message": "internal error: RuntimeError"}


async def test_what_is_under_way_ends_when_the_service_stops(tmp_path: Path) -> None:
    async with http_of(tmp_path, POLICIES) as http, raw(http) as (reader, writer):
        writer.write(
            b"POST /v1/data/p/x HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n"
        )
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 100")
        stopping = asyncio.create_task(http.server.stop())
        async with asyncio.timeout(PATIENCE):
            while True:
                try:
                    async with httpx.AsyncClient() as client:
                        await client.get(f"http://{http.address}/health")
                except httpx.TransportError:
                    break
        writer.write(b"{}")
        answer = await rest(reader)
        assert answer.startswith(b"HTTP/1.1 200")
        await stopping


async def test_what_does_not_end_is_ended_when_the_service_stops(tmp_path: Path) -> None:
    async with http_of(tmp_path, POLICIES) as http, raw(http) as (reader, writer):
        writer.write(
            b"POST /v1/data/p/x HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n"
        )
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 100")
        async with asyncio.timeout(PATIENCE):
            await http.server.stop()


async def test_a_socket_file_is_an_address_too_and_may_be_left_behind(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))

    async def application(scope: object, receive: object, send: object) -> None:
        raise AssertionError

    server = HttpServer(application, HttpSettings(), max_connections=1, grace_seconds=1)
    assert server.bind(f"unix:{path}") == f"unix:{path}"
    await server.start()
    with pytest.raises(OSError, match="in use"):
        server.bind(f"unix:{path}")
    _, writer = await asyncio.open_unix_connection(path)
    writer.close()
    await writer.wait_closed()
    await server.stop()


async def test_an_address_that_is_taken_is_an_error(tmp_path: Path) -> None:
    async with http_of(tmp_path, POLICIES) as http:
        server = HttpServer(http.server, HttpSettings(), max_connections=1, grace_seconds=1)  # type: ignore[arg-type]
        with pytest.raises(OSError, match="in use"):
            server.bind(http.address)
        await server.stop()
