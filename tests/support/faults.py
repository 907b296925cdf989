"""A TCP proxy that breaks lines, at whatever byte it is told to: cuts, stalls, half-closes, garbage."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Literal, Self, TypeAlias

__all__ = ["BACK", "FORTH", "Fault", "FaultProxy"]

Direction: TypeAlias = Literal["forth", "back"]

FORTH: Final[Direction] = "forth"
"""From the client to the server."""

BACK: Final[Direction] = "back"


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens to a connection once `at` bytes have passed in a direction.

    `cut` resets both sides; `stall` passes nothing more that way, and closes nothing; `half_close` ends that way only;
    bytes are put between what passes.
    """

    direction: Direction
    at: int
    what: Literal["cut", "stall", "half_close"] | bytes


class FaultProxy:
    """Passes on what comes to `target`, but for the faults that `plan` has for the connection of that number, from 0.

    `upstream` (host and port) may be changed while it runs, for connections to come.
    """

    def __init__(self, upstream: str, plan: Callable[[int], Sequence[Fault]] = lambda _number: ()) -> None:
        self.upstream = upstream
        self.plan = plan
        self.connections = 0
        """How many there have been."""
        self.target = ""
        self._open: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.target = f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        self.cut()
        if self._open:
            await asyncio.wait(self._open)
        await self._server.wait_closed()

    def cut(self) -> None:
        """Reset every connection that stands."""
        for writer in self._writers:
            writer.transport.abort()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        number, self.connections = self.connections, self.connections + 1
        self._writers.add(writer)
        try:
            await self._carry(number, reader, writer)
        finally:
            self._writers.discard(writer)
            writer.transport.abort()
            self._open.discard(task)

    async def _carry(self, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        host, _, port = self.upstream.rpartition(":")
        try:
            far_reader, far_writer = await asyncio.open_connection(host, int(port))
        except OSError:
            return
        self._writers.add(far_writer)
        faults = sorted(self.plan(number), key=lambda fault: fault.at)
        ways = [
            asyncio.ensure_future(_pass(a, b, [fault for fault in faults if fault.direction == direction]))
            for a, b, direction in ((reader, far_writer, FORTH), (far_reader, writer, BACK))
        ]
        try:
            with suppress(OSError):
                await asyncio.gather(*ways)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            self._writers.discard(far_writer)
            far_writer.transport.abort()


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, faults: list[Fault]) -> None:
    """Pass bytes on until their end. Raises ConnectionAbortedError where both sides are to be reset."""
    passed = 0
    while content := await reader.read(1 << 16):
        while faults and faults[0].at <= passed + len(content):
            fault = faults.pop(0)
            before, content = content[: fault.at - passed], content[fault.at - passed :]
            writer.write(before)
            passed += len(before)
            if isinstance(fault.what, bytes):
                writer.write(fault.what)
                continue
            await writer.drain()
            if fault.what == "cut":
                raise ConnectionAbortedError
            if fault.what == "half_close":
                writer.write_eof()
            while await reader.read(1 << 16):
                pass  # what comes now is lost
            return
        writer.write(content)
        passed += len(content)
        await writer.drain()
    with suppress(OSError):
        writer.write_eof()
