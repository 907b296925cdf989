"""What the control API works on, and what its handlers share: reading requests, writing answers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, TypeVar

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from doorward_gateway.approvals import ApprovalStore
from doorward_gateway.clock import Clock, system_clock
from doorward_gateway.config import Config
from doorward_gateway.credentials import CredentialStore
from doorward_gateway.credentials.issuance import Decider, Issuance
from doorward_gateway.identity import Identities, Identity
from doorward_gateway.recording import Recorder
from doorward_gateway.sessions import SessionRegistry

__all__ = [
    "ApiError",
    "ControlParts",
    "Endpoint",
    "Payload",
    "Reason",
    "answer",
    "caller",
    "is_operator",
    "payload",
]

_MAX_BODY: Final = 65_536
_BODY_TIMEOUT_S: Final = 5.0

_P = TypeVar("_P", bound="Payload")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where clients of a resource connect, and whether they have to use TLS."""

    host: str
    port: int
    tls: bool


@dataclass(frozen=True, slots=True)
class ControlParts:
    """The parts of a node that its control API works on. `endpoint` answers for the name of a resource."""

    config: Config
    identities: Identities
    engine: Decider
    credentials: CredentialStore
    approvals: ApprovalStore
    recorder: Recorder
    sessions: SessionRegistry
    endpoint: Callable[[str], Endpoint]
    clock: Clock = system_clock

    @property
    def issuance(self) -> Issuance:
        """The way from an identity to a credential."""
        return Issuance(self.config, self.engine, self.credentials, self.recorder, self.clock)


class ApiError(Exception):
    """An answer other than success: a status, a stable code for programs, a sentence for people."""

    def __init__(
        self, status: int, code: str, message: str, *, reasons: list[dict[str, str]] | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.reasons = reasons

    def response(self) -> Response:
        """The error as JSON: `{"error": {"code", "message", "reasons"?}}`."""
        error: dict[str, Any] = {"code": self.code, "message": self.message}
        if self.reasons is not None:
            error["reasons"] = self.reasons
        headers = {"WWW-Authenticate": "Bearer"} if self.status == 401 else None
        return answer({"error": error}, self.status, headers)


class Payload(BaseModel):
    """A request's JSON body: no unknown members, and its values never in a message."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)


class Reason(Payload):
    """The body of what needs no more than a reason, and not even that."""

    reason: Annotated[str, Field(max_length=1024)] = ""


def answer(
    document: Mapping[str, Any], status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """A JSON answer that nobody may keep."""
    return Response(
        orjson.dumps(document), status, {"Cache-Control": "no-store", **(headers or {})}, "application/json"
    )


def is_operator(identity: Identity, parts: ControlParts) -> bool:
    """Whether the caller may see and end what belongs to others."""
    return not identity.groups.isdisjoint(parts.config.control.operators)


async def caller(request: Request, parts: ControlParts) -> Identity:
    """Who asks, by the bearer token. Raises `ApiError` 401, and `IdentityRefused`."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise ApiError(401, "unauthenticated", "a bearer token is needed")
    return await parts.identities.authenticate(token.strip())


async def payload(request: Request, model: type[_P]) -> _P:
    """The request's body as a `model`; an empty body is an empty object. Raises `ApiError` 400, 408, 413."""
    content = bytearray()
    try:
        async with asyncio.timeout(_BODY_TIMEOUT_S):
            async for chunk in request.stream():
                content += chunk
                if len(content) > _MAX_BODY:
                    raise ApiError(413, "too_large", f"the request is larger than {_MAX_BODY} bytes")
    except TimeoutError:
        raise ApiError(408, "timeout", "the request did not arrive in time") from None
    except ClientDisconnect:
        raise ApiError(400, "invalid_request", "the request did not arrive whole") from None
    try:
        return model.model_validate(orjson.loads(bytes(content)) if content else {})
    except orjson.JSONDecodeError:
        raise ApiError(400, "invalid_request", "the request is not JSON") from None
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        where = ".".join(str(step) for step in problem["loc"]) or "the request"
        raise ApiError(400, "invalid_request", f"`{where[:64]}`: {problem['msg'].lower()}") from None
