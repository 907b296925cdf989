"""The token of an identity, shown where a credential is asked for: it is made into one, and that is used at once."""

from __future__ import annotations

from dataclasses import dataclass

from doorward_gateway.attribution import Attribution
from doorward_gateway.credentials.grant import Grant
from doorward_gateway.credentials.issuance import CredentialBlocked, Issuance
from doorward_gateway.identity import Identities
from doorward_proto.v1 import decision_pb2 as pb

__all__ = ["TokenRedeemer", "is_token"]


def is_token(secret: str) -> bool:
    """Whether a secret has the form of a JWT, which no credential has."""
    return secret.count(".") == 2


@dataclass(frozen=True, slots=True)
class TokenRedeemer:
    """Takes tokens where credentials are redeemed, by the same decision and with the same record."""

    identities: Identities
    issuance: Issuance

    async def redeem(self, token: str, resource: str, claims: Attribution, address: str) -> Grant:
        """What the bearer is granted on a resource. `claims` is what the client says it is about.

        Raises `IdentityRefused`, `IdentityUnavailable`, `CredentialBlocked`, `EngineUnavailable`, `StateUnavailable`
        and `RecordingUnavailable`.
        """
        issuance = self.issuance
        identity = await self.identities.authenticate(token)
        found = issuance.config.resources[resource]
        decision = await issuance.decide(issuance.document(identity, resource, found, claims, address))
        if decision.verdict == pb.VERDICT_APPROVE:
            # Nobody can be waited for while a client starts up; where a credential is asked for by itself, one can.
            raise CredentialBlocked("a person has to consent: ask with `doorward credential issue`", [])
        if decision.verdict != pb.VERDICT_ALLOW:
            await issuance.refuse(identity, resource, claims, decision)
        issued = await issuance.issue(identity, resource, found, claims, decision)
        return await issuance.credentials.redeem(issued.secret, resource)
