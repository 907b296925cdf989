"""What an approval is: one person's consent to one operation of another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from doorward_gateway.attribution import Attribution
from doorward_gateway.clock import rfc3339

__all__ = ["Approval", "ApprovalEvent", "ApprovalState", "Operation", "Requirement"]

ApprovalState = Literal["waiting", "approved", "refused", "expired", "cancelled", "used"]
"""`waiting` → `approved` → `used`, or from either of the first two to an end without use."""


@dataclass(frozen=True, slots=True)
class Requirement:
    """What a policy statement asks for: consent of a member of any one of `groups`, within `within_ms`."""

    statement_id: str
    groups: frozenset[str]
    within_ms: int
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Operation:
    """What is asked for: by whom, on what, and what exactly.

    `hash` is the decision's `operation_hash`; `text` the operation as the approver is to read it (a statement
    with its parameters); `facts` what the engine made of it.
    """

    hash: str
    principal: Mapping[str, Any]
    resource: str
    text: str
    session_id: str = ""
    attribution: Attribution = field(default_factory=Attribution)
    facts: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Approval:
    """A request for consent and what became of it."""

    id: str
    state: ApprovalState
    node: str
    operation: Operation
    requirement: Requirement
    opened_ns: int
    deadline_ns: int
    decided_ns: int | None = None
    decided_by: str | None = None
    comment: str = ""

    def document(self) -> dict[str, Any]:
        """What lists and records show of it."""
        return {
            "id": self.id,
            "state": self.state,
            "node": self.node,
            "principal": dict(self.operation.principal),
            "resource": self.operation.resource,
            "operation": self.operation.text,
            "operation_hash": self.operation.hash,
            "session": self.operation.session_id,
            "attribution": self.operation.attribution.document(),
            "facts": None if self.operation.facts is None else dict(self.operation.facts),
            "statement_id": self.requirement.statement_id,
            "groups": sorted(self.requirement.groups),
            "reason": self.requirement.reason,
            "opened_at": rfc3339(self.opened_ns),
            "deadline": rfc3339(self.deadline_ns),
            "decided_at": None if self.decided_ns is None else rfc3339(self.decided_ns),
            "decided_by": self.decided_by,
            "comment": self.comment,
        }


@dataclass(frozen=True, slots=True)
class ApprovalEvent:
    """One line of an approval's history. `actor` is a principal id, or empty for the gateway itself."""

    at_ns: int
    event: Literal["opened", "approved", "refused", "denied", "expired", "cancelled", "used"]
    actor: str
    comment: str
