"""Counts what is asked over HTTP, as the guard counts calls of gRPC."""

from __future__ import annotations

from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from doorward.serve.operations.metrics import Metrics

__all__ = ["Counted"]

_PATHS: Final = (
    "/access/v1/evaluation",
    "/access/v1/evaluations",
    "/v1/query",
    "/health",
    "/livez",
    "/readyz",
    "/metrics",
)
_DATA: Final = "/v1/data"


class Counted:
    """An ASGI application whose requests are counted, by path and status; what is no path of the service is `other`."""

    def __init__(self, application: ASGIApp, metrics: Metrics) -> None:
        self._application = application
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        status = "none"  # until there is an answer

        async def seen(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = str(message["status"])
            await send(message)

        path = scope["path"]
        if path == _DATA or path.startswith(f"{_DATA}/"):
            path = _DATA
        elif path not in _PATHS:
            path = "other"
        self._metrics.under_way += 1
        try:
            await self._application(scope, receive, seen)
        finally:
            self._metrics.under_way -= 1
            self._metrics.calls[path, status] += 1
