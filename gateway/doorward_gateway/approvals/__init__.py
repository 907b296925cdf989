"""Approvals: an operation waits until a person with the right group consents to exactly that operation.

    approval = await store.ask(operation, requirement)
    approval = await store.wait(approval.id)              # approved | refused | expired | cancelled
    await store.use(approval.id, operation_hash=…, statement_id=…)

`obtain_consent` does all of it for a decision.
"""

from __future__ import annotations

from doorward_gateway.approvals.consent import ConsentWithheld, obtain_consent
from doorward_gateway.approvals.model import Approval, ApprovalEvent, ApprovalState, Operation, Requirement
from doorward_gateway.approvals.store import ApprovalStore

__all__ = [
    "Approval",
    "ApprovalEvent",
    "ApprovalState",
    "ApprovalStore",
    "ConsentWithheld",
    "Operation",
    "Requirement",
    "obtain_consent",
]
