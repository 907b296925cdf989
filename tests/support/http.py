"""The service's HTTP in this process, on a free port of 127.0.0.1."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from tests.support.points import point_of
from tests.support.served import PATIENCE

from doorward.run.budget import Limits
from doorward.serve.http.application import HttpApplication
from doorward.serve.http.server import HttpServer
from doorward.serve.http.settings import HttpSettings
from doorward.serve.point import DecisionPoint, Observer

__all__ = ["Http", "http_of"]


@dataclass
class Http:
    """What is served, and a client of it."""

    point: DecisionPoint
    server: HttpServer
    address: str
    client: httpx.AsyncClient

    @property
    def host(self) -> str:
        """Of the address."""
        return self.address.rpartition(":")[0]

    @property
    def port(self) -> int:
        """Of the address."""
        return int(self.address.rpartition(":")[2])


@asynccontextmanager
async def http_of(
    folder: Path,
    files: Mapping[str, str],
    settings: HttpSettings | None = None,
    *,
    limits: Limits | None = None,
    max_body_bytes: int = 1 << 20,
    max_concurrent: int = 64,
    max_connections: int = 256,
    tls: ssl.SSLContext | None = None,
    observers: Sequence[Observer] = (),
) -> AsyncIterator[Http]:
    """Serve policies written below a folder."""
    settings = settings or HttpSettings()
    point = await point_of(folder, files, limits, observers)
    application = HttpApplication(
        point, settings, max_body_bytes=max_body_bytes, max_concurrent=max_concurrent
    )
    server = HttpServer(application, settings, max_connections=max_connections, grace_seconds=1, tls=tls)
    address = server.bind("127.0.0.1:0")
    await server.start()
    scheme = "http" if tls is None else "https"
    try:
        async with httpx.AsyncClient(base_url=f"{scheme}://{address}", timeout=PATIENCE) as client:
            yield Http(point, server, address, client)
    finally:
        await server.stop()
        application.close()
        point.close()
