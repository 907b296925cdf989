"""The credential store beside a model of it that is a dictionary."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule

from doorward_gateway.attribution import Attribution
from doorward_gateway.credentials import CredentialStore
from doorward_gateway.errors import CredentialRefused

SECOND = 1_000_000_000


class Credentials(RuleBasedStateMachine):
    """Two stores on one file, used in turn."""

    issued = Bundle("issued")

    def __init__(self) -> None:
        super().__init__()
        self.now = SECOND
        self.loop = asyncio.new_event_loop()
        self.directory = tempfile.TemporaryDirectory()
        path = Path(self.directory.name) / "state.db"
        self.stores = [
            self.loop.run_until_complete(CredentialStore.open(path, clock=lambda: self.now)) for _ in range(2)
        ]
        self.model: dict[str, dict[str, object]] = {}

    @rule(
        target=issued,
        which=st.integers(0, 1),
        resource=st.sampled_from(["a", "b"]),
        purpose=st.sampled_from([None, "p"]),
        principal=st.sampled_from(["x", "y"]),
        ttl=st.integers(1, 5),
        single=st.booleans(),
    )
    def issue(
        self, which: int, resource: str, purpose: str | None, principal: str, ttl: int, single: bool
    ) -> str:
        issued = self.loop.run_until_complete(
            self.stores[which].issue(
                principal={"id": principal},
                resource=resource,
                attribution=Attribution(purpose=purpose),
                ttl_ms=ttl * 1000,
                single_use=single,
            )
        )
        self.model[issued.secret] = {
            "id": issued.grant.credential_id,
            "resource": resource,
            "purpose": purpose,
            "principal": principal,
            "expires": self.now + ttl * SECOND,
            "single": single,
            "used": False,
            "revoked": False,
        }
        return issued.secret

    def expected(self, secret: str, resource: str, purpose: str | None) -> str:
        entry = self.model[secret]
        if entry["revoked"]:
            return "revoked"
        if entry["single"] and entry["used"]:
            return "used"
        if entry["expires"] <= self.now:  # type: ignore[operator]
            return "expired"
        if entry["resource"] != resource:
            return "wrong resource"
        if purpose is not None and entry["purpose"] != purpose:
            return "wrong purpose"
        return "granted"

    @rule(
        which=st.integers(0, 1),
        secret=issued,
        resource=st.sampled_from(["a", "b"]),
        purpose=st.sampled_from([None, "p", "q"]),
    )
    def redeem(self, which: int, secret: str, resource: str, purpose: str | None) -> None:
        expected = self.expected(secret, resource, purpose)
        try:
            self.loop.run_until_complete(self.stores[which].redeem(secret, resource, purpose=purpose))
            outcome = "granted"
            self.model[secret]["used"] = True
        except CredentialRefused as error:
            outcome = error.reason
        assert outcome == expected

    @rule(which=st.integers(0, 1), secret=issued)
    def revoke(self, which: int, secret: str) -> None:
        entry = self.model[secret]
        revoked = self.loop.run_until_complete(self.stores[which].revoke(str(entry["id"])))
        assert revoked == (self.expected(secret, str(entry["resource"]), None) == "granted")
        entry["revoked"] = entry["revoked"] or revoked

    @rule(seconds=st.integers(0, 3))
    def time_passes(self, seconds: int) -> None:
        self.now += seconds * SECOND

    @invariant()
    def the_live_ones_are_listed(self) -> None:
        listed = {
            entry.grant.credential_id for entry in self.loop.run_until_complete(self.stores[0].entries())
        }
        assert listed == {
            entry["id"]
            for secret, entry in self.model.items()
            if self.expected(secret, str(entry["resource"]), None) == "granted"
        }

    def teardown(self) -> None:
        for store in self.stores:
            self.loop.run_until_complete(store.close())
        self.loop.close()
        self.directory.cleanup()


TestCredentials = Credentials.TestCase
TestCredentials.settings = settings(max_examples=25, stateful_step_count=20, deadline=None)
