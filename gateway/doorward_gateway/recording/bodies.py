"""What the body of a record holds, by its kind. Whoever writes a record fills these in; replay reads them.

    kind            written when                                   body
    session_start   a caller has been let in                       SessionStart
    operation       an operation has been decided, before it runs  OperationBody
    result          its answer has been given to the caller        ResultBody
    approval        consent has been asked for, or has ended       `Approval.document()` and `op`
    session_end     a session is over                              SessionEnd
    refused         a caller was not let in                        Refused
    credential      a credential was issued, refused or revoked    CredentialBody
    kill            somebody ended sessions                        KillBody
    genesis, segment, recovered                                    the chain's own, see `chain`

Bodies never hold a secret nor a value that was masked: `rows` are the rows as the caller saw them.
"""

from __future__ import annotations

from typing import Any, Literal, TypedDict

from doorward_proto.v1 import decision_pb2 as pb

__all__ = [
    "CredentialBody",
    "DecisionBody",
    "KillBody",
    "OperationBody",
    "Refused",
    "ResultBody",
    "SessionEnd",
    "SessionStart",
    "decision_body",
]


class SessionStart(TypedDict, total=False):
    """Who came in, to what, by what."""

    protocol: str
    principal: dict[str, Any]
    resource: dict[str, Any]  # kind, name, environment, labels
    attribution: dict[str, str]
    client_address: str
    credential_id: str
    role: str
    expires_at: str


class DecisionBody(TypedDict, total=False):
    """A decision, as far as the record keeps it."""

    decision_id: str
    revision: str
    verdict: Literal["block", "approve", "allow"]
    reasons: list[dict[str, str]]  # id, verb, text, place
    masks: list[dict[str, Any]]  # target, method, reason
    approvals: list[dict[str, Any]]  # statement_id, groups, reason
    errors: list[dict[str, str]]  # id, code, message, place
    operation_hash: str


class OperationBody(TypedDict, total=False):
    """One operation and what was decided about it. `op` counts the operations of a session from 1."""

    op: int
    action: str
    statement: str
    parameters: list[str | None]
    attribution: dict[str, str]
    decision: Any  # DecisionBody
    facts: Any  # the `sql` facts
    decided_in_us: int
    refused: str  # the operation was refused by the gateway itself, with this sentence


class ResultBody(TypedDict, total=False):
    """The answer to operation `op`, bounded; `rows` as the caller saw them, text or null."""

    op: int
    tag: str  # the server's command tag
    columns: list[dict[str, Any]]  # name, masked (the method, or absent)
    rows: list[list[str | None]]
    row_count: int
    truncated: bool  # rows or values were left out of the record
    error: dict[str, str]  # sqlstate, message
    duration_us: int


class SessionEnd(TypedDict, total=False):
    """Why a session ended."""

    reason: str
    operations: int


class Refused(TypedDict, total=False):
    """A caller that was not let in, and why (in more words than the caller was told)."""

    protocol: str
    resource: str
    client_address: str
    reason: str


class CredentialBody(TypedDict, total=False):
    """What happened to a credential; `grant` is `Grant.document()`, `by` who revoked it."""

    event: Literal["issued", "refused", "revoked"]
    principal: dict[str, Any]
    resource: str
    attribution: dict[str, str]
    grant: dict[str, Any]
    decision: DecisionBody
    by: str
    reason: str


class KillBody(TypedDict, total=False):
    """Somebody ended sessions, all of them at once, and revoked so many credentials."""

    by: str
    reason: str
    sessions: list[str]
    revoked: int


_VERDICTS: dict[int, Literal["block", "approve", "allow"]] = {1: "block", 2: "approve", 3: "allow"}
_METHODS = {1: "partial", 2: "format_preserving", 3: "hash", 4: "replace", 5: "null", 6: "redact"}


def decision_body(decision: pb.Decision) -> DecisionBody:
    """What the record keeps of a `doorward.v1.Decision`. An unset or unknown verdict is a block."""
    return {
        "decision_id": decision.decision_id,
        "revision": decision.revision,
        "verdict": _VERDICTS.get(decision.verdict, "block"),
        "reasons": [
            {"id": reason.id, "verb": reason.verb, "text": reason.text, "place": reason.place}
            for reason in decision.reasons
        ],
        "masks": [
            {"target": mask.target, "method": _METHODS.get(mask.method, "redact"), "reason": mask.reason}
            for mask in decision.masks
        ],
        "approvals": [
            {
                "statement_id": approval.statement_id,
                "groups": sorted(approval.groups),
                "reason": approval.reason,
            }
            for approval in decision.approvals
        ],
        "errors": [
            {"id": error.id, "code": error.code, "message": error.message, "place": error.place}
            for error in decision.errors
        ],
        "operation_hash": decision.operation_hash,
    }
