"""What happens between a decision that asks for consent and the operation that goes on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from google.protobuf.duration_pb2 import Duration

from doorward_gateway.approvals import Approval, ApprovalStore, ConsentWithheld, Operation, obtain_consent
from doorward_gateway.identity import Identity
from doorward_proto.v1 import decision_pb2 as pb

OMAR = Identity("omar", "human", frozenset({"dba"}))
LENA = Identity("lena", "human", frozenset({"lead"}))
PROMPTLY = 5.0


def decision(
    *requirements: tuple[str, tuple[str, ...]],
    verdict: pb.Verdict = pb.VERDICT_APPROVE,
    operation_hash: str = "h1",
    within_s: int = 60,
) -> pb.Decision:
    return pb.Decision(
        verdict=verdict,
        operation_hash=operation_hash,
        approvals=[
            pb.Approval(
                statement_id=statement, groups=groups, within=Duration(seconds=within_s), reason="wait"
            )
            for statement, groups in requirements
        ],
    )


class Desk:
    """One operation that waits: what was opened, and what it came to."""

    def __init__(self, store: ApprovalStore) -> None:
        self.store = store
        self.seen: list[tuple[str, str]] = []
        self.opened: asyncio.Queue[Approval] = asyncio.Queue()
        self.later: list[pb.Decision] = []

    async def changed(self, approval: Approval) -> None:
        self.seen.append((approval.requirement.statement_id, approval.state))
        if approval.state == "waiting":
            self.opened.put_nowait(approval)

    async def decide_again(self) -> pb.Decision:
        return self.later.pop(0)

    def start(self, first: pb.Decision, *later: pb.Decision) -> asyncio.Task[pb.Decision]:
        self.later = list(later)
        operation = Operation("h1", {"id": "dora"}, "warehouse", "update x")
        return asyncio.create_task(
            obtain_consent(
                self.store,
                first,
                operation,
                decide_again=self.decide_again,
                changed=self.changed,
                max_wait_ms=60_000,
            )
        )

    async def next(self) -> Approval:
        return await asyncio.wait_for(self.opened.get(), PROMPTLY)

    async def states(self) -> list[str]:
        return [approval.state for approval in await self.store.entries(waiting_only=False)]


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    store = await ApprovalStore.open(tmp_path / "state.db", node="n")
    yield Desk(store)
    await store.close()


DBA = ("s:1", ("dba",))
LEAD = ("s:2", ("lead",))


async def test_one_consent_lets_the_operation_go_on(desk: Desk) -> None:
    again = decision(DBA)
    task = desk.start(decision(DBA), again)
    await desk.store.decide((await desk.next()).id, OMAR, consent=True)
    assert await asyncio.wait_for(task, PROMPTLY) is again
    assert desk.seen == [("s:1", "waiting"), ("s:1", "approved"), ("s:1", "used")]


async def test_every_requirement_needs_its_own_consent(desk: Desk) -> None:
    task = desk.start(decision(DBA, LEAD), decision(DBA, LEAD))
    first, second = await desk.next(), await desk.next()
    await desk.store.decide(first.id, OMAR, consent=True)
    done, _ = await asyncio.wait({task}, timeout=0.1)
    assert not done
    await desk.store.decide(second.id, LENA, consent=True)
    await asyncio.wait_for(task, PROMPTLY)
    assert await desk.states() == ["used", "used"]


async def test_one_refusal_ends_it_and_cancels_the_rest(desk: Desk) -> None:
    task = desk.start(decision(DBA, LEAD))
    await desk.next()
    second = await desk.next()
    await desk.store.decide(second.id, LENA, consent=False, comment="no")
    with pytest.raises(ConsentWithheld, match="refused by lena: no") as caught:
        await asyncio.wait_for(task, PROMPTLY)
    assert caught.value.approval is not None
    assert caught.value.approval.state == "refused"
    assert await desk.states() == ["cancelled", "refused"]
    assert desk.seen[-1] == ("s:1", "cancelled")


async def test_nobody_in_time(desk: Desk) -> None:
    task = desk.start(decision(DBA, within_s=1))
    await desk.next()
    with pytest.raises(ConsentWithheld, match="in time"):
        await asyncio.wait_for(task, PROMPTLY)


@pytest.mark.parametrize("verdict", [pb.VERDICT_BLOCK, pb.VERDICT_ALLOW, pb.VERDICT_UNSPECIFIED])
async def test_the_newer_decision_counts_and_consent_is_not_kept(desk: Desk, verdict: pb.Verdict) -> None:
    again = decision(verdict=verdict)
    task = desk.start(decision(DBA), again)
    await desk.store.decide((await desk.next()).id, OMAR, consent=True)
    assert await asyncio.wait_for(task, PROMPTLY) is again
    assert await desk.states() == ["cancelled"]


async def test_what_a_newer_policy_asks_for_on_top_is_waited_for(desk: Desk) -> None:
    task = desk.start(decision(DBA), decision(DBA, LEAD), decision(DBA, LEAD))
    await desk.store.decide((await desk.next()).id, OMAR, consent=True)
    await desk.store.decide((await desk.next()).id, LENA, consent=True)
    await asyncio.wait_for(task, PROMPTLY)
    assert await desk.states() == ["used", "used"]


@pytest.mark.parametrize(
    "changed",
    [
        decision(DBA, operation_hash="h2"),
        decision(("s:9", ("dba",))),
        decision(("s:1", ("security",))),
    ],
    ids=["another operation", "another statement", "other groups"],
)
async def test_consent_does_not_carry_over(desk: Desk, changed: pb.Decision) -> None:
    task = desk.start(decision(DBA), changed)
    await desk.store.decide((await desk.next()).id, OMAR, consent=True)
    second = await desk.next()
    assert not task.done()
    await desk.store.cancel(second.id, "enough")
    with pytest.raises(ConsentWithheld, match="cancelled"):
        await asyncio.wait_for(task, PROMPTLY)
    assert await desk.states() == ["cancelled", "cancelled"]


@pytest.mark.parametrize("asked", [decision(), decision(("s:1", ())), decision(DBA, ("s:2", ()))])
async def test_consent_that_nobody_can_give_is_withheld(desk: Desk, asked: pb.Decision) -> None:
    with pytest.raises(ConsentWithheld, match="nobody can give"):
        await asyncio.wait_for(desk.start(asked), PROMPTLY)
    assert await desk.states() == []


async def test_a_policy_that_never_settles_ends(desk: Desk) -> None:
    task = desk.start(*(decision((f"s:{n}", ("dba",))) for n in range(20)))
    for _ in range(4):
        await desk.store.decide((await desk.next()).id, OMAR, consent=True)
    with pytest.raises(ConsentWithheld, match="again and again"):
        await asyncio.wait_for(task, PROMPTLY)


async def test_a_client_that_goes_takes_its_requests_along(desk: Desk) -> None:
    task = desk.start(decision(DBA, LEAD))
    first = await desk.next()
    await desk.next()
    await desk.store.decide(first.id, OMAR, consent=True)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await desk.states() == ["cancelled", "cancelled"]


async def test_a_failure_to_decide_again_cancels(desk: Desk) -> None:
    task = desk.start(decision(DBA))
    await desk.store.decide((await desk.next()).id, OMAR, consent=True)
    with pytest.raises(IndexError):
        await asyncio.wait_for(task, PROMPTLY)
    assert await desk.states() == ["cancelled"]


async def test_the_wait_is_bounded_by_the_gateway(tmp_path: Path) -> None:
    store = await ApprovalStore.open(tmp_path / "state.db", node="n")
    desk = Desk(store)
    seen: list[int] = []
    original: Callable[[Approval], object] = desk.changed

    async def changed(approval: Approval) -> None:
        seen.append(approval.requirement.within_ms)
        await original(approval)  # type: ignore[misc]

    with pytest.raises(ConsentWithheld):
        await asyncio.wait_for(
            obtain_consent(
                store,
                decision(DBA, within_s=0),
                Operation("h1", {"id": "dora"}, "w", "x"),
                decide_again=desk.decide_again,
                changed=changed,
                max_wait_ms=50,
            ),
            PROMPTLY,
        )
    assert seen[0] == 50
    await store.close()
