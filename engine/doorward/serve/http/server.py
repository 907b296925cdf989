"""The addresses of HTTP: bound, served, drained."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from pathlib import Path
from typing import Any, Final

import h11
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from doorward.serve.http.settings import HttpSettings

__all__ = ["HttpServer"]

_MAX_HEAD: Final = 64 << 10
"""Bytes of a request's line and headers."""

_UNIX: Final = "unix:"
_BACKLOG: Final = 2048


class HttpServer:
    """Serves an ASGI application on some addresses, in the event loop at hand."""

    def __init__(
        self,
        application: ASGIApp,
        settings: HttpSettings,
        *,
        max_connections: int,
        grace_seconds: float,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """`tls` may be given another certificate while it serves. When it stops, requests under way have
        `grace_seconds` to end.
        """
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)  # it reports what callers did wrong
        self._sockets: list[socket.socket] = []
        self._ticking: asyncio.Task[None] | None = None
        config = uvicorn.Config(
            application,
            loop="none",
            http=_protocol(settings, max_connections),
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            h11_max_incomplete_event_size=_MAX_HEAD,
            timeout_keep_alive=settings.idle_seconds,  # type: ignore[arg-type] # it is only waited for
            timeout_graceful_shutdown=grace_seconds,  # type: ignore[arg-type]
        )
        config.load()
        config.ssl = tls
        self._server = uvicorn.Server(config)

    def bind(self, address: str, *, shared: bool = False) -> str:
        """Take an address, `host:port` (port 0: any free one) or `unix:/path`; gives it as bound. Other processes may
        have it too where it is `shared`. Raises OSError.
        """
        if address.startswith(_UNIX):
            path = Path(address.removeprefix(_UNIX))
            if path.is_socket() and not _answers(path):
                path.unlink(missing_ok=True)  # left behind by a process that was ended
            bound = socket.socket(socket.AF_UNIX)
            self._take(bound, str(path))
            return address
        host, _, port = address.rpartition(":")
        bare = host.strip("[]")
        family = socket.AF_INET6 if ":" in bare else socket.AF_INET
        found = socket.getaddrinfo(bare, int(port), family, socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        # by its name, or the loop takes it for one that need not send at once
        bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        self._take(bound, found[0][4])
        return f"{host}:{bound.getsockname()[1]}"

    def _take(self, bound: socket.socket, address: Any) -> None:
        try:
            bound.bind(address)
        except OSError:
            bound.close()
            raise
        self._sockets.append(bound)

    async def start(self) -> None:
        """Take requests."""
        self._server.lifespan = self._server.config.lifespan_class(self._server.config)
        for bound in self._sockets:
            bound.listen(_BACKLOG)
        await self._server.startup(sockets=self._sockets)
        self._ticking = asyncio.create_task(self._server.main_loop(), name="http")

    async def stop(self) -> None:
        """Take none any more, and end when those under way have ended or their time is up."""
        self._server.should_exit = True
        if self._ticking is None:
            for bound in self._sockets:
                bound.close()
            return
        await self._ticking
        await self._server.shutdown(sockets=self._sockets)


def _answers(path: Path) -> bool:
    """Whether somebody listens on a socket file."""
    with socket.socket(socket.AF_UNIX) as caller:
        return caller.connect_ex(str(path)) == 0


def _protocol(settings: HttpSettings, max_connections: int) -> type[asyncio.Protocol]:
    """HTTP/1.1 with bounds that uvicorn's own has not: on connections, and on the time that a request takes to come."""

    class Bounded(H11Protocol):
        _timer: asyncio.TimerHandle | None = None
        _waits_for: object = None

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            if len(self.connections) > max_connections:
                transport.abort()
                return
            self.app_state = {**self.app_state, "transport": transport}
            self._watch()

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            self._watch()

        def on_response_complete(self) -> None:
            super().on_response_complete()
            self._watch()

        def connection_lost(self, exc: Exception | None) -> None:
            super().connection_lost(exc)
            self._wait_for(None, 0)

        def timeout_keep_alive_handler(self) -> None:
            self.transport.abort()  # to close it would wait for whoever does not take what was sent last

        def _watch(self) -> None:
            """What is still to come has so long from its beginning, however its bytes trickle in."""
            theirs, ours = self.conn.their_state, self.conn.our_state
            if theirs is h11.IDLE and self.timeout_keep_alive_task is None:  # else that is what it waits for
                self._wait_for(h11.IDLE, settings.header_seconds)
            elif theirs is h11.SEND_BODY and ours is h11.DONE:  # a body of which nobody wants the rest
                self._wait_for(h11.SEND_BODY, settings.body_seconds)
            else:
                self._wait_for(None, 0)

        def _wait_for(self, what: object, seconds: float) -> None:
            if what is self._waits_for:
                return
            if self._timer is not None:
                self._timer.cancel()
            self._waits_for = what
            self._timer = None if what is None else self.loop.call_later(seconds, self.transport.abort)

    return Bounded
