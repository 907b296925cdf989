"""Serving the control API on the node's own event loop."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Generator

import uvicorn
from starlette.types import ASGIApp

from doorward_gateway.config import HostPort
from doorward_gateway.errors import GatewayError

__all__ = ["ControlServer"]

_MAX_CONNECTIONS = 256
_SHUTDOWN_S = 2


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Leaves signals to the node."""
        yield


class ControlServer:
    """A running HTTP server. `address` is where it really listens."""

    def __init__(self, server: _Server, listening: socket.socket) -> None:
        self._server = server
        self._listening = listening
        host, port = listening.getsockname()[:2]
        self.address = HostPort(host, port)
        self._task = asyncio.create_task(server.serve(sockets=[listening]), name="control-api")

    @classmethod
    async def start(cls, app: ASGIApp, listen: HostPort) -> ControlServer:
        """Listens; raises `GatewayError` when the address cannot be had."""
        host = "127.0.0.1" if listen.host == "localhost" else listen.host
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            listening = socket.create_server((host, listen.port), family=family, backlog=128)
            # asyncio only does so by itself where the protocol is named, and answers would wait 40 ms
            listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError as error:
            raise GatewayError(
                f"the control API cannot listen on `{listen}`: {error.strerror or error}"
            ) from error
        config = uvicorn.Config(
            app,
            access_log=False,
            log_config=None,
            lifespan="off",
            loop="none",
            ws="none",
            http="h11",
            limit_concurrency=_MAX_CONNECTIONS,
            timeout_keep_alive=5,
            timeout_graceful_shutdown=_SHUTDOWN_S,
            server_header=False,
            proxy_headers=False,
        )
        server = cls(_Server(config), listening)
        await asyncio.sleep(0)
        return server

    async def close(self) -> None:
        """Stops listening; requests under way have two seconds to end."""
        self._server.should_exit = True
        await self._task
        self._listening.close()
