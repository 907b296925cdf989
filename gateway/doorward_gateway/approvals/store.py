"""Where approvals are kept, waited for and decided."""

from __future__ import annotations

from pathlib import Path

from doorward_gateway.approvals.model import Approval, ApprovalEvent, Operation, Requirement
from doorward_gateway.clock import Clock, system_clock
from doorward_gateway.identity import Identity

__all__ = ["ApprovalStore"]


class ApprovalStore:
    """Opens approvals, wakes who waits, lets others decide. Safe across processes that share the file."""

    @classmethod
    async def open(cls, path: Path, *, node: str, clock: Clock = system_clock) -> ApprovalStore:
        """The store in the SQLite file `path`, made if absent. Raises `StateUnavailable`."""
        raise NotImplementedError

    async def close(self) -> None:
        """Closes the file; who still waits gets `StateUnavailable`."""
        raise NotImplementedError

    async def ask(self, operation: Operation, requirement: Requirement) -> Approval:
        """Asks for consent. The wait is counted from now."""
        raise NotImplementedError

    async def wait(self, approval_id: str) -> Approval:
        """Returns once the approval is no longer pending: approved, refused, expired or cancelled.

        Cancelling the wait (the client has gone) does not cancel the approval: call `cancel` for that.
        """
        raise NotImplementedError

    async def decide(
        self, approval_id: str, approver: Identity, *, consent: bool, comment: str = ""
    ) -> Approval:
        """Gives or refuses consent in the name of `approver`.

        Raises `ApprovalRefused`: not pending, past its deadline, the approver's own request, or not in the
        right group. Anybody but the asker who is in one of the groups may refuse or approve; the asker's own
        is neither.
        """
        raise NotImplementedError

    async def cancel(self, approval_id: str, why: str) -> Approval:
        """Ends an approval that is pending, or approved and not yet used. No effect on one that has ended."""
        raise NotImplementedError

    async def use(self, approval_id: str, *, operation_hash: str, statement_id: str) -> None:
        """Uses a consent up, once, for exactly this operation and requirement; else `ApprovalRefused`."""
        raise NotImplementedError

    async def get(self, approval_id: str) -> Approval:
        """Raises `ApprovalRefused` with reason `unknown`."""
        raise NotImplementedError

    async def entries(self, *, pending_only: bool = True) -> list[Approval]:
        """The approvals that are kept, oldest first."""
        raise NotImplementedError

    async def history(self, approval_id: str) -> list[ApprovalEvent]:
        """Everything that happened to an approval, also the attempts that were denied."""
        raise NotImplementedError
