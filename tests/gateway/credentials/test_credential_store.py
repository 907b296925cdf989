"""Credentials: opaque, hashed, bound, short-lived, and for one use where that was said."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from doorward_gateway.attribution import Attribution
from doorward_gateway.credentials import CredentialStore, Issued
from doorward_gateway.errors import CredentialRefused, StateUnavailable

ADA = {"id": "ada@acme.example", "kind": "human", "groups": ["analysts"], "claims": {"tier": 2}}
SECOND = 1_000_000_000


class Clock:
    def __init__(self) -> None:
        self.now = 1_700_000_000 * SECOND

    def __call__(self) -> int:
        return self.now


async def issue(store: CredentialStore, **changed: object) -> Issued:
    values = {
        "principal": ADA,
        "resource": "warehouse",
        "attribution": Attribution(
            purpose="figures", run="r1", branch="b", step="2", parent_step="1", trace_id="t"
        ),
        "ttl_ms": 60_000,
        "single_use": False,
        "role": "reader",
    }
    return await store.issue(**(values | changed))  # type: ignore[arg-type]


async def refusal(store: CredentialStore, secret: str, resource: str = "warehouse", **more: str) -> str:
    with pytest.raises(CredentialRefused) as caught:
        await store.redeem(secret, resource, **more)
    assert secret not in str(caught.value) or not secret
    return caught.value.reason


def assert_private(directory: Path, secret: str) -> None:
    for file in directory.iterdir():
        assert secret.encode() not in file.read_bytes()
        assert file.stat().st_mode & 0o077 == 0, file


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def store(tmp_path: Path, clock: Clock):
    store = await CredentialStore.open(tmp_path / "state.db", clock=clock)
    yield store
    await store.close()


async def test_a_grant_comes_back_as_it_was_given(store: CredentialStore, clock: Clock) -> None:
    issued = await issue(store)
    clock.now += 59 * SECOND
    grant = await store.redeem(issued.secret, "warehouse")
    assert grant == issued.grant
    assert grant.principal == ADA
    assert grant.attribution.document() == {
        "purpose": "figures",
        "run": "r1",
        "branch": "b",
        "step": "2",
        "parent_step": "1",
        "trace_id": "t",
    }
    assert grant.role == "reader"
    assert grant.expires_at_ns - grant.issued_at_ns == 60 * SECOND


async def test_only_the_hash_is_kept(store: CredentialStore, tmp_path: Path) -> None:
    issued = await issue(store)
    assert issued.secret.startswith("dwc_")
    assert len(issued.secret) >= 4 + 43
    await store.redeem(issued.secret, "warehouse")
    assert_private(tmp_path, issued.secret)
    assert issued.secret not in repr(issued)


async def test_refusals_say_why(store: CredentialStore, clock: Clock) -> None:
    once = await issue(store, single_use=True)
    assert await refusal(store, once.secret, "other") == "wrong resource"
    assert await refusal(store, once.secret, purpose="fun") == "wrong purpose"
    assert await refusal(store, once.secret + "x") == "unknown"
    assert await refusal(store, "") == "unknown"
    assert await refusal(store, "\ud800") == "unknown"
    await store.redeem(once.secret, "warehouse", purpose="figures")
    assert await refusal(store, once.secret) == "used"
    many = await issue(store)
    assert await store.revoke(many.grant.credential_id)
    assert not await store.revoke(many.grant.credential_id)
    assert await refusal(store, many.secret) == "revoked"
    late = await issue(store)
    clock.now += 60 * SECOND
    assert await refusal(store, late.secret) == "expired"


async def test_lists_show_state_and_no_secret(store: CredentialStore, clock: Clock) -> None:
    used = await issue(store, single_use=True)
    await store.redeem(used.secret, "warehouse")
    expired = await issue(store, ttl_ms=1)
    clock.now += SECOND
    live = await issue(store)
    assert [entry.grant.credential_id for entry in await store.entries()] == [live.grant.credential_id]
    states = {entry.grant.credential_id: entry.state for entry in await store.entries(live_only=False)}
    assert states == {
        used.grant.credential_id: "used",
        expired.grant.credential_id: "expired",
        live.grant.credential_id: "live",
    }
    assert live.secret not in repr(await store.entries())


async def test_what_is_long_gone_is_forgotten(store: CredentialStore, clock: Clock) -> None:
    old = await issue(store)
    clock.now += 2 * 86_400 * SECOND
    fresh = await issue(store)
    assert len(await store.entries(live_only=False)) == 1
    assert await refusal(store, old.secret) == "unknown"
    await store.redeem(fresh.secret, "warehouse")


async def test_a_credential_needs_a_life(store: CredentialStore) -> None:
    with pytest.raises(ValueError, match="time to live"):
        await issue(store, ttl_ms=0)


async def test_single_use_holds_across_a_restart(tmp_path: Path) -> None:
    store = await CredentialStore.open(tmp_path / "state.db")
    issued = await issue(store, single_use=True)
    await store.redeem(issued.secret, "warehouse")
    await store.close()
    store = await CredentialStore.open(tmp_path / "state.db")
    assert await refusal(store, issued.secret) == "used"
    await store.close()


async def test_one_of_many_threads_wins(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    store = await CredentialStore.open(path)
    secrets = [(await issue(store, single_use=True)).secret for _ in range(5)]
    won: list[str] = []
    lost: list[str] = []
    start = threading.Barrier(12)

    def racer() -> None:
        async def race() -> None:
            mine = await CredentialStore.open(path)
            start.wait(30)
            for secret in secrets:
                try:
                    await mine.redeem(secret, "warehouse")
                    won.append(secret)
                except CredentialRefused as error:
                    lost.append(error.reason)
            await mine.close()

        asyncio.run(race())

    threads = [threading.Thread(target=racer) for _ in range(12)]
    for thread in threads:
        thread.start()
    await asyncio.to_thread(lambda: [thread.join(60) for thread in threads])
    await store.close()
    assert sorted(won) == sorted(secrets)
    assert lost == ["used"] * (12 * 5 - 5)


async def test_one_of_many_tasks_wins(store: CredentialStore) -> None:
    issued = await issue(store, single_use=True)
    outcomes = await asyncio.gather(
        *(store.redeem(issued.secret, "warehouse") for _ in range(50)), return_exceptions=True
    )
    assert sum(not isinstance(outcome, BaseException) for outcome in outcomes) == 1


RACER = """
import asyncio, sys
from pathlib import Path
from doorward_gateway.credentials import CredentialStore
from doorward_gateway.errors import CredentialRefused

async def main():
    store = await CredentialStore.open(Path(sys.argv[1]))
    print("ready", flush=True)
    secrets = sys.stdin.readline().split()
    for secret in secrets:
        try:
            await store.redeem(secret, "warehouse")
            print(secret, flush=True)
        except CredentialRefused as error:
            assert error.reason == "used", error.reason
    await store.close()

asyncio.run(main())
"""


def start_racer(path: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", RACER, str(path)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


async def test_one_of_many_processes_wins(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    store = await CredentialStore.open(path)
    secrets = [(await issue(store, single_use=True)).secret for _ in range(20)]
    racers = [start_racer(path) for _ in range(4)]
    try:
        for racer in racers:
            assert racer.stdout is not None
            assert racer.stdout.readline() == "ready\n"
        for racer in racers:
            assert racer.stdin is not None
            racer.stdin.write(" ".join(secrets) + "\n")
            racer.stdin.flush()
        won = [secret for racer in racers for secret in racer.communicate(timeout=60)[0].split()]
        assert [racer.returncode for racer in racers] == [0] * 4
    finally:
        for racer in racers:
            racer.kill()
            racer.communicate()
    await store.close()
    assert sorted(won) == sorted(secrets)


async def test_a_cancelled_redeem_is_done_whole_or_not_at_all(store: CredentialStore) -> None:
    issued = await issue(store, single_use=True)
    task = asyncio.create_task(store.redeem(issued.secret, "warehouse"))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await refusal(store, issued.secret) == "used"


async def test_a_store_that_cannot_be_opened_or_is_closed_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "state.db").write_bytes(b"this is not a database" * 100)
    with pytest.raises(StateUnavailable, match="cannot open"):
        await CredentialStore.open(tmp_path / "state.db")
    store = await CredentialStore.open(tmp_path / "other.db")
    await store.close()
    with pytest.raises(StateUnavailable):
        await issue(store)


async def test_a_store_that_is_locked_for_too_long_is_unavailable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sqlite3

    from doorward_gateway import state

    monkeypatch.setattr(state, "BUSY_TIMEOUT_S", 0.05)
    store = await CredentialStore.open(tmp_path / "state.db")
    issued = await issue(store)
    other = sqlite3.connect(tmp_path / "state.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StateUnavailable, match="locked"):
        await store.redeem(issued.secret, "warehouse")
    other.execute("ROLLBACK")
    other.close()
    await store.redeem(issued.secret, "warehouse")
    await store.close()
