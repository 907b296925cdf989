"""All that is served over HTTP, as one ASGI application."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from doorward.serve.http.admission import Admission, Asked, anybody
from doorward.serve.http.authzen import METADATA, metadata
from doorward.serve.http.bodies import read_body
from doorward.serve.http.edge import Edge
from doorward.serve.http.evaluate import evaluate, evaluate_all
from doorward.serve.http.health import health
from doorward.serve.http.opa import OpaApi
from doorward.serve.http.openapi import openapi
from doorward.serve.http.problems import Problem, json_response
from doorward.serve.http.settings import HttpSettings
from doorward.serve.operations.asking import ASKING
from doorward.serve.point import DecisionPoint

__all__ = ["Handler", "HttpApplication", "Route"]

_HOST: Final = re.compile(r"[A-Za-z0-9.\-_]{1,255}(:[0-9]{1,5})?|\[[0-9A-Fa-f:.]{1,50}\](:[0-9]{1,5})?")

_IMMUTABLE: Final = (
    "policies and data change by a new revision, from where the service has its policies, and not here"
)

Handler: TypeAlias = Callable[[Request, bytes], Awaitable[Response]]
"""From a request and its body to the answer. Raises Problem."""


@dataclass(frozen=True, slots=True)
class Route:
    """One method of one path."""

    handler: Handler
    asked: Asked | None = None
    """What callers have to be allowed; None where anybody may ask."""


class HttpApplication:
    """Answers every path of HTTP; for one event loop."""

    def __init__(
        self,
        point: DecisionPoint,
        settings: HttpSettings,
        *,
        admit: Admission = anybody,
        also: Mapping[str, Route] | None = None,
        max_body_bytes: int,
        max_concurrent: int,
    ) -> None:
        """`also` are further paths, which take GET."""
        self._point = point
        self._settings = settings
        self._admit = admit
        self._max_body_bytes = max_body_bytes
        self._opa = OpaApi(point)
        self._routes = {**self._table(), **{path: {"GET": route} for path, route in (also or {}).items()}}
        self._max_concurrent = max_concurrent
        self._under_way = 0
        self._edge: ASGIApp = Edge(self._answer)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, as ASGI has it."""
        await self._edge(scope, receive, send)

    def close(self) -> None:
        """Begin nothing any more."""
        self._opa.close()

    def _table(self) -> Mapping[str, Mapping[str, Route]]:
        async def one(request: Request, body: bytes) -> Response:
            return await evaluate(self._point, request, body)

        async def many(request: Request, body: bytes) -> Response:
            return await evaluate_all(self._point, request, body)

        async def well(request: Request, body: bytes) -> Response:
            return health(self._point, request)

        async def described(request: Request, body: bytes) -> Response:
            return json_response(orjson.dumps(openapi()))

        async def found(request: Request, body: bytes) -> Response:
            return json_response(orjson.dumps(metadata(self._base(request))))

        data = Route(self._opa.data, "query")
        query = Route(self._opa.query, "query")
        return {
            "/access/v1/evaluation": {"POST": Route(one, "decide")},
            "/access/v1/evaluations": {"POST": Route(many, "decide")},
            METADATA: {"GET": Route(found)},
            "/v1/data": {"GET": data, "POST": data},
            "/v1/query": {"GET": query, "POST": query},
            "/": {"POST": Route(self._opa.main, "query")},
            "/health": {"GET": Route(well)},
            "/openapi.json": {"GET": Route(described)},
        }

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        route = self._route(scope["path"], request.method)
        if route.asked is None:
            # such as whether the service is well, which must be said when there is most to do, too
            await self._send(await route.handler(request, b""), scope, receive, send)
            return
        if self._under_way >= self._max_concurrent:
            busy = "as many requests as may be are under way"
            raise Problem(503, "overloaded", busy, headers={"retry-after": "1"})
        self._admit(request, route.asked)
        caller = ASKING.get().caller
        self._under_way += 1
        caller.under_way += 1
        try:
            response = await route.handler(request, await self._body(request))
            await self._send(response, scope, receive, send)
        finally:
            self._under_way -= 1
            caller.under_way -= 1

    async def _send(self, response: Response, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            async with asyncio.timeout(self._settings.body_seconds):
                await response(scope, receive, send)
        except TimeoutError:  # who does not take the answer does not get it
            scope["state"]["transport"].abort()

    def _route(self, path: str, method: str) -> Route:
        methods = self._routes.get("/v1/data" if path.startswith("/v1/data/") else path)
        if methods is not None and method in methods:
            return methods[method]
        writes = method in ("PUT", "PATCH", "DELETE")
        if writes and (path == "/v1/policies" or path.startswith(("/v1/policies/", "/v1/data/"))):
            raise _not_that_way(_IMMUTABLE, methods or ())
        if methods is None:
            raise Problem(404, "resource_not_found", "there is nothing at this path")
        raise _not_that_way(f"this path does not take {method[:20]}", methods)

    async def _body(self, request: Request) -> bytes:
        if request.method == "GET":
            return b""
        return await read_body(request, self._max_body_bytes, self._settings.body_seconds)

    def _base(self, request: Request) -> str:
        """Where callers find the service."""
        if self._settings.public_url:
            return self._settings.public_url.rstrip("/")
        host = request.headers.get("host", "")
        if _HOST.fullmatch(host) is None:
            raise Problem(400, "invalid_parameter", "the host is not a name or an address")
        return f"{request.scope['scheme']}://{host}"


def _not_that_way(message: str, methods: Iterable[str]) -> Problem:
    return Problem(405, "invalid_operation", message, headers={"allow": ", ".join(sorted(methods))})
