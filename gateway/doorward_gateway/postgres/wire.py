"""One connection as messages, with back-pressure both ways: the only place that touches sockets.

Reading stops when nobody takes what has arrived; `drain` waits while the other side does not take what was
written.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from typing import Any, Final

from doorward_gateway.errors import GatewayError
from doorward_gateway.postgres.framing import Framer
from doorward_gateway.postgres.protocol import ProtocolViolation

__all__ = ["ConnectionClosed", "Wire"]

_HIGH_WATER: Final = 256 << 10
_LINGER: Final = 5.0


class ConnectionClosed(GatewayError):
    """The other side has gone, or the connection was closed here."""


class Wire(asyncio.Protocol):
    """One connection. For a single reader and any number of writers of whole messages, all on one event
    loop.
    """

    def __init__(self, framer: Framer) -> None:
        self.framer = framer
        self._loop = asyncio.get_running_loop()
        self.closed: asyncio.Future[None] = self._loop.create_future()
        self._unsent: list[bytes] = []
        self._transport: asyncio.Transport | None = None
        self._arrived = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()
        self._reading = True
        self._ended = False

    # --- called by the event loop ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A connection is there, or has been wrapped in TLS."""
        self._transport = transport  # type: ignore[assignment] # streams only
        line = transport.get_extra_info("socket")
        if line is not None and line.family in (socket.AF_INET, socket.AF_INET6):
            line.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)  # a statement may wait for hours
        self._transport.set_write_buffer_limits(_HIGH_WATER)  # type: ignore[union-attr]

    def data_received(self, data: bytes) -> None:
        """Bytes have arrived."""
        self.framer.feed(data)
        self._arrived.set()
        if len(self.framer) > _HIGH_WATER and self._reading and self._transport is not None:
            self._reading = False
            self._transport.pause_reading()

    def eof_received(self) -> bool:
        """The other side sends no more: that is the end of a session."""
        self._end()
        return False

    def connection_lost(self, error: Exception | None) -> None:
        """The connection is gone."""
        self._end()
        self._writable.set()

    def pause_writing(self) -> None:
        """The other side does not take what was written."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """The other side takes it again."""
        self._writable.set()

    # --- for the session ---

    async def read(self) -> list[bytes]:
        """The messages that have arrived, at least one. Raises `ConnectionClosed` and `ProtocolViolation`."""
        while True:
            messages = list(self.framer.messages())
            if messages:
                return messages
            await self._more()

    async def read_exactly(self, count: int) -> bytes:
        """`count` bytes that are not framed. Raises `ConnectionClosed`."""
        while (data := self.framer.take(count)) is None:
            await self._more()
        return data

    def write(self, data: bytes) -> None:
        """Sends whole messages; into the void once the connection is closed.

        What is written in one turn of the event loop leaves together.
        """
        if not self._unsent:
            self._loop.call_soon(self._send)
        self._unsent.append(data)

    async def drain(self) -> None:
        """Waits while the other side is too slow."""
        self._send()
        await self._writable.wait()

    async def start_tls(
        self, context: ssl.SSLContext, *, server_side: bool, hostname: str | None = None, seconds: float
    ) -> None:
        """Goes on in TLS. Raises `ProtocolViolation` if bytes came before it, or the handshake fails."""
        if len(self.framer):
            raise ProtocolViolation("unencrypted bytes after the request for encryption")
        self._send()
        try:
            wrapped = await self._loop.start_tls(
                self._transport,  # type: ignore[arg-type] # connected by now
                self,
                context,
                server_side=server_side,
                server_hostname=hostname,
                ssl_handshake_timeout=seconds,
            )
        except (ssl.SSLError, OSError, TimeoutError) as error:
            raise ProtocolViolation(f"the TLS handshake failed: {error}") from error
        if wrapped is None:
            raise ConnectionClosed("the connection was lost during the TLS handshake")
        self._transport = wrapped
        self._transport.set_write_buffer_limits(_HIGH_WATER)

    def about(self, name: str) -> Any:
        """What the transport knows: `peername`, `sockname`, `ssl_object`."""
        return None if self._transport is None else self._transport.get_extra_info(name)

    @property
    def address(self) -> str:
        """The other side, as `host:port`; empty where it has none."""
        peer = self.about("peername")
        return f"{peer[0]}:{peer[1]}" if isinstance(peer, tuple) and len(peer) >= 2 else ""

    def close(self) -> None:
        """Sends what is written and closes; a peer that does not take it is cut off after a while."""
        self._send()
        if self._transport is not None:
            self._transport.close()
            if not self.closed.done():
                self._loop.call_later(_LINGER, self._transport.abort)

    def abort(self) -> None:
        """Closes at once."""
        if self._transport is not None:
            self._transport.abort()

    async def _more(self) -> None:
        self._arrived.clear()
        if self._ended:
            raise ConnectionClosed("the connection was closed by the other side")
        if not self._reading and self._transport is not None:
            self._reading = True
            self._transport.resume_reading()
        await self._arrived.wait()

    def _send(self) -> None:
        if self._unsent and self._transport is not None and not self._transport.is_closing():
            self._transport.write(b"".join(self._unsent))
        self._unsent.clear()

    def _end(self) -> None:
        self._ended = True
        self._arrived.set()
        if not self.closed.done():
            self.closed.set_result(None)
