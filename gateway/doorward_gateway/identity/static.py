"""Identities from the configuration, for trying things out only: nothing expires, nobody is off-boarded until a restart."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable
from dataclasses import dataclass, field

import structlog

from doorward_gateway.clock import Clock, system_clock
from doorward_gateway.identity.model import Identity, PrincipalKind

__all__ = ["StaticIdentities", "StaticIdentity"]

_log = structlog.get_logger(__name__)


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
