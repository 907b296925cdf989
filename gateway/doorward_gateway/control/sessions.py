"""`/v1/sessions` and `/v1/kill`: who is connected, and ending that."""

from __future__ import annotations

from typing import Annotated, TypedDict

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from doorward_gateway.control.parts import (
    ApiError,
    ControlParts,
    Payload,
    Reason,
    answer,
    caller,
    is_operator,
    payload,
)
from doorward_gateway.credentials import Grant
from doorward_gateway.identity import Identity

__all__ = ["kill", "kill_session", "list_sessions"]

_Text = Annotated[str, Field(min_length=1, max_length=512)]


class _KillRequest(Payload):
    principal: _Text | None = None
    credential: _Text | None = None
    resource: _Text | None = None
    run: _Text | None = None
    reason: Annotated[str, Field(max_length=1024)] = ""


class _Which(TypedDict, total=False):
    session_id: str | None
    principal: str | None
    credential_id: str | None
    resource: str | None
    run: str | None


async def list_sessions(request: Request, parts: ControlParts) -> Response:
    """The caller's live sessions on this node; an operator sees everybody's."""
    identity = await caller(request, parts)
    shown = [
        session.document()
        for session in parts.sessions.live()
        if is_operator(identity, parts) or identity.is_of(session.principal)
    ]
    return answer({"sessions": shown})


async def kill_session(request: Request, parts: ControlParts) -> Response:
    """Ends one session and revokes its credential."""
    identity = await caller(request, parts)
    reason = (await payload(request, Reason)).reason
    ended, revoked = await _end(parts, identity, reason, {"session_id": request.path_params["id"]})
    if not ended:
        raise ApiError(404, "unknown_session", "there is no such session, or not for you")
    return answer({"ended": ended, "revoked": revoked})


async def kill(request: Request, parts: ControlParts) -> Response:
    """Ends every live session of a principal, credential, resource or run, and revokes what let them in."""
    identity = await caller(request, parts)
    wanted = await payload(request, _KillRequest)
    which: _Which = {
        "principal": wanted.principal,
        "credential_id": wanted.credential,
        "resource": wanted.resource,
        "run": wanted.run,
    }
    if not any(which.values()):
        raise ApiError(400, "invalid_request", "name a principal, a credential, a resource or a run")
    if not is_operator(identity, parts) and wanted.principal not in (None, identity.id):
        raise ApiError(403, "not_operator", "only an operator ends the sessions of others")
    ended, revoked = await _end(parts, identity, wanted.reason, which)
    return answer({"ended": ended, "revoked": revoked})


async def _end(parts: ControlParts, identity: Identity, reason: str, which: _Which) -> tuple[list[str], int]:
    """Ends sessions, revokes, records, in this order: what cannot be written must not keep anything alive."""
    if not is_operator(identity, parts):
        which = {**which, "principal": identity.id}
    reason = reason or "no reason was given"
    ended = parts.sessions.end(f"ended by {identity.id}: {reason}", **which)
    revoked = await _revoke(parts, which, [session.credential_id for session in ended])
    if ended or revoked:
        ids = [session.id for session in ended]
        body = {"by": identity.id, "reason": reason, "sessions": ids, "revoked": revoked}
        for session_id in ids or [""]:
            await parts.recorder.append("kill", session_id, body)
    return [session.id for session in ended], revoked


async def _revoke(parts: ControlParts, which: _Which, used: list[str | None]) -> int:
    """Revokes what the ended sessions used, and what matches and was not used yet."""
    doomed = {credential_id for credential_id in used if credential_id is not None}
    if "session_id" not in which:
        entries = await parts.credentials.entries()
        doomed |= {entry.grant.credential_id for entry in entries if _matches(entry.grant, which)}
    return sum([await parts.credentials.revoke(credential_id) for credential_id in sorted(doomed)])


def _matches(grant: Grant, which: _Which) -> bool:
    pairs = (
        (which.get("principal"), grant.principal.get("id")),
        (which.get("credential_id"), grant.credential_id),
        (which.get("resource"), grant.resource),
        (which.get("run"), grant.attribution.run),
    )
    return all(wanted is None or wanted == has for wanted, has in pairs)
