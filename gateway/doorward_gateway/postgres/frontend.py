"""From the client to the server: every message goes to the flow that is in charge of it, in order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from doorward_gateway.errors import GatewayError
from doorward_gateway.postgres.extended import ExtendedFlow
from doorward_gateway.postgres.gate import Gate
from doorward_gateway.postgres.link import Link
from doorward_gateway.postgres.pipeline import Awaited, Expected, SegmentFailed
from doorward_gateway.postgres.protocol import Frontend as Kind
from doorward_gateway.postgres.protocol import ProtocolViolation
from doorward_gateway.postgres.simple import SimpleFlow
from doorward_gateway.postgres.surroundings import ServerSurroundings
from doorward_gateway.postgres.wire import Wire

__all__ = ["ClientLeft", "Frontend"]

_WHILE_COPYING: Final = frozenset(
    (Kind.COPY_DATA, Kind.COPY_DONE, Kind.COPY_FAIL, Kind.FLUSH, Kind.SYNC, Kind.TERMINATE)
)


class ClientLeft(GatewayError):
    """The client has said goodbye."""


class Frontend:
    """Reads the client and writes the server, for one session."""

    def __init__(
        self,
        client: Wire,
        link: Link,
        gate: Gate,
        surroundings: ServerSurroundings,
        *,
        key: bytes,
        count: Callable[[], None],
    ) -> None:
        self._client = client
        self._link = link
        self._simple = SimpleFlow(gate, link, surroundings)
        self._extended = ExtendedFlow(gate, link, surroundings, key=key)
        self._count = count

    async def run(self) -> None:
        """Until the client leaves. Raises `ClientLeft`, `ConnectionClosed` and `ProtocolViolation`."""
        while True:
            for message in await self._client.read():
                try:
                    await self._handle(message)
                except SegmentFailed:
                    continue  # the server skips it, and so does this
                finally:
                    self._count()
            await self._link.drain()

    async def _handle(self, message: bytes) -> None:
        kind, pipeline = message[0], self._link.pipeline
        if pipeline.taking_data and kind not in _WHILE_COPYING:
            raise ProtocolViolation(f"a message of type {chr(kind)!r} during COPY")
        match kind:
            case Kind.SYNC:
                self._link.send(message, Expected(Awaited.SYNC))
            case Kind.FLUSH:
                self._link.send(message)
            case Kind.COPY_DATA:
                self._link.send(message)
                await self._link.drain()
            case Kind.COPY_DONE | Kind.COPY_FAIL:
                self._link.send(message, Expected(Awaited.COPY_END))
            case Kind.TERMINATE:
                self._link.send(message)
                raise ClientLeft("the client has left")
            case Kind.PASSWORD:
                raise ProtocolViolation("a password in the middle of a session")
            case _ if pipeline.failed:
                return  # the server skips everything up to the next Sync
            case Kind.QUERY:
                await self._simple.query(message)
            case Kind.FUNCTION_CALL:
                await self._simple.function_call(message)
            case _:
                await self._extended.handle(message)
