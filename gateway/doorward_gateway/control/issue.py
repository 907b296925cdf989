"""`POST /v1/credentials`: an identity, a resource and a purpose become a credential, if policy says so."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from doorward_gateway.approvals import Approval, ConsentWithheld, Operation, obtain_consent
from doorward_gateway.attribution import MAX_ATTRIBUTION, Attribution
from doorward_gateway.clock import rfc3339
from doorward_gateway.control.parts import ApiError, ControlParts, Payload, answer, caller, payload
from doorward_gateway.credentials import Issued
from doorward_gateway.credentials.issuance import CredentialBlocked
from doorward_gateway.identity import Identity
from doorward_proto.v1 import decision_pb2 as pb

__all__ = ["issue_credential"]

_Text = Annotated[str, Field(min_length=1, max_length=MAX_ATTRIBUTION)]


class _IssueRequest(Payload):
    resource: Annotated[str, Field(min_length=1, max_length=63)]
    purpose: _Text
    run: _Text | None = None
    branch: _Text | None = None
    step: _Text | None = None
    parent_step: _Text | None = None
    trace_id: _Text | None = None


async def issue_credential(request: Request, parts: ControlParts) -> Response:
    """Decides the action `issue_credential` and shows the secret once; 403 with the reasons where it is
    blocked.

    Where policy asks for consent, the answer waits for it as long as the client does.
    """
    identity = await caller(request, parts)
    wanted = await payload(request, _IssueRequest)
    resource = parts.config.resources.get(wanted.resource)
    if resource is None:
        raise ApiError(404, "unknown_resource", f"there is no resource `{wanted.resource}`")
    try:
        attribution = Attribution.of(wanted.model_dump())
    except ValueError as error:
        raise ApiError(400, "invalid_request", str(error)) from None
    issuance = parts.issuance
    address = "" if request.client is None else request.client.host
    document = issuance.document(identity, wanted.resource, resource, attribution, address)
    try:
        decision = await issuance.decide(document)
        if decision.verdict == pb.VERDICT_APPROVE:
            decision = await _with_consent(request, parts, document, decision, attribution)
        if decision.verdict not in (pb.VERDICT_ALLOW, pb.VERDICT_APPROVE):
            await issuance.refuse(identity, wanted.resource, attribution, decision)
        issued = await issuance.issue(identity, wanted.resource, resource, attribution, decision)
    except CredentialBlocked as blocked:
        raise ApiError(403, "blocked", blocked.message, reasons=blocked.reasons or None) from None
    return answer(_shown_once(parts, identity, issued), 201)


async def _with_consent(
    request: Request,
    parts: ControlParts,
    document: dict[str, Any],
    decision: pb.Decision,
    attribution: Attribution,
) -> pb.Decision:
    """Waits for consent for as long as the client stays; raises `ApiError` 403 when it is not given."""
    name = document["resource"]["name"]
    operation = Operation(
        hash=decision.operation_hash,
        principal=document["principal"],
        resource=name,
        text=f"a credential for `{name}`",
        attribution=attribution,
    )

    async def changed(approval: Approval) -> None:
        await parts.recorder.append("approval", "", approval.document())

    async def gone() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass

    consent = asyncio.create_task(
        obtain_consent(
            parts.approvals,
            decision,
            operation,
            decide_again=lambda: parts.issuance.decide(document),
            changed=changed,
            max_wait_ms=parts.config.approvals.max_wait,
        )
    )
    client = asyncio.create_task(gone())
    try:
        await asyncio.wait({consent, client}, return_when=asyncio.FIRST_COMPLETED)
        if consent.done():
            return consent.result()
        raise ApiError(408, "disconnected", "the client has gone")
    except ConsentWithheld as error:
        raise ApiError(403, "consent_withheld", error.message) from None
    finally:
        consent.cancel()
        client.cancel()
        await asyncio.gather(consent, client, return_exceptions=True)


def _shown_once(parts: ControlParts, identity: Identity, issued: Issued) -> dict[str, Any]:
    grant = issued.grant
    endpoint = parts.endpoint(grant.resource)
    return {
        "id": grant.credential_id,
        "secret": issued.secret,
        "resource": grant.resource,
        "role": grant.role,
        "single_use": grant.single_use,
        "ttl_ms": (grant.expires_at_ns - grant.issued_at_ns) // 1_000_000,
        "expires_at": rfc3339(grant.expires_at_ns),
        "attribution": grant.attribution.document(),
        "connection": {
            "host": endpoint.host,
            "port": endpoint.port,
            "tls": endpoint.tls,
            "user": identity.id,
            "database": grant.resource,
        },
    }
