"""From a decision that asks for consent to one that needs none any longer: the same for every protocol."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from doorward_gateway.approvals.model import Approval, Operation
from doorward_gateway.approvals.store import ApprovalStore
from doorward_gateway.errors import GatewayError

__all__ = ["ConsentWithheld", "obtain_consent"]


class ConsentWithheld(GatewayError):
    """Somebody refused, nobody answered in time, or it was cancelled: `approval.state` says which."""

    def __init__(self, message: str, approval: Approval) -> None:
        super().__init__(message)
        self.approval = approval


async def obtain_consent(
    store: ApprovalStore,
    decision: Any,
    operation: Operation,
    *,
    decide_again: Callable[[], Awaitable[Any]],
    changed: Callable[[Approval], Awaitable[None]],
    max_wait_ms: int,
) -> Any:
    """Waits for everything `decision` (a `doorward.v1.Decision`) asks consent for, then decides again.

    Returns the newer decision once its verdict is `BLOCK` or `ALLOW`, or `APPROVE` with every requirement met
    by a consent that is used up hereby. A requirement that is new in the second decision is waited for in
    turn. `changed` is called when an approval is opened and when it has ended (to record it, and to tell the
    client). Raises `ConsentWithheld`; when cancelled, cancels what is still open.
    """
    raise NotImplementedError
