"""An identity, a resource and a purpose become a credential, if policy says so."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn, Protocol

from doorward_gateway.attribution import Attribution
from doorward_gateway.client import Decision
from doorward_gateway.clock import Clock, rfc3339
from doorward_gateway.config import Config, Resource
from doorward_gateway.credentials.grant import Issued
from doorward_gateway.credentials.store import CredentialStore
from doorward_gateway.errors import GatewayError
from doorward_gateway.identity import Identity
from doorward_gateway.recording import Recorder
from doorward_gateway.recording.bodies import decision_body
from doorward_proto.v1 import decision_pb2 as pb

__all__ = ["CredentialBlocked", "Decider", "Issuance"]


class CredentialBlocked(GatewayError):
    """Policy does not allow the credential; `reasons` as decisions give them."""

    def __init__(self, message: str, reasons: list[dict[str, str]]) -> None:
        super().__init__(message)
        self.reasons = reasons


class Decider(Protocol):
    """The engine, as far as credentials need it; an `AsyncClient` is one."""

    @property
    def connected(self) -> bool:
        """Whether the last attempt to reach the engine succeeded."""

    async def decide(self, document: Mapping[str, Any], catalogue: str = "") -> Decision:
        """The decision on one access request; raises `EngineUnavailable`."""


@dataclass(frozen=True, slots=True)
class Issuance:
    """The way from an identity to a credential, on one node."""

    config: Config
    engine: Decider
    credentials: CredentialStore
    recorder: Recorder
    clock: Clock

    def document(
        self, identity: Identity, name: str, resource: Resource, attribution: Attribution, address: str
    ) -> dict[str, Any]:
        """The access request for a credential; `address` is the caller's, empty where it is not known."""
        session: dict[str, Any] = {"started_at": rfc3339(self.clock()), **attribution.document()}
        if address:
            session["client_address"] = address
        return {
            "principal": identity.document(),
            "action": {"name": "issue_credential"},
            "resource": {
                "kind": resource.kind,
                "name": name,
                "environment": resource.environment,
                "labels": dict(resource.labels),
            },
            "session": session,
        }

    async def decide(self, document: dict[str, Any]) -> pb.Decision:
        """The decision on that request; raises `EngineUnavailable`."""
        decided = await self.engine.decide(document)
        return decided.message

    async def refuse(
        self, identity: Identity, name: str, attribution: Attribution, decision: pb.Decision
    ) -> NoReturn:
        """Records that policy does not allow it; raises `CredentialBlocked`, or `RecordingUnavailable`."""
        body = decision_body(decision)
        await self.recorder.append(
            "credential",
            "",
            {
                "event": "refused",
                "principal": identity.document(),
                "resource": name,
                "attribution": attribution.document(),
                "decision": body,
            },
        )
        texts = [reason["text"] for reason in body["reasons"]] or ["no statement allows this"]
        raise CredentialBlocked("; ".join(texts), body["reasons"])

    async def issue(
        self,
        identity: Identity,
        name: str,
        resource: Resource,
        attribution: Attribution,
        decision: pb.Decision,
    ) -> Issued:
        """Makes the credential and records it; one that could not be recorded is never shown and never good.

        It lives no longer than the identity. Raises `CredentialBlocked`, `StateUnavailable`, `RecordingUnavailable`.
        """
        config, credential = self.config.credentials, decision.credential
        if credential.role and credential.role not in resource.upstream.roles:
            # An obligation that cannot be carried out is a block.
            raise CredentialBlocked(
                f"policy gives the role `{credential.role}`, which `{name}` does not have", []
            )
        ttl = min(credential.ttl.ToMilliseconds() or config.default_ttl, config.max_ttl)
        if identity.expires_at_ns is not None:
            ttl = min(ttl, (identity.expires_at_ns - self.clock()) // 1_000_000)
        if ttl <= 0:
            raise CredentialBlocked("the identity expires at this very moment", [])
        issued = await self.credentials.issue(
            principal=identity.document(),
            resource=name,
            attribution=attribution,
            ttl_ms=ttl,
            single_use=credential.single_use,
            role=credential.role,
        )
        try:
            await self.recorder.append(
                "credential",
                "",
                {"event": "issued", "grant": issued.grant.document(), "decision": decision_body(decision)},
            )
        except BaseException:
            await asyncio.shield(self.credentials.revoke(issued.grant.credential_id))
            raise
        return issued
