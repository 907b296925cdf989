"""Which revision is in force: the newest good one, signed as it must be, whatever comes after it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs
from tests.support.served import PATIENCE, write_policies
from tests.support.web import Asked, Web, answer, web

from doorward.bundle import SignatureError, build_bundle, sign
from doorward.run.budget import Limits
from doorward.serve.policies.kept import Kept
from doorward.serve.policies.revisions import Revisions
from doorward.serve.policies.settings import PolicySettings
from doorward.serve.policies.source import SourceError
from doorward.serve.policies.sources import source_of
from doorward_dsl import PolicyError
from doorward_dsl.diagnostics import DoorwardError

OURS, THEIRS = "a shared secret of some length....", "another secret of some length....."


def bundle(number: int, key: str = "", **claims: str) -> bytes:
    files = {"a.ward": f'package a\n\ngoverns postgres\n\nallow "number {number}" if true\n'.encode()}
    return build_bundle(files, sign(files, key, algorithm="HS256", claims=claims) if key else None)


class Served:
    """A web server with one thing on it."""

    def __init__(self, server: Web) -> None:
        self.server = server
        self.put(b"")

    def put(self, content: bytes, status: str = "200 OK", **headers: str) -> None:
        async def handler(_: Asked, writer: asyncio.StreamWriter) -> None:
            writer.write(answer(content, status, **headers))

        self.server.handler = handler

    def settings(self, **more: Any) -> PolicySettings:
        return PolicySettings.model_validate({"source": self.server.url + "/bundle.tar.gz", **more})


@asynccontextmanager
async def serving(content: bytes = b"") -> AsyncIterator[Served]:
    async def nothing(_: Asked, writer: asyncio.StreamWriter) -> None: ...

    async with web(nothing) as server:
        served = Served(server)
        served.put(content)
        yield served


def revisions(settings: PolicySettings, state: Path | None = None, **more: Any) -> Revisions:
    return Revisions(
        source_of(settings),
        strict=False,
        limits=Limits(),
        signatures=settings.signatures,
        kept=None if state is None else Kept(state, settings.name),
        **more,
    )


def in_force(known: Revisions) -> str:
    assert known.in_force is not None
    document = {
        "resource": {"kind": "postgres"},
        "action": {"name": "query"},
        "postgres": {"statement": "select 1"},
    }
    return known.in_force.engine.decide(document).reasons[0].text


@pytest.fixture
def signed_by_us(tmp_path: Path) -> dict[str, Any]:
    key = tmp_path / "key"
    key.write_text(OURS + "\n")
    return {"keys": [{"file": key, "algorithm": "HS256"}], "scope": "prod"}


REFUSED: dict[str, tuple[bytes, str]] = {
    "unsigned": (bundle(2), "is not signed"),
    "signed by another": (bundle(2, THEIRS, scope="prod"), "does not verify"),
    "signed for another scope": (bundle(2, OURS, scope="test"), "signed for the scope `test`, not `prod`"),
    "truncated": (bundle(2, OURS, scope="prod")[:-20], "not a bundle"),
    "no archive": (b"<html>", "not a bundle"),
    "empty": (b"", "not a bundle"),
    "oversized": (b"\0" * 20_000, "sends more than 10000 bytes"),
    "broken": (
        build_bundle(
            broken := {"a.rego": b"package"}, sign(broken, OURS, algorithm="HS256", claims={"scope": "prod"})
        ),
        "a.rego",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_what_is_refused_leaves_the_last_good_revision(name: str, signed_by_us: dict[str, Any]) -> None:
    content, said = REFUSED[name]
    told = 0

    def changed() -> None:
        nonlocal told
        told += 1

    async with serving(bundle(1, OURS, scope="prod")) as served:
        known = revisions(served.settings(signatures=signed_by_us, max_bytes=10_000), changed=changed)
        await known.start()
        assert (in_force(known), known.rejected, told) == ("number 1", "", 1)
        served.put(content)
        with capture_logs() as lines:
            with pytest.raises(DoorwardError, match=re.escape(said)):
                await known.load()
            assert said in known.rejected
            for _ in range(2):  # said once and not forgotten
                with suppress(DoorwardError):
                    await known.load()
        assert said in known.rejected
        assert (in_force(known), told) == ("number 1", 2)
        assert [line["event"] for line in lines if line["log_level"] == "error"] == ["policies rejected"]
        assert known.outcomes["refused"] >= 1
        served.put(bundle(3, OURS, scope="prod"))
        await known.load()
        assert (in_force(known), known.rejected, told) == ("number 3", "", 3)
        await known.load()
        assert told == 3  # nothing has changed, and nobody hears of it
        assert known.outcomes["taken"] == 2


async def test_a_source_that_is_away_is_said_and_what_was_refused_before_is_not_forgotten() -> None:
    async with serving(bundle(1)) as served:
        known = revisions(served.settings())
        await known.start()
        answered = known.answered_at
        served.put(b"", "503 Service Unavailable")
        with pytest.raises(SourceError):
            await known.load()
        assert "answered 503" in known.rejected
        assert known.answered_at == answered
        served.put(bundle(1))
        await known.load()
        assert known.rejected == ""
        served.put(b"no bundle")
        with pytest.raises(Exception, match="not a bundle"):
            await known.load()
        served.put(b"", "503 Service Unavailable")
        with pytest.raises(SourceError):
            await known.load()
        assert "answered 503" in known.rejected
        served.put(b"no bundle")
        await known.load()
        assert "not a bundle" in known.rejected
    assert known.outcomes == {"taken": 1, "unchanged": 2, "refused": 1, "unreachable": 2}


async def test_a_bundle_that_came_before_its_key_is_taken_when_the_key_is_there(
    tmp_path: Path, signed_by_us: dict[str, Any]
) -> None:
    async with serving(bundle(1, OURS, scope="prod")) as served:
        known = revisions(served.settings(signatures=signed_by_us))
        await known.start()
        served.put(bundle(2, THEIRS, scope="prod"))
        with pytest.raises(SignatureError):
            await known.load()
        await known.load()
        assert in_force(known) == "number 1"
        (tmp_path / "key").write_text(THEIRS)
        await known.load()
        assert (in_force(known), known.rejected) == ("number 2", "")


async def test_an_unsigned_bundle_may_be_taken_where_that_is_said(signed_by_us: dict[str, Any]) -> None:
    async with serving(bundle(1)) as served:
        known = revisions(served.settings(signatures={**signed_by_us, "required": False}))
        await known.start()
        assert in_force(known) == "number 1"
        served.put(bundle(2, THEIRS, scope="prod"))
        with pytest.raises(SignatureError):
            await known.load()


async def test_a_directory_is_never_signed(tmp_path: Path, signed_by_us: dict[str, Any]) -> None:
    folder = write_policies(tmp_path / "policies", {"a.rego": "package a\n"})
    settings = PolicySettings.model_validate({"source": str(folder), "signatures": signed_by_us})
    with pytest.raises(SignatureError, match="only a bundle can be signed"):
        await revisions(settings).start()


# --- a start without the source ---


async def test_a_start_without_the_source_takes_what_was_kept(tmp_path: Path) -> None:
    async with serving(bundle(1)) as served:
        settings = served.settings()
        await revisions(settings, tmp_path).start()
        served.put(b"", "503 Service Unavailable")
        with capture_logs() as lines:
            known = revisions(settings, tmp_path)
            await known.start()
        assert in_force(known) == "number 1"
        assert "answered 503" in known.rejected
        (line,) = [line for line in lines if line["log_level"] == "warning"]
        assert "those that were kept" in line["event"]
        served.put(bundle(1))
        await known.load()
        assert known.rejected == ""
        served.put(bundle(2))
        await known.load()
        assert in_force(known) == "number 2"
        served.put(b"broken")
        again = revisions(settings, tmp_path)
        await again.start()
        assert in_force(again) == "number 2"
        assert "not a bundle" in again.rejected


async def test_what_was_kept_is_verified_again(tmp_path: Path, signed_by_us: dict[str, Any]) -> None:
    async with serving(bundle(1, OURS, scope="prod")) as served:
        settings = served.settings(signatures=signed_by_us)
        await revisions(settings, tmp_path).start()
        served.put(b"", "503 Service Unavailable")
        (tmp_path / "key").write_text(THEIRS)
        with capture_logs() as lines, pytest.raises(SourceError, match="503"):
            await revisions(settings, tmp_path).start()
    assert any("does not verify" in line.get("error", "") for line in lines)


@pytest.mark.parametrize("kept", [None, b"", b"{}\n", b"\xff" * 100])
async def test_without_anything_to_take_there_is_no_start(tmp_path: Path, kept: bytes | None) -> None:
    if kept is not None:
        (tmp_path / "policies.kept").write_bytes(kept)
    async with serving() as served:
        served.put(b"", "503 Service Unavailable")
        known = revisions(served.settings(), tmp_path)
        with pytest.raises(SourceError, match="503"):
            await known.start()
        assert known.in_force is None


async def test_a_state_that_cannot_be_written_to_is_said_and_no_more(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("not a folder")
    async with serving(bundle(1)) as served:
        with capture_logs() as lines:
            known = revisions(served.settings(), tmp_path / "state")
            await known.start()
    assert in_force(known) == "number 1"
    assert any("cannot be kept" in line["event"] for line in lines)


# --- followed ---


async def test_changes_are_followed_until_told_to_stop(tmp_path: Path) -> None:
    happened = asyncio.Event()
    async with serving(bundle(1)) as served:
        settings = served.settings(min_delay_seconds=0.1, max_delay_seconds=0.1)
        known = revisions(settings, changed=happened.set)
        await known.start()
        stop = asyncio.Event()
        watching = asyncio.create_task(known.watch(stop))

        async def until(holds: Callable[[], bool]) -> None:
            async with asyncio.timeout(PATIENCE):
                while not holds():
                    happened.clear()
                    await happened.wait()

        served.put(bundle(2))
        await until(lambda: in_force(known) == "number 2")
        served.put(b"", "500 Internal Server Error")
        await until(lambda: "500" in known.rejected)
        served.put(build_bundle({"a.rego": b"package"}))
        await until(lambda: "a.rego" in known.rejected)
        served.put(bundle(3))
        await until(lambda: in_force(known) == "number 3" and not known.rejected)
        stop.set()
        await asyncio.wait_for(watching, PATIENCE)


async def test_two_that_ask_at_once_take_turns(tmp_path: Path) -> None:
    folder = write_policies(tmp_path, {"a.rego": "package a\n"})
    known = revisions(PolicySettings.model_validate(str(folder)))
    await asyncio.gather(*(known.load() for _ in range(5)))
    assert known.outcomes == {"taken": 1, "unchanged": 4, "refused": 0, "unreachable": 0}
    (folder / "a.rego").write_text("package")
    outcomes = await asyncio.gather(*(known.load() for _ in range(3)), return_exceptions=True)
    assert isinstance(outcomes[0], PolicyError)
    assert outcomes[1:] == [None, None]
