"""One person's consent to exactly one operation of another, once, in time."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from doorward_gateway.approvals import Approval, ApprovalStore, Operation, Requirement
from doorward_gateway.approvals import store as approval_store
from doorward_gateway.attribution import Attribution
from doorward_gateway.errors import ApprovalRefused, StateUnavailable
from doorward_gateway.identity import Identity, PrincipalKind

SECOND = 1_000_000_000
PROMPTLY = 5.0


class Clock:
    def __init__(self) -> None:
        self.now = 1_700_000_000 * SECOND

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def store(tmp_path: Path, clock: Clock) -> AsyncIterator[ApprovalStore]:
    store = await ApprovalStore.open(tmp_path / "state.db", node="gateway-1", clock=clock)
    yield store
    await store.close()


def person(id_: str, *groups: str, kind: PrincipalKind = "human", issuer: str = "static") -> Identity:
    return Identity(id_, kind, frozenset(groups), issuer=issuer)


OMAR = person("omar", "dba")


@pytest.fixture
def only_woken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who waits looks again only when woken, so that a test notices when nobody wakes him."""
    monkeypatch.setattr(approval_store, "_LOOK_AGAIN_S", 600.0)


async def ask(store: ApprovalStore, within_ms: int = 60_000, statement_id: str = "shop:9") -> Approval:
    operation = Operation(
        hash="h1",
        principal={"id": "dora", "kind": "human", "groups": ["dba"]},
        resource="warehouse",
        text="update orders set status = 'x'",
        session_id="ses_1",
        attribution=Attribution(run="r"),
        facts={"sql": {"writes": True}},
    )
    return await store.ask(
        operation, Requirement(statement_id, frozenset({"dba", "lead"}), within_ms, "writes wait")
    )


async def refusal(store: ApprovalStore, approval_id: str, approver: Identity, *, consent: bool = True) -> str:
    with pytest.raises(ApprovalRefused) as caught:
        await store.decide(approval_id, approver, consent=consent)
    return caught.value.reason


async def events(store: ApprovalStore, approval: Approval) -> list[tuple[str, str]]:
    return [(event.event, event.actor) for event in await store.history(approval.id)]


async def test_consent_wakes_who_waits_and_is_used_once(store: ApprovalStore, only_woken: None) -> None:
    approval = await ask(store)
    waiting = asyncio.create_task(store.wait(approval.id))
    await asyncio.sleep(0)
    decided = await store.decide(approval.id, OMAR, consent=True, comment="ticket 4711")
    assert await asyncio.wait_for(waiting, PROMPTLY) == decided
    assert (decided.state, decided.decided_by, decided.comment) == ("approved", "omar", "ticket 4711")
    assert decided.operation == approval.operation
    assert decided.requirement == approval.requirement
    await store.use(approval.id, operation_hash="h1", statement_id="shop:9")
    with pytest.raises(ApprovalRefused, match="used"):
        await store.use(approval.id, operation_hash="h1", statement_id="shop:9")
    assert await events(store, approval) == [("opened", "dora"), ("approved", "omar"), ("used", "")]


async def test_each_decision_wakes_its_own_waiter(store: ApprovalStore, only_woken: None) -> None:
    approvals = [await ask(store) for _ in range(3)]
    waits = [asyncio.create_task(store.wait(approval.id)) for approval in approvals]
    for approval, wait in zip(approvals, waits, strict=True):
        await store.decide(approval.id, OMAR, consent=True)
        assert (await asyncio.wait_for(wait, PROMPTLY)).id == approval.id


@pytest.mark.parametrize(
    ("approver", "reason"),
    [
        (person("dora", "dba"), "own request"),
        (person("Dora", "dba"), "own request"),
        (person("dora", "dba", "lead", issuer="https://elsewhere.example"), "own request"),
        (person("ana", "analysts"), "wrong group"),
        (person("ana"), "wrong group"),
        (person("robot", "dba", kind="agent"), "not a person"),
        (person("job", "dba", kind="ci"), "not a person"),
    ],
)
@pytest.mark.parametrize("consent", [True, False])
async def test_who_may_not_decide_is_refused_and_remembered(
    store: ApprovalStore, approver: Identity, reason: str, consent: bool
) -> None:
    approval = await ask(store)
    assert await refusal(store, approval.id, approver, consent=consent) == reason
    assert (await store.get(approval.id)).state == "waiting"
    assert await events(store, approval) == [("opened", "dora"), ("denied", approver.id)]


async def test_a_refusal_ends_the_wait(store: ApprovalStore) -> None:
    approval = await ask(store)
    waiting = asyncio.create_task(store.wait(approval.id))
    await store.decide(approval.id, person("lena", "lead"), consent=False, comment="not today")
    assert (await asyncio.wait_for(waiting, PROMPTLY)).state == "refused"
    assert await refusal(store, approval.id, OMAR) == "not waiting"
    with pytest.raises(ApprovalRefused) as caught:
        await store.use(approval.id, operation_hash="h1", statement_id="shop:9")
    assert caught.value.reason == "not approved"


async def test_the_deadline_ends_the_wait(tmp_path: Path) -> None:
    store = await ApprovalStore.open(tmp_path / "state.db", node="n")
    approval = await ask(store, within_ms=150)
    ended = await asyncio.wait_for(store.wait(approval.id), PROMPTLY)
    assert ended.state == "expired"
    assert await refusal(store, approval.id, OMAR) == "expired"
    assert await events(store, approval) == [("opened", "dora"), ("expired", "")]
    await store.close()


async def test_consent_after_the_deadline_is_too_late_also_when_nobody_waited(
    store: ApprovalStore, clock: Clock
) -> None:
    approval = await ask(store)
    clock.now += 60 * SECOND
    assert await store.entries() == []
    assert [entry.state for entry in await store.entries(waiting_only=False)] == ["expired"]
    assert await refusal(store, approval.id, OMAR) == "expired"
    assert (await store.get(approval.id)).state == "expired"
    assert (await events(store, approval)).count(("expired", "")) == 1


async def test_consent_fits_one_operation_and_one_requirement(store: ApprovalStore) -> None:
    approval = await ask(store)
    await store.decide(approval.id, OMAR, consent=True)
    for operation_hash, statement_id in (("h2", "shop:9"), ("h1", "shop:10"), ("", "")):
        with pytest.raises(ApprovalRefused) as caught:
            await store.use(approval.id, operation_hash=operation_hash, statement_id=statement_id)
        assert caught.value.reason == "wrong operation"
    await store.use(approval.id, operation_hash="h1", statement_id="shop:9")


async def test_a_cancelled_request_cannot_be_approved_or_used(store: ApprovalStore) -> None:
    waiting, approved = await ask(store), await ask(store)
    await store.decide(approved.id, OMAR, consent=True)
    for approval in (waiting, approved):
        assert (await store.cancel(approval.id, "the client has gone")).state == "cancelled"
        assert (await store.cancel(approval.id, "again")).state == "cancelled"
        assert await refusal(store, approval.id, OMAR) == "not waiting"
        with pytest.raises(ApprovalRefused):
            await store.use(approval.id, operation_hash="h1", statement_id="shop:9")
    assert (await asyncio.wait_for(store.wait(waiting.id), PROMPTLY)).state == "cancelled"


async def test_a_restarted_node_cancels_what_it_left(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    before = await ApprovalStore.open(path, node="a")
    other = await ApprovalStore.open(path, node="b")
    mine, theirs = await ask(before), await ask(other)
    await before.close()
    after = await ApprovalStore.open(path, node="a")
    assert await after.cancel_leftovers() == 1
    assert (await after.get(mine.id)).state == "cancelled"
    assert (await after.get(theirs.id)).state == "waiting"
    await after.close()
    await other.close()


async def test_unknown_approvals(store: ApprovalStore) -> None:
    assert await refusal(store, "apr_none", OMAR) == "unknown"
    for call in (store.get("x"), store.wait("x"), store.cancel("x", "y")):
        with pytest.raises(ApprovalRefused, match="no approval"):
            await call


async def test_only_one_of_many_decisions_counts(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    stores = [await ApprovalStore.open(path, node=str(n)) for n in range(4)]
    approval = await ask(stores[0])
    outcomes = await asyncio.gather(
        *(
            store.decide(approval.id, person(f"p{n}-{m}", "dba"), consent=bool(n % 2))
            for n, store in enumerate(stores)
            for m in range(5)
        ),
        return_exceptions=True,
    )
    assert sum(isinstance(outcome, Approval) for outcome in outcomes) == 1
    assert sum(isinstance(outcome, ApprovalRefused) for outcome in outcomes) == len(outcomes) - 1
    for store in stores:
        await store.close()


async def test_only_one_of_many_uses_counts(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    stores = [await ApprovalStore.open(path, node=str(n)) for n in range(4)]
    approval = await ask(stores[0])
    await stores[1].decide(approval.id, OMAR, consent=True)
    outcomes = await asyncio.gather(
        *(
            store.use(approval.id, operation_hash="h1", statement_id="shop:9")
            for store in stores
            for _ in range(3)
        ),
        return_exceptions=True,
    )
    assert sum(isinstance(outcome, Approval) for outcome in outcomes) == 1
    assert sum(isinstance(outcome, ApprovalRefused) for outcome in outcomes) == len(outcomes) - 1
    for store in stores:
        await store.close()


DECIDER = """
import asyncio, sys
from pathlib import Path
from doorward_gateway.approvals import ApprovalStore
from doorward_gateway.identity import Identity

async def main():
    store = await ApprovalStore.open(Path(sys.argv[1]), node="other")
    await store.decide(sys.argv[2], Identity("omar", "human", frozenset({"dba"})), consent=True)
    await store.close()

asyncio.run(main())
"""


async def test_a_decision_in_another_process_wakes_who_waits(tmp_path: Path, only_woken: None) -> None:
    path = tmp_path / "state.db"
    store = await ApprovalStore.open(path, node="n")
    approvals = [await ask(store) for _ in range(3)]
    waits = [asyncio.create_task(store.wait(approval.id)) for approval in approvals]
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", DECIDER, str(path), approvals[1].id)
    assert (await asyncio.wait_for(waits[1], 30)).state == "approved"
    assert await process.wait() == 0
    assert not waits[0].done()
    for wait in waits:
        wait.cancel()
    await store.close()


async def test_who_waits_hears_that_the_store_is_closed(store: ApprovalStore) -> None:
    approval = await ask(store)
    waiting = asyncio.create_task(store.wait(approval.id))
    await asyncio.sleep(0.01)
    await store.close()
    with pytest.raises(StateUnavailable):
        await asyncio.wait_for(waiting, PROMPTLY)


async def test_old_approvals_are_forgotten_with_their_history(store: ApprovalStore, clock: Clock) -> None:
    old = await ask(store)
    clock.now += 40 * 86_400 * SECOND
    fresh = await ask(store)
    assert [entry.id for entry in await store.entries(waiting_only=False)] == [fresh.id]
    assert await store.history(old.id) == []
    assert (await store.get(fresh.id)).state == "waiting"


def test_the_document_shows_what_an_approver_needs() -> None:
    approval = Approval(
        "apr_1",
        "waiting",
        "n",
        Operation("h", {"id": "dora"}, "warehouse", "drop table x", facts={"sql": {}}),
        Requirement("shop:9", frozenset({"dba"}), 1000, "why"),
        0,
        SECOND,
    )
    document = approval.document()
    assert document["operation"] == "drop table x"
    assert document["deadline"] == "1970-01-01T00:00:01.000000000Z"
    assert document["groups"] == ["dba"]
    assert document["facts"] == {"sql": {}}
