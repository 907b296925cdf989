"""The sessions of a record: which there were, and what belongs to one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from doorward_gateway.recording.chain import Record
from doorward_gateway.recording.reader import records

__all__ = ["AmbiguousSession", "SessionSummary", "list_sessions", "read_session"]


class AmbiguousSession(LookupError):
    """Several sessions begin with what was given."""


@dataclass(slots=True)
class SessionSummary:
    """One session of a record. `ended_at` is `None` while it lives, and after a crash."""

    session: str
    node: str
    started_at: str
    principal: Mapping[str, Any] = field(default_factory=dict)
    resource: str = ""
    attribution: Mapping[str, str] = field(default_factory=dict)
    client_address: str = ""
    ended_at: str | None = None
    end_reason: str = ""
    operations: int = 0
    blocked: int = 0
    masked: int = 0
    approvals: int = 0

    def document(self) -> dict[str, Any]:
        """The summary for programs."""
        return {name: getattr(self, name) for name in SessionSummary.__slots__}

    def take(self, record: Record) -> None:
        """Counts a record of this session in."""
        body = record.body
        match record.kind:
            case "session_start":
                self.principal = body.get("principal") or {}
                resource = body.get("resource") or ""
                self.resource = str(resource.get("name", "") if isinstance(resource, Mapping) else resource)
                self.attribution = body.get("attribution") or {}
                self.client_address = str(body.get("client_address") or "")
            case "operation":
                decision = body.get("decision") or {}
                self.operations += 1
                self.blocked += "refused" in body or decision.get("verdict") == "block"
                self.masked += bool(decision.get("masks"))
            case "approval":
                self.approvals += body.get("state") == "waiting"
            case "session_end":
                self.ended_at = record.time
                self.end_reason = str(body.get("reason") or "")
            case _:
                pass


def list_sessions(directory: Path) -> list[SessionSummary]:
    """Every session that began in a record, in the order in which they began. Raises `OSError`."""
    found: dict[str, SessionSummary] = {}
    for record in records(directory):
        if not record.session:
            continue
        if record.kind == "session_start":
            found.setdefault(record.session, SessionSummary(record.session, record.node, record.time))
        summary = found.get(record.session)
        if summary is not None:
            summary.take(record)
    return list(found.values())


def read_session(directory: Path, session: str) -> list[Record]:
    """The records of the session of that name, or the one whose name begins so; none when there is none.

    Raises `AmbiguousSession`, and `OSError`.
    """
    found: dict[str, list[Record]] = {}
    for record in records(directory):
        if session and record.session.startswith(session):
            found.setdefault(record.session, []).append(record)
    if session in found:
        return found[session]
    if len(found) > 1:
        raise AmbiguousSession(f"several sessions begin with `{session}`: {', '.join(sorted(found)[:5])}")
    return next(iter(found.values()), [])
