"""`GET /v1/credentials` and `POST /v1/credentials/{id}/revoke`."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from doorward_gateway.clock import rfc3339
from doorward_gateway.control.parts import (
    ApiError,
    ControlParts,
    Reason,
    answer,
    caller,
    is_operator,
    payload,
)
from doorward_gateway.credentials import CredentialState

__all__ = ["list_credentials", "revoke_credential"]


async def list_credentials(request: Request, parts: ControlParts) -> Response:
    """The caller's live credentials, never their secrets; an operator sees everybody's."""
    identity = await caller(request, parts)
    entries = await parts.credentials.entries(live_only=request.query_params.get("all") != "true")
    operator = is_operator(identity, parts)
    shown = [_document(entry) for entry in entries if operator or identity.is_of(entry.grant.principal)]
    return answer({"credentials": shown})


async def revoke_credential(request: Request, parts: ControlParts) -> Response:
    """Makes one credential useless; sessions that it let in go on, see `kill`."""
    identity = await caller(request, parts)
    reason = (await payload(request, Reason)).reason
    operator = is_operator(identity, parts)
    for entry in await parts.credentials.entries():
        grant = entry.grant
        if grant.credential_id == request.path_params["id"] and (operator or identity.is_of(grant.principal)):
            await parts.credentials.revoke(grant.credential_id)
            body = {"event": "revoked", "grant": grant.document(), "by": identity.id, "reason": reason}
            await parts.recorder.append("credential", "", body)
            return answer({"revoked": grant.credential_id})
    raise ApiError(404, "unknown_credential", "there is no such live credential, or not for you")


def _document(entry: CredentialState) -> dict[str, Any]:
    last = entry.last_used_ns
    return {
        **entry.grant.document(),
        "state": entry.state,
        "uses": entry.uses,
        "last_used_at": None if last is None else rfc3339(last),
    }
