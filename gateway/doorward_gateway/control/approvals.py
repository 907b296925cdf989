"""`/v1/approvals`: what waits for consent, and deciding about it."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from doorward_gateway.approvals import Approval
from doorward_gateway.clock import rfc3339
from doorward_gateway.control.parts import ControlParts, Reason, answer, caller, is_operator, payload
from doorward_gateway.errors import ApprovalRefused
from doorward_gateway.identity import Identity

__all__ = ["approve", "list_approvals", "refuse", "show_approval"]


async def list_approvals(request: Request, parts: ControlParts) -> Response:
    """What the caller may decide, and what they asked for; operators see everything."""
    identity = await caller(request, parts)
    entries = await parts.approvals.entries(waiting_only=request.query_params.get("all") != "true")
    shown = [entry.document() for entry in entries if _concerns(entry, identity, parts)]
    return answer({"approvals": shown})


async def show_approval(request: Request, parts: ControlParts) -> Response:
    """One approval with its whole history. Raises `ApprovalRefused` for what does not concern the caller."""
    identity = await caller(request, parts)
    approval = await parts.approvals.get(request.path_params["id"])
    if not _concerns(approval, identity, parts):
        raise ApprovalRefused("unknown", "there is no such approval, or not for you")
    history = [
        {"at": rfc3339(event.at_ns), "event": event.event, "actor": event.actor, "comment": event.comment}
        for event in await parts.approvals.history(approval.id)
    ]
    return answer({**approval.document(), "history": history})


async def approve(request: Request, parts: ControlParts) -> Response:
    """Gives consent in the caller's name."""
    return await _decide(request, parts, consent=True)


async def refuse(request: Request, parts: ControlParts) -> Response:
    """Refuses consent in the caller's name."""
    return await _decide(request, parts, consent=False)


def _concerns(approval: Approval, identity: Identity, parts: ControlParts) -> bool:
    asked = identity.is_of(approval.operation.principal)
    may_decide = not identity.groups.isdisjoint(approval.requirement.groups)
    return asked or may_decide or is_operator(identity, parts)


async def _decide(request: Request, parts: ControlParts, *, consent: bool) -> Response:
    identity = await caller(request, parts)
    reason = (await payload(request, Reason)).reason
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
