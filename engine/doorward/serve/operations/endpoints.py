"""Health and metrics over HTTP: `/livez`, `/readyz`, `/metrics`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Protocol, cast

import orjson
from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric
from prometheus_client.exposition import choose_encoder
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from doorward.serve.operations.health import Health

__all__ = ["Endpoints", "EndpointsApplication", "Told"]


class Told(Protocol):
    """Whatever metrics can be collected from."""

    def collect(self) -> Iterable[Metric]:
        """All of them."""


class Endpoints:
    """Answers what whoever runs the service asks of it."""

    def __init__(self, health: Health, metrics: Told) -> None:
        self._health = health
        self._metrics = metrics

    async def livez(self, request: Request, body: bytes = b"") -> Response:
        """The process answers."""
        return _status(200, "live")

    async def readyz(self, request: Request, body: bytes = b"") -> Response:
        """200 where it may be asked, else 503 and why not; also whether the newest policies are in force."""
        why = self._health.not_ready()
        if why:
            return _status(503, "not ready", reason=why)
        return _status(200, "ready", policies="stale" if self._health.stale() else "newest")

    async def metrics(self, request: Request, body: bytes = b"") -> Response:
        """Metrics, in the form that Prometheus asks for."""
        encode, media = choose_encoder(request.headers.get("accept", ""))
        return Response(encode(cast("CollectorRegistry", self._metrics)), media_type=media)


class EndpointsApplication:
    """The same by themselves, as an ASGI application: for an address that only whoever runs the service can reach."""

    def __init__(self, endpoints: Endpoints) -> None:
        self._paths: Final = {
            "/livez": endpoints.livez,
            "/readyz": endpoints.readyz,
            "/metrics": endpoints.metrics,
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        path = self._paths.get(scope["path"])
        request = Request(scope, receive)
        if path is None:
            response = _status(404, "there is nothing at this path")
        elif request.method not in ("GET", "HEAD"):
            response = _status(405, "this path takes GET only")
        else:
            response = await path(request)
        await response(scope, receive, send)


def _status(code: int, status: str, **more: str) -> Response:
    return Response(orjson.dumps({"status": status, **more}) + b"\n", code, media_type="application/json")
