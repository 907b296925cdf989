"""Who is asking.

A provider turns a bearer token into an `Identity`. The one provider here, `StaticIdentities`, reads its
people from the configuration and is for trying things out only: nothing expires and nobody is off-boarded
until a restart. An OIDC provider stands beside it behind the same interface.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal, Protocol

import structlog

from doorward_gateway.clock import Clock, rfc3339, system_clock
from doorward_gateway.errors import IdentityRefused

__all__ = [
    "Identities",
    "Identity",
    "IdentityProvider",
    "PrincipalKind",
    "StaticIdentities",
    "StaticIdentity",
]

PrincipalKind = Literal["human", "service", "agent", "ci"]

STATIC_ISSUER = "doorward:static"
MAX_TOKEN = 16_384

_log = structlog.get_logger(__name__)


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

        Raises `IdentityRefused` when it is, and is not good (any longer).
        """


class Identities:
    """All providers of a gateway, asked in order."""

    def __init__(self, providers: Sequence[IdentityProvider]) -> None:
        self._providers = tuple(providers)

    async def authenticate(self, token: str) -> Identity:
        """The identity behind `token`; raises `IdentityRefused` when no provider knows it."""
        if token and len(token) <= MAX_TOKEN:
            for provider in self._providers:
                identity = await provider.authenticate(token)
                if identity is not None:
                    return identity
        raise IdentityRefused("the token is not known here")


@dataclass(frozen=True, slots=True)
class StaticIdentity:
    """One person or program of the configuration, with its token in the clear as it was read."""

    id: str
    kind: PrincipalKind
    groups: frozenset[str]
    token: str = field(repr=False)


class StaticIdentities:
    """Identities from the configuration, for trying things out. Says so in the log."""

    def __init__(self, people: Iterable[StaticIdentity], *, clock: Clock = system_clock) -> None:
        self._clock = clock
        self._people = tuple(
            (_digest(person.token), person.id, person.kind, person.groups) for person in people
        )
        if self._people:
            _log.warning(
                "static identities are for trying things out only: their tokens never expire",
                identities=[person[1] for person in self._people],
            )

    async def authenticate(self, token: str) -> Identity | None:
        """The identity whose token this is. Every token is compared, each in constant time."""
        digest = _digest(token)
        found: Identity | None = None
        for expected, id_, kind, groups in self._people:
            if hmac.compare_digest(digest, expected):
                found = Identity(id_, kind, groups, authenticated_at_ns=self._clock())
        return found


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
