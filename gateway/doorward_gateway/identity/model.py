"""Who is asking: a provider turns a bearer token into an `Identity`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal, Protocol

from doorward_gateway.clock import rfc3339
from doorward_gateway.errors import IdentityRefused

__all__ = [
    "MAX_TOKEN",
    "STATIC_ISSUER",
    "Identities",
    "Identity",
    "IdentityProvider",
    "PrincipalKind",
]

PrincipalKind = Literal["human", "service", "agent", "ci"]

STATIC_ISSUER = "doorward:static"
MAX_TOKEN = 16_384


@dataclass(frozen=True, slots=True)
class Identity:
    """A named caller, as one provider vouches for it at one instant."""

    id: str
    kind: PrincipalKind
    groups: frozenset[str] = frozenset()
    issuer: str = STATIC_ISSUER
    claims: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    authenticated_at_ns: int = 0
    expires_at_ns: int | None = None

    def is_of(self, principal: Mapping[str, Any]) -> bool:
        """Whether a `principal` part is this very caller's: two issuers may know the same name."""
        return principal.get("id") == self.id and principal.get("issuer") == self.issuer

    def document(self) -> dict[str, Any]:
        """The `principal` part of an access request."""
        return {
            "id": self.id,
            "kind": self.kind,
            "groups": sorted(self.groups),
            "issuer": self.issuer,
            "claims": dict(self.claims),
            "authenticated_at": rfc3339(self.authenticated_at_ns),
        }


class IdentityProvider(Protocol):
    """Turns tokens of one issuer into identities."""

    async def authenticate(self, token: str) -> Identity | None:
        """The identity behind `token`; `None` if the token is not of this provider.

        Raises `IdentityRefused` when it is, and is not good (any longer), `IdentityUnavailable` when that cannot be
        found out.
        """


class Identities:
    """All providers of a gateway, asked in order."""

    def __init__(self, providers: Sequence[IdentityProvider]) -> None:
        self._providers = tuple(providers)

    async def authenticate(self, token: str) -> Identity:
        """The identity behind `token`; raises `IdentityRefused` when no provider knows it, `IdentityUnavailable`."""
        if token and len(token) <= MAX_TOKEN:
            for provider in self._providers:
                identity = await provider.authenticate(token)
                if identity is not None:
                    return identity
        raise IdentityRefused("the token is not known here")
