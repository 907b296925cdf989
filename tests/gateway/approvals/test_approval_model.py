"""The approval store beside a model of it that is a dictionary."""

from __future__ import annotations

import asyncio
import tempfile
from dataclasses import dataclass
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule

from doorward_gateway.approvals import ApprovalStore, Operation, Requirement
from doorward_gateway.errors import ApprovalRefused
from doorward_gateway.identity import Identity

SECOND = 1_000_000_000
PEOPLE = {
    "ana": Identity("ana", "human", frozenset({"x"})),
    "bob": Identity("bob", "human", frozenset({"x", "y"})),
    "bot": Identity("bot", "agent", frozenset({"x", "y"})),
    "eve": Identity("eve", "human"),
}
ids = st.sampled_from(sorted(PEOPLE))


@dataclass
class Expected:
    asker: str
    groups: frozenset[str]
    deadline: int
    state: str = "waiting"


class Approvals(RuleBasedStateMachine):
    """Two stores on one file, used in turn."""

    asked = Bundle("asked")

    def __init__(self) -> None:
        super().__init__()
        self.now = SECOND
        self.loop = asyncio.new_event_loop()
        self.directory = tempfile.TemporaryDirectory()
        path = Path(self.directory.name) / "state.db"
        self.stores = [
            self.loop.run_until_complete(ApprovalStore.open(path, node=str(n), clock=lambda: self.now))
            for n in range(2)
        ]
        self.model: dict[str, Expected] = {}

    @rule(
        target=asked,
        which=st.integers(0, 1),
        asker=ids,
        groups=st.frozensets(st.sampled_from(["x", "y"])),
        seconds=st.integers(1, 5),
    )
    def ask(self, which: int, asker: str, groups: frozenset[str], seconds: int) -> str:
        approval = self.loop.run_until_complete(
            self.stores[which].ask(
                Operation("h", {"id": asker}, "w", "text"), Requirement("s", groups, seconds * 1000)
            )
        )
        self.model[approval.id] = Expected(asker, groups, self.now + seconds * SECOND)
        return approval.id

    def settle(self, id_: str) -> Expected:
        entry = self.model[id_]
        if entry.state == "waiting" and entry.deadline <= self.now:
            entry.state = "expired"
        return entry

    @rule(which=st.integers(0, 1), id_=asked, approver=ids, consent=st.booleans())
    def decide(self, which: int, id_: str, approver: str, consent: bool) -> None:
        entry, person = self.settle(id_), PEOPLE[approver]
        if approver == entry.asker:
            expected = "own request"
        elif person.kind != "human":
            expected = "not a person"
        elif not person.groups & entry.groups:
            expected = "wrong group"
        elif entry.state != "waiting":
            expected = "expired" if entry.state == "expired" else "not waiting"
        else:
            expected = entry.state = "approved" if consent else "refused"
        try:
            decided = self.loop.run_until_complete(self.stores[which].decide(id_, person, consent=consent))
            assert decided.decided_by == approver
            outcome: str = decided.state
        except ApprovalRefused as error:
            outcome = error.reason
        assert outcome == expected

    @rule(which=st.integers(0, 1), id_=asked)
    def cancel(self, which: int, id_: str) -> None:
        entry = self.settle(id_)
        if entry.state in ("waiting", "approved"):
            entry.state = "cancelled"
        assert self.loop.run_until_complete(self.stores[which].cancel(id_, "why")).state == entry.state

    @rule(which=st.integers(0, 1), id_=asked, right=st.booleans())
    def use(self, which: int, id_: str, right: bool) -> None:
        entry = self.settle(id_)
        expected = "not approved" if entry.state != "approved" else "used" if right else "wrong operation"
        try:
            self.loop.run_until_complete(
                self.stores[which].use(id_, operation_hash="h" if right else "other", statement_id="s")
            )
            outcome = entry.state = "used"
        except ApprovalRefused as error:
            outcome = error.reason
        assert outcome == expected

    @rule(seconds=st.integers(0, 3))
    def time_passes(self, seconds: int) -> None:
        self.now += seconds * SECOND

    @invariant()
    def states_are_as_expected(self) -> None:
        listed = self.loop.run_until_complete(self.stores[1].entries(waiting_only=False))
        assert {entry.id: entry.state for entry in listed} == {
            id_: self.settle(id_).state for id_ in self.model
        }
        waiting = self.loop.run_until_complete(self.stores[0].entries())
        assert {entry.id for entry in waiting} == {i for i, e in self.model.items() if e.state == "waiting"}

    @invariant()
    def the_history_tells_each_once(self) -> None:
        for id_ in list(self.model)[-2:]:
            events = [event.event for event in self.loop.run_until_complete(self.stores[0].history(id_))]
            assert events[0] == "opened"
            endings = [event for event in events[1:] if event != "denied"]
            assert len(endings) == len(set(endings))

    def teardown(self) -> None:
        for store in self.stores:
            self.loop.run_until_complete(store.close())
        self.loop.close()
        self.directory.cleanup()


TestApprovals = Approvals.TestCase
TestApprovals.settings = settings(max_examples=25, stateful_step_count=20, deadline=None)
