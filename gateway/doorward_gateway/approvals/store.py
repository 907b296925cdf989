"""Where approvals are kept, waited for and decided."""

from __future__ import annotations

import asyncio
import secrets
import sqlite3
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Final, Literal

from doorward_gateway.approvals.model import Approval, ApprovalEvent, Operation, Requirement
from doorward_gateway.approvals.rows import (
    SCHEMA,
    add_event,
    events,
    fetch,
    forget,
    from_row,
    insert,
    set_state,
    values_of,
)
from doorward_gateway.clock import Clock, system_clock
from doorward_gateway.errors import ApprovalRefusal, ApprovalRefused, StateUnavailable
from doorward_gateway.identity import Identity
from doorward_gateway.state import Database

__all__ = ["ApprovalStore"]

_OTHERS_INTERVAL_S: Final = 0.1
"""How often to look whether another process has changed something, while somebody waits."""

_LOOK_AGAIN_S: Final = 10.0
"""The longest sleep of a wait, so that a clock that was set is noticed."""

_KEEP_NS: Final = 30 * 86_400 * 1_000_000_000
"""How long an approval is kept after its deadline; the record keeps it for ever."""

_Outcome = Approval | tuple[ApprovalRefusal, str]


class ApprovalStore:
    """Opens approvals, wakes who waits, lets others decide. Safe across processes that share the file."""

    def __init__(self, database: Database, node: str, clock: Clock) -> None:
        self._database = database
        self._node = node
        self._clock = clock
        self._waiters: defaultdict[str, set[asyncio.Event]] = defaultdict(set)
        self._watcher: asyncio.Task[None] | None = None
        self._closed = False

    @classmethod
    async def open(cls, path: Path, *, node: str, clock: Clock = system_clock) -> ApprovalStore:
        """The store in the SQLite file `path`, made if absent. Raises `StateUnavailable`."""
        return cls(await Database.open(path, SCHEMA), node, clock)

    async def close(self) -> None:
        """Closes the file; who still waits gets `StateUnavailable`."""
        self._closed = True
        if self._watcher is not None:
            self._watcher.cancel()
            with suppress(asyncio.CancelledError):
                await self._watcher
        self._wake_all()
        await self._database.close()

    async def ask(self, operation: Operation, requirement: Requirement) -> Approval:
        """Asks for consent. The time to give it in runs from now. Raises `StateUnavailable`."""
        now = self._clock()
        approval = Approval(
            id="apr_" + secrets.token_hex(6),
            state="waiting",
            node=self._node,
            operation=operation,
            requirement=requirement,
            opened_ns=now,
            deadline_ns=now + requirement.within_ms * 1_000_000,
        )
        values = values_of(approval)

        def work(connection: sqlite3.Connection) -> None:
            forget(connection, now - _KEEP_NS)
            insert(connection, values)
            add_event(
                connection, approval.id, ApprovalEvent(now, "opened", _asker(approval), requirement.reason)
            )

        await self._database.write(work)
        return approval

    async def wait(self, approval_id: str) -> Approval:
        """Returns once the approval is no longer waiting: approved, refused, expired, cancelled (or used).

        Cancelling the wait (the client has gone) does not cancel the approval: call `cancel` for that. Raises
        `ApprovalRefused` when there is no such approval, and `StateUnavailable`.
        """
        woken = asyncio.Event()
        self._waiters[approval_id].add(woken)
        try:
            while True:
                woken.clear()
                approval = await self.get(approval_id)
                if approval.state != "waiting":
                    return approval
                self._watch_others()
                remaining = (approval.deadline_ns - self._clock()) / 1e9
                with suppress(TimeoutError):
                    async with asyncio.timeout(max(0.0, min(remaining, _LOOK_AGAIN_S))):
                        await woken.wait()
        finally:
            self._waiters[approval_id].discard(woken)
            if not self._waiters[approval_id]:
                del self._waiters[approval_id]

    async def decide(
        self, approval_id: str, approver: Identity, *, consent: bool, comment: str = ""
    ) -> Approval:
        """Gives or refuses consent in the name of `approver`, and wakes who waits.

        Raises `ApprovalRefused`: no such approval, not waiting, past its deadline, the approver's own
        request, not a person, or in none of the groups. Whoever may not consent may not refuse either; each
        such attempt stands in the history. Raises `StateUnavailable`.
        """
        event: Literal["approved", "refused"] = "approved" if consent else "refused"

        def work(connection: sqlite3.Connection, approval: Approval, now: int) -> _Outcome:
            denied = _denial(approval, approver)
            if denied is not None:
                add_event(connection, approval_id, ApprovalEvent(now, "denied", approver.id, denied[1]))
                return denied
            if approval.state != "waiting":
                return _not_waiting(approval)
            decided = replace(approval, state=event, decided_ns=now, decided_by=approver.id, comment=comment)
            return _record(connection, decided, ApprovalEvent(now, event, approver.id, comment))

        return await self._change(approval_id, work)

    async def cancel(self, approval_id: str, why: str) -> Approval:
        """Ends an approval that is waiting, or approved and not yet used; one that has ended stays as it is.

        Raises `ApprovalRefused` when there is no such approval, and `StateUnavailable`.
        """

        def work(connection: sqlite3.Connection, approval: Approval, now: int) -> _Outcome:
            if approval.state not in ("waiting", "approved"):
                return approval
            cancelled = replace(approval, state="cancelled", comment=approval.comment or why)
            return _record(connection, cancelled, ApprovalEvent(now, "cancelled", "", why))

        return await self._change(approval_id, work)

    async def use(self, approval_id: str, *, operation_hash: str, statement_id: str) -> Approval:
        """Uses a consent up, once, for exactly this operation and requirement; else `ApprovalRefused`."""

        def work(connection: sqlite3.Connection, approval: Approval, now: int) -> _Outcome:
            if approval.state != "approved":
                return "not approved", f"approval `{approval_id}` is {approval.state}, not approved"
            if approval.operation.hash != operation_hash or approval.requirement.statement_id != statement_id:
                return "wrong operation", f"approval `{approval_id}` is for another operation"
            return _record(connection, replace(approval, state="used"), ApprovalEvent(now, "used", "", ""))

        return await self._change(approval_id, work)

    async def cancel_leftovers(self) -> int:
        """Cancels what this node asked for before it was restarted. Returns how many."""
        rows = await self._database.read(
            lambda connection: connection.execute(
                "SELECT id FROM approval WHERE node = ? AND state IN ('waiting', 'approved')", (self._node,)
            ).fetchall()
        )
        for row in rows:
            await self.cancel(row["id"], "the gateway was restarted")
        return len(rows)

    async def get(self, approval_id: str) -> Approval:
        """The approval as it is now. Raises `ApprovalRefused` (`unknown`) and `StateUnavailable`."""
        approval = await self._database.read(lambda connection: fetch(connection, approval_id))
        if approval is None:
            raise _unknown(approval_id)
        if _overdue(approval, self._clock()):
            return await self._change(approval_id, lambda _connection, current, _now: current)
        return approval

    async def entries(self, *, waiting_only: bool = True) -> list[Approval]:
        """The approvals that are kept, oldest first."""
        now = self._clock()
        wanted = " WHERE state = 'waiting'" if waiting_only else ""
        rows = await self._database.read(
            lambda connection: connection.execute(
                f"SELECT * FROM approval{wanted} ORDER BY opened_ns, id"  # noqa: S608 - a constant
            ).fetchall()
        )
        found = [from_row(row) for row in rows]
        if waiting_only:
            return [approval for approval in found if not _overdue(approval, now)]
        return [
            replace(approval, state="expired") if _overdue(approval, now) else approval for approval in found
        ]

    async def history(self, approval_id: str) -> list[ApprovalEvent]:
        """Everything that happened to an approval, oldest first; attempts that were denied too."""
        return await self._database.read(lambda connection: events(connection, approval_id))

    async def ping(self) -> None:
        """Raises `StateUnavailable` when the store cannot be read."""
        await self._database.data_version()

    async def _change(
        self, approval_id: str, work: Callable[[sqlite3.Connection, Approval, int], _Outcome]
    ) -> Approval:
        """Runs `work` on the approval as it is, expired first if it is overdue; wakes who waits for it."""
        now = self._clock()

        def transaction(connection: sqlite3.Connection) -> _Outcome:
            approval = fetch(connection, approval_id)
            if approval is None:
                return "unknown", ""
            if _overdue(approval, now):
                approval = replace(approval, state="expired")
                _record(connection, approval, ApprovalEvent(now, "expired", "", ""))
            return work(connection, approval, now)

        outcome = await self._database.write(transaction)
        self._wake(approval_id)
        if isinstance(outcome, Approval):
            return outcome
        reason, message = outcome
        raise _unknown(approval_id) if reason == "unknown" else ApprovalRefused(reason, message)

    def _wake(self, approval_id: str) -> None:
        for woken in self._waiters.get(approval_id, ()):
            woken.set()

    def _wake_all(self) -> None:
        for approval_id in list(self._waiters):
            self._wake(approval_id)

    def _watch_others(self) -> None:
        """One task looks for what other processes write, as long as anybody waits."""
        if self._closed:
            raise StateUnavailable("the state store is closed")
        if self._watcher is None or self._watcher.done():
            self._watcher = asyncio.create_task(self._watch(), name="approvals-watch")

    async def _watch(self) -> None:
        seen = await self._database.data_version()
        self._wake_all()  # what came before the first look
        while self._waiters:
            await asyncio.sleep(_OTHERS_INTERVAL_S)
            try:
                version = await self._database.data_version()
            except StateUnavailable:
                version = -1  # whoever waits looks for himself and hears of it
            if version != seen:
                seen = version
                self._wake_all()


def _asker(approval: Approval) -> str:
    return str(approval.operation.principal.get("id", ""))


def _overdue(approval: Approval, now: int) -> bool:
    return approval.state == "waiting" and approval.deadline_ns <= now


def _record(connection: sqlite3.Connection, approval: Approval, event: ApprovalEvent) -> Approval:
    set_state(connection, approval)
    add_event(connection, approval.id, event)
    return approval


def _denial(approval: Approval, approver: Identity) -> tuple[ApprovalRefusal, str] | None:
    # Neither case nor who vouches for an id makes a difference: the same person may come another way.
    if approver.id.casefold() == _asker(approval).casefold():
        return "own request", "nobody decides about their own request"
    if approver.kind != "human":
        return "not a person", "only a person may decide about a request"
    if not approver.groups & approval.requirement.groups:
        groups = ", ".join(f"`{group}`" for group in sorted(approval.requirement.groups))
        return "wrong group", f"only members of {groups or 'no group at all'} may decide about this request"
    return None


def _not_waiting(approval: Approval) -> tuple[ApprovalRefusal, str]:
    if approval.state == "expired":
        return "expired", f"approval `{approval.id}` was not decided in time"
    return "not waiting", f"approval `{approval.id}` is {approval.state} already"


def _unknown(approval_id: str) -> ApprovalRefused:
    return ApprovalRefused("unknown", f"there is no approval `{approval_id[:64]}`")
