"""The sessions that are live on this node: what the control API lists and ends."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from doorward_gateway.attribution import Attribution
from doorward_gateway.clock import rfc3339

__all__ = ["LiveSession", "SessionRegistry"]


@dataclass(slots=True, eq=False)
class LiveSession:
    """One live session. The protocol that runs it keeps `operations` and `attribution` up to date.

    `end` is called with a sentence that says why; it must return at once and close the session on both sides
    soon after, also in the middle of an operation.
    """

    id: str
    kind: str
    principal: Mapping[str, Any]
    resource: str
    started_at_ns: int
    client_address: str
    end: Callable[[str], None] = field(repr=False)
    attribution: Attribution = field(default_factory=Attribution)
    credential_id: str | None = None
    expires_at_ns: int | None = None
    operations: int = 0

    def document(self) -> dict[str, Any]:
        """What the control API shows of it."""
        return {
            "id": self.id,
            "kind": self.kind,
            "principal": {key: self.principal.get(key) for key in ("id", "kind", "groups")},
            "resource": self.resource,
            "started_at": rfc3339(self.started_at_ns),
            "expires_at": None if self.expires_at_ns is None else rfc3339(self.expires_at_ns),
            "client_address": self.client_address,
            "attribution": self.attribution.document(),
            "credential_id": self.credential_id,
            "operations": self.operations,
        }


class SessionRegistry:
    """The live sessions of one node, by id. Belongs to the event loop; not for other threads."""

    def __init__(self) -> None:
        self._sessions: dict[str, LiveSession] = {}

    def __len__(self) -> int:
        return len(self._sessions)

    def lives(self, session_id: str) -> bool:
        """Whether there is a live session of that id."""
        return session_id in self._sessions

    def add(self, session: LiveSession) -> None:
        """Makes a session known; its id must be new."""
        if session.id in self._sessions:
            raise ValueError(f"session `{session.id}` is already live")
        self._sessions[session.id] = session

    def remove(self, session_id: str) -> None:
        """Forgets a session that has ended; unknown ids are fine."""
        self._sessions.pop(session_id, None)

    def get(self, session_id: str) -> LiveSession | None:
        """The live session of that id."""
        return self._sessions.get(session_id)

    def live(self) -> list[LiveSession]:
        """All live sessions, oldest first."""
        return sorted(self._sessions.values(), key=lambda session: (session.started_at_ns, session.id))

    def end(
        self,
        why: str,
        *,
        session_id: str | None = None,
        principal: str | None = None,
        credential_id: str | None = None,
        resource: str | None = None,
        run: str | None = None,
    ) -> list[LiveSession]:
        """Ends the live sessions that match all criteria given (at least one); returns them."""
        wanted = (session_id, principal, credential_id, resource, run)
        if all(value is None for value in wanted):
            raise ValueError("say which sessions to end")
        ended = []
        for session in self.live():
            have = (
                session.id,
                session.principal.get("id"),
                session.credential_id,
                session.resource,
                session.attribution.run,
            )
            if all(want is None or want == has for want, has in zip(wanted, have, strict=True)):
                session.end(why)
                ended.append(session)
        return ended
