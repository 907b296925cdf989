"""The HTTP API of a node, as a Starlette application. JSON in, JSON out; bearer tokens.

    POST /v1/credentials              a credential, if policy allows               201  403  404
    GET  /v1/credentials[?all=true]   one's own, without secrets; operators all    200
    POST /v1/credentials/{id}/revoke  {"reason"?}                                  200  404
    GET  /v1/approvals[?all=true]     what the caller may decide, or asked for     200
    GET  /v1/approvals/{id}           one, with its history                        200  404
    POST /v1/approvals/{id}/approve   {"reason"?}                                  200  403  404  409
    POST /v1/approvals/{id}/refuse    {"reason"?}                                  200  403  404  409
    GET  /v1/sessions                 live sessions: one's own, operators all      200
    POST /v1/sessions/{id}/kill       {"reason"?}; revokes its credential          200  404
    POST /v1/kill                     {"principal"?, "credential"?, "resource"?,
                                       "run"?, "reason"?}: all that match          200  403
    GET  /v1/whoami                   who the token names, and until when          200
    GET  /v1/login                    where one gets a token; needs none           200
    GET  /healthz, /readyz            alive; able to decide and to record          200  503

Every error is `{"error": {"code": …, "message": …}}`; 401 for a token that names nobody; 400, 408 and 413 for a
request that is not well-formed, in time, or small enough; 503 when engine, state store, record or the
identity provider fail.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from doorward_gateway.client import EngineUnavailable
from doorward_gateway.control.approvals import approve, list_approvals, refuse, show_approval
from doorward_gateway.control.credentials import list_credentials, revoke_credential
from doorward_gateway.control.issue import issue_credential
from doorward_gateway.control.login import how_to_log_in, who_am_i
from doorward_gateway.control.parts import ApiError, ControlParts, answer
from doorward_gateway.control.sessions import kill, kill_session, list_sessions
from doorward_gateway.errors import (
    ApprovalRefused,
    IdentityRefused,
    IdentityUnavailable,
    RecordingUnavailable,
    StateUnavailable,
)

__all__ = ["control_api"]

_log = structlog.get_logger(__name__)

Handler = Callable[[Request, ControlParts], Awaitable[Response]]

_REFUSAL_STATUS = {"unknown": 404, "not waiting": 409, "expired": 409}


def control_api(parts: ControlParts) -> Starlette:
    """The application; it belongs to the event loop that the parts belong to."""

    def route(path: str, method: str, handler: Handler) -> Route:
        async def endpoint(request: Request) -> Response:
            return await _guarded(handler, request, parts)

        return Route(path, endpoint, methods=[method])

    return Starlette(
        routes=[
            route("/v1/credentials", "POST", issue_credential),
            route("/v1/credentials", "GET", list_credentials),
            route("/v1/credentials/{id}/revoke", "POST", revoke_credential),
            route("/v1/approvals", "GET", list_approvals),
            route("/v1/approvals/{id}", "GET", show_approval),
            route("/v1/approvals/{id}/approve", "POST", approve),
            route("/v1/approvals/{id}/refuse", "POST", refuse),
            route("/v1/sessions", "GET", list_sessions),
            route("/v1/sessions/{id}/kill", "POST", kill_session),
            route("/v1/kill", "POST", kill),
            route("/v1/whoami", "GET", who_am_i),
            route("/v1/login", "GET", how_to_log_in),
            route("/healthz", "GET", _healthz),
            route("/readyz", "GET", _readyz),
        ],
        exception_handlers={HTTPException: _http_error},
    )


async def _guarded(handler: Handler, request: Request, parts: ControlParts) -> Response:
    """Runs a handler; whatever goes wrong becomes a JSON error, and nothing of ours is told to the caller."""
    try:
        return await handler(request, parts)
    except ApiError as error:
        return error.response()
    except IdentityRefused as error:
        return ApiError(401, "unauthenticated", error.message).response()
    except IdentityUnavailable as error:
        return ApiError(503, "identity_unavailable", error.message).response()
    except ApprovalRefused as error:
        code = error.reason.replace(" ", "_")
        return ApiError(_REFUSAL_STATUS.get(error.reason, 403), code, error.message).response()
    except EngineUnavailable as error:
        return ApiError(503, "engine_unavailable", error.reason).response()
    except RecordingUnavailable as error:
        return ApiError(503, "recording_unavailable", error.message).response()
    except StateUnavailable as error:
        return ApiError(503, "state_unavailable", error.message).response()
    except Exception:
        _log.exception("control api: a handler failed", path=request.url.path)
        return ApiError(500, "internal", "something went wrong in the gateway; its log says what").response()


async def _http_error(_request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    code, message = {
        404: ("not_found", "there is nothing under this path"),
        405: ("method_not_allowed", "this path does not take this method"),
    }.get(status, ("invalid_request", "the request cannot be answered"))
    return ApiError(status, code, message).response()


async def _healthz(_request: Request, _parts: ControlParts) -> Response:
    return answer({"status": "ok"})


async def _readyz(_request: Request, parts: ControlParts) -> Response:
    problems: dict[str, str] = {}
    if not parts.engine.connected:
        problems["engine"] = "cannot be reached"
    if parts.recorder.failure is not None:
        problems["recording"] = parts.recorder.failure
    try:
        await parts.credentials.ping()
        await parts.approvals.ping()
    except StateUnavailable as error:
        problems["state"] = error.message
    if problems:
        return answer({"status": "unready", "problems": problems}, 503)
    return answer({"status": "ready", "node": parts.config.node, "sessions": len(parts.sessions)})
