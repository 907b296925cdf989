"""Envoy and the service as processes of their own: configured, killed under load, and back again."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
from tests.support.envoy import Listener, cluster, envoy
from tests.support.served import PATIENCE, served, write_policies

POLICY = """
package shop

governs http

allow "ana may" if {
    principal.id == "ana"
    resource.name == "orders"
}
"""
FLAGS = ("--set", "envoy.resource=orders", "--set", "envoy.identity={source: headers, id: x-user}")


@contextlib.asynccontextmanager
async def upstream() -> AsyncIterator[int]:
    """A server that answers everything in the same way; its port."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                await reader.readuntil(b"\r\n\r\n")
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def until(client: httpx.AsyncClient, status: int) -> None:
    """Ask as ana until that is the answer."""
    async with asyncio.timeout(PATIENCE):
        while (await client.get("/orders", headers={"x-user": "ana"})).status_code != status:  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def test_killed_under_load_and_back_again(tmp_path: Path) -> None:
    policies = write_policies(tmp_path / "policies", {"shop.ward": POLICY})
    with served(policies, *FLAGS) as first:
        port = int(first.target.rpartition(":")[2])
        async with upstream() as behind:
            clusters = [cluster("ours", port, http2=True), cluster("upstream", behind, http2=False)]
            async with (
                envoy(tmp_path, {"in": Listener("ours", timeout="5s")}, clusters) as ports,
                httpx.AsyncClient(base_url=f"http://127.0.0.1:{ports['in']}", timeout=PATIENCE) as client,
            ):
                await until(client, 200)
                stopped = asyncio.Event()
                ana: Counter[int] = Counter()
                eve: Counter[int] = Counter()

                async def ask(name: str, seen: Counter[int]) -> None:
                    while not stopped.is_set():
                        seen[(await client.get("/orders", headers={"x-user": name})).status_code] += 1

                load = [asyncio.create_task(ask(*each)) for each in [("ana", ana), ("eve", eve)] * 4]
                await asyncio.to_thread(first.stop, signal.SIGKILL)
                await until(client, 403)
                with served(policies, *FLAGS, listen=first.target):
                    await until(client, 200)
                    stopped.set()
                    await asyncio.gather(*load)
                assert set(ana) == {200, 403}
                assert set(eve) == {403}
