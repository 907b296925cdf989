"""From a decision that asks for consent to one that needs none any longer: the same for every protocol."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from typing import Final

from doorward_gateway.approvals.model import Approval, Operation, Requirement
from doorward_gateway.approvals.store import ApprovalStore
from doorward_gateway.errors import GatewayError
from doorward_proto.v1 import decision_pb2 as pb

__all__ = ["ConsentWithheld", "obtain_consent"]

_MAX_ROUNDS: Final = 4
"""How often a changed policy may ask for one more consent before the operation is refused."""

Changed = Callable[[Approval], Awaitable[None]]


class ConsentWithheld(GatewayError):
    """Somebody refused, nobody answered in time, or it was cancelled: `approval.state` says which.

    `approval` is `None` where nobody could have consented at all.
    """

    def __init__(self, message: str, approval: Approval | None) -> None:
        super().__init__(message)
        self.approval = approval


async def obtain_consent(
    store: ApprovalStore,
    decision: pb.Decision,
    operation: Operation,
    *,
    decide_again: Callable[[], Awaitable[pb.Decision]],
    changed: Changed,
    max_wait_ms: int,
) -> pb.Decision:
    """Waits for everything `decision`, whose verdict is `APPROVE`, asks consent for; then decides again.

    Returns the newer decision: of another verdict (to be treated as what it says), or `APPROVE` with every
    requirement met by a consent that is hereby used up: the operation may go on under that decision, masks
    included. What the newer decision asks for on top is waited for in turn. `changed` is called for each
    approval when it has been opened and when it has ended (to record it, and to tell the client). Raises
    `ConsentWithheld`, and whatever `decide_again` and `changed` raise; what is open then is cancelled, also
    when the caller is.
    """
    consents: dict[Requirement, Approval] = {}
    opened: dict[str, Approval] = {}
    try:
        for _ in range(_MAX_ROUNDS):
            if decision.operation_hash != operation.hash:
                # INVARIANT: consent is to one operation; what was given for another is worth nothing.
                operation = replace(operation, hash=decision.operation_hash)
                consents.clear()
            wanted = _requirements(decision, max_wait_ms)
            if not wanted or not all(requirement.groups for requirement in wanted):
                raise ConsentWithheld("the policy asks for consent, and nobody can give it", None)
            missing = [requirement for requirement in wanted if requirement not in consents]
            if not missing:
                await _use(store, [consents[requirement] for requirement in wanted], opened, changed)
                return decision
            for requirement in missing:
                approval = await store.ask(operation, requirement)
                opened[approval.id] = consents[requirement] = approval
                await changed(approval)
            await _wait(store, [consents[requirement] for requirement in missing], opened, changed)
            decision = await decide_again()
            if decision.verdict != pb.VERDICT_APPROVE:
                return decision
        raise ConsentWithheld("the policy changed again and again while consent was awaited", None)
    finally:
        await asyncio.shield(_cancel(store, list(opened), changed))


async def _cancel(store: ApprovalStore, approval_ids: list[str], changed: Changed) -> None:
    cancelled = [
        await store.cancel(approval_id, "the operation did not go on") for approval_id in approval_ids
    ]
    for approval in cancelled:
        await changed(approval)


def _requirements(decision: pb.Decision, max_wait_ms: int) -> list[Requirement]:
    return [
        Requirement(
            statement_id=approval.statement_id,
            groups=frozenset(approval.groups),
            within_ms=min(approval.within.ToMilliseconds() or max_wait_ms, max_wait_ms),
            reason=approval.reason,
        )
        for approval in decision.approvals
    ]


async def _wait(
    store: ApprovalStore, approvals: Iterable[Approval], opened: dict[str, Approval], changed: Changed
) -> None:
    """Returns when all have been approved; the first that was not ends the wait."""
    waits = {asyncio.create_task(store.wait(approval.id)) for approval in approvals}
    try:
        for done in asyncio.as_completed(waits):
            approval = await done
            await changed(approval)
            if approval.state != "approved":
                opened.pop(approval.id, None)
                raise ConsentWithheld(_sentence(approval), approval)
    finally:
        for task in waits:
            task.cancel()
        await asyncio.gather(*waits, return_exceptions=True)


async def _use(
    store: ApprovalStore, approvals: Iterable[Approval], opened: dict[str, Approval], changed: Changed
) -> None:
    for approval in approvals:
        used = await store.use(
            approval.id,
            operation_hash=approval.operation.hash,
            statement_id=approval.requirement.statement_id,
        )
        opened.pop(approval.id, None)
        await changed(used)


def _sentence(approval: Approval) -> str:
    comment = f": {approval.comment}" if approval.comment else ""
    match approval.state:
        case "refused":
            return f"refused by {approval.decided_by}{comment}"
        case "expired":
            return "nobody consented in time"
        case _:
            return f"the request for consent was {approval.state}{comment}"
