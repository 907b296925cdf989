"""The HTTP API of a node, as a Starlette application. JSON in, JSON out; bearer tokens.

    POST /v1/credentials             a credential, if policy allows               201  403  404
    GET  /v1/approvals[?all=true]    what the caller may decide, or asked for     200
    POST /v1/approvals/{id}/approve  {"reason"?}                                  200  403  404  409
    POST /v1/approvals/{id}/refuse   {"reason"?}                                  200  403  404  409
    GET  /v1/sessions                live sessions: one's own, operators all      200
    POST /v1/sessions/{id}/kill      {"reason"?}; revokes its credential          200  403  404
    GET  /healthz, /readyz           alive; able to decide and to record          200  503

Every error is `{"error": {"code": …, "message": …}}`; 401 for a token that names nobody, 400, 408 and 413 for
a request that is not well-formed, in time, or small enough, 503 when engine, state store or record fail.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

import structlog
from pydantic import Field
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from doorward_gateway.approvals import Approval
from doorward_gateway.control.issue import issue_credential
from doorward_gateway.control.parts import ApiError, ControlParts, Payload, answer, caller, payload
from doorward_gateway.engine_client import EngineUnavailable
from doorward_gateway.errors import ApprovalRefused, IdentityRefused, RecordingUnavailable, StateUnavailable
from doorward_gateway.identity import Identity

__all__ = ["control_api"]

_log = structlog.get_logger(__name__)

Handler = Callable[[Request, ControlParts], Awaitable[Response]]

_REFUSAL_STATUS = {"unknown": 404, "not waiting": 409, "expired": 409}


class _Reason(Payload):
    reason: Annotated[str, Field(max_length=1024)] = ""


def control_api(parts: ControlParts) -> Starlette:
    """The application; it belongs to the event loop that the parts belong to."""

    def route(path: str, method: str, handler: Handler) -> Route:
        async def endpoint(request: Request) -> Response:
            return await _guarded(handler, request, parts)

        return Route(path, endpoint, methods=[method])

    return Starlette(
        routes=[
            route("/v1/credentials", "POST", issue_credential),
            route("/v1/approvals", "GET", _list_approvals),
            route("/v1/approvals/{id}/approve", "POST", _approve),
            route("/v1/approvals/{id}/refuse", "POST", _refuse),
            route("/v1/sessions", "GET", _list_sessions),
            route("/v1/sessions/{id}/kill", "POST", _kill_session),
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


def _is_operator(identity: Identity, parts: ControlParts) -> bool:
    return not identity.groups.isdisjoint(parts.config.control.operators)


async def _list_approvals(request: Request, parts: ControlParts) -> Response:
    identity = await caller(request, parts)
    entries = await parts.approvals.entries(waiting_only=request.query_params.get("all") != "true")

    def concerns(approval: Approval) -> bool:
        asked = approval.operation.principal.get("id") == identity.id
        return asked or not identity.groups.isdisjoint(approval.requirement.groups)

    operator = _is_operator(identity, parts)
    return answer({"approvals": [entry.document() for entry in entries if operator or concerns(entry)]})


async def _approve(request: Request, parts: ControlParts) -> Response:
    return await _decide(request, parts, consent=True)


async def _refuse(request: Request, parts: ControlParts) -> Response:
    return await _decide(request, parts, consent=False)


async def _decide(request: Request, parts: ControlParts, *, consent: bool) -> Response:
    identity = await caller(request, parts)
    reason = (await payload(request, _Reason)).reason
    approval_id = request.path_params["id"]
    try:
        approval = await parts.approvals.decide(approval_id, identity, consent=consent, comment=reason)
    except ApprovalRefused as error:
        if error.reason in ("own request", "not a person", "wrong group"):
            attempt: dict[str, Any] = {
                "id": approval_id,
                "state": "denied",
                "decided_by": identity.id,
                "comment": error.message,
            }
            session = (await parts.approvals.get(approval_id)).operation.session_id
            await parts.recorder.append("approval", session, attempt)
        raise
    return answer(approval.document())


async def _list_sessions(request: Request, parts: ControlParts) -> Response:
    identity = await caller(request, parts)
    operator = _is_operator(identity, parts)
    return answer(
        {
            "sessions": [
                session.document()
                for session in parts.sessions.live()
                if operator or session.principal.get("id") == identity.id
            ]
        }
    )


async def _kill_session(request: Request, parts: ControlParts) -> Response:
    identity = await caller(request, parts)
    reason = (await payload(request, _Reason)).reason or "no reason was given"
    session = parts.sessions.get(request.path_params["id"])
    own = session is not None and session.principal.get("id") == identity.id
    if session is None or not (own or _is_operator(identity, parts)):
        raise ApiError(404, "unknown_session", "there is no such session, or not for you")
    # The session ends first: a record that cannot be written must not keep it alive.
    session.end(f"ended by {identity.id}: {reason}")
    if session.credential_id is not None:
        await parts.credentials.revoke(session.credential_id)
    await parts.recorder.append(
        "kill", session.id, {"by": identity.id, "reason": reason, "sessions": [session.id]}
    )
    return answer({"ended": [session.id]})


async def _healthz(_request: Request, _parts: ControlParts) -> Response:
    return answer({"status": "ok"})


async def _readyz(_request: Request, parts: ControlParts) -> Response:
    problems: dict[str, str] = {}
    if not parts.engine.connected:
        problems["engine"] = "cannot be reached"
    if parts.recorder.failure is not None:
        problems["recording"] = parts.recorder.failure
    try:
        await parts.approvals.entries()
    except StateUnavailable as error:
        problems["state"] = error.message
    if problems:
        return answer({"status": "unready", "problems": problems}, 503)
    return answer({"status": "ready", "node": parts.config.node, "sessions": len(parts.sessions)})
