"""`GET /v1/login` and `GET /v1/whoami`: how to log in, and who has."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from doorward_gateway.clock import rfc3339
from doorward_gateway.control.parts import ControlParts, answer, caller

__all__ = ["how_to_log_in", "who_am_i"]


async def how_to_log_in(_request: Request, parts: ControlParts) -> Response:
    """The issuers at which a person gets a token, and where it is then good. Nothing here is secret."""
    config = parts.config
    issuers = [
        {
            "issuer": entry.issuer,
            "client_id": entry.client_id,
            "scopes": list(entry.scopes),
            "audience": entry.audience,
        }
        for entry in config.oidc
        if entry.client_id
    ]
    endpoints = {name: parts.endpoint(name) for name in sorted(config.resources)}
    resources = [
        {"name": name, "host": endpoint.host, "port": endpoint.port, "tls": endpoint.tls}
        for name, endpoint in endpoints.items()
    ]
    return answer({"issuers": issuers, "resources": resources})


async def who_am_i(request: Request, parts: ControlParts) -> Response:
    """The identity behind the caller's token."""
    identity = await caller(request, parts)
    shown = {name: value for name, value in identity.document().items() if name != "claims"}
    expires = identity.expires_at_ns
    return answer({**shown, "expires_at": None if expires is None else rfc3339(expires)})
