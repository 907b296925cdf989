"""What happens when lines come faster than they can be written, or cannot be written at all."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.support.decision_log import (
    PATIENCE,
    entries,
    fill,
    log_of,
    made,
    opened,
    postgres_request,
    small_disk,
    until,
)

from doorward.author.diff import read_log
from doorward.serve.decision_log.counts import Counts
from doorward.serve.decision_log.settings import DecisionLogSettings
from doorward.serve.decision_log.writer import Writer


class Held:
    """A target that takes nothing until it may."""

    rotations = 0

    def __init__(self) -> None:
        self.may = threading.Event()
        self.lines: list[bytes] = []

    def append(self, lines: bytes, catalogues: Mapping[str, Any]) -> None:
        assert self.may.wait(PATIENCE)
        self.lines += lines.splitlines()

    def sync(self) -> None:
        pass

    def look(self) -> None:
        pass

    def close(self) -> None:
        pass


def writer(target: Any, **settings: Any) -> Writer:
    told = DecisionLogSettings.model_validate({"file": Path("log.jsonl"), **settings})
    return Writer(told, target, lambda: None, counts=Counts())


def notes(target: Held) -> list[dict[str, Any]]:
    import json

    return [entry for entry in map(json.loads, target.lines) if entry.get("kind") == "dropped"]


async def test_what_is_too_much_is_dropped_counted_and_told() -> None:
    target = Held()
    log = writer(target, max_waiting_bytes=10_000)
    for _ in range(25):
        assert await log.keep([made(postgres_request("select 1 -- " + "x" * 2000))]) == ""
    waiting = log.waiting
    assert 1 < waiting < 10
    assert log.counts.dropped == 25 - waiting
    target.may.set()
    await until(lambda: log.waiting == 0 and bool(notes(target)))
    for _ in range(3):
        await log.keep([made()])
    await log.close()
    (note,) = notes(target)
    assert (note["count"], note["answered"]) == (25 - waiting, "as decided")
    assert note["why"] == "the decision log `log.jsonl` does not keep up"
    assert note["since"] <= note["time"]
    assert log.counts.kept == len(target.lines) - 1 == waiting + 3


async def test_one_batch_is_never_too_much(tmp_path: Path) -> None:
    async with opened(tmp_path / "log.jsonl", max_waiting_bytes=1024) as log:
        assert await log.keep([made() for _ in range(50)]) == ""
    assert log.counts.kept == 50


async def test_too_much_is_a_block_where_the_log_is_required() -> None:
    target = Held()
    log = writer(target, required=True, max_waiting_bytes=1024)
    first = asyncio.create_task(log.keep([made()]))
    await until(lambda: log.waiting == 1)
    assert await log.keep([made(), made()]) == "the decision log `log.jsonl` does not keep up"
    target.may.set()
    assert await first == ""
    await until(lambda: bool(notes(target)))
    await log.close()
    (note,) = notes(target)
    assert (note["count"], note["answered"], log.counts.blocked) == (2, "block", 2)


async def test_a_disk_that_hangs_is_a_block_in_time() -> None:
    target = Held()
    log = writer(target, required=True, timeout_seconds=0.05)
    said = await asyncio.gather(log.keep([made()]), log.keep([made()]))
    assert set(said) == {"the decision log `log.jsonl` was not written within 0.05 s"}
    late = asyncio.create_task(log.keep([made()]))
    await asyncio.sleep(0)
    late.cancel()  # the caller has gone
    target.may.set()
    await log.close()
    # what was not begun by then is not logged as something that it was not
    assert log.counts.kept <= 2


async def test_after_the_end_nothing_is_kept(tmp_path: Path) -> None:
    log = log_of(tmp_path / "log.jsonl", required=True)
    await log.close()
    assert await log.keep([made()]) == "the decision log is closed"


async def test_close_writes_what_waits(tmp_path: Path) -> None:
    file = tmp_path / "log.jsonl"
    async with opened(file) as log:
        for _ in range(100):
            await log.keep([made(), made()])
    assert len(entries(file)) == 200


# --- a full disk ---


async def test_on_a_full_disk_decisions_are_blocks_and_none_is_lost(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as disk:
        file = disk / "log.jsonl"
        async with opened(file, required=True) as log:
            kept: list[str] = []

            async def decide() -> str:
                decided = made(postgres_request("select id from customers -- " + "x" * 500))
                why = await log.keep([decided])
                if not why:
                    kept.append(decided.decision.decision_id)
                return why

            assert await decide() == ""
            ballast = fill(disk)
            said = "the decision log `log.jsonl` cannot be written: no space left on device"
            for _ in range(20):
                assert await decide() == said
            assert log.problem == said
            assert [
                entry["id"] for entry in entries(file)
            ] == kept  # nothing torn, nothing that was not answered
            ballast.unlink()
            assert await decide() == ""
            await until(lambda: log.problem == "")
            assert [logged.id for logged in read_log(file)] == kept
            (note,) = entries(file, kind="dropped")
            assert (note["count"], note["why"], note["answered"]) == (20, said, "block")
            assert log.counts.blocked == 20


async def test_a_disk_that_becomes_full_under_load(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as disk:
        file = disk / "log.jsonl"
        kept: list[str] = []
        blocked = 0
        async with opened(file, required=True, rotation={"max_bytes": 50_000, "compress": False}) as log:

            async def caller() -> None:
                nonlocal blocked
                for _ in range(40):
                    batch = [made() for _ in range(3)]
                    if await log.keep(batch):
                        blocked += len(batch)
                    else:
                        kept.extend(one.decision.decision_id for one in batch)

            await asyncio.gather(*(caller() for _ in range(6)))
            assert blocked > 0
            assert blocked + len(kept) == 6 * 40 * 3
            assert sorted(logged.id for logged in read_log(disk)) == sorted(kept)
            for full in disk.glob("log-*"):
                full.unlink()
            assert await log.keep([made()]) == ""
        assert sum(note["count"] for note in entries(file, kind="dropped")) == blocked


async def test_where_it_is_not_required_lines_wait_for_space(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as disk:
        file = disk / "log.jsonl"
        async with opened(file, max_waiting_bytes=10_000) as log:
            await log.keep([made()])
            await until(lambda: log.waiting == 0)
            ballast = fill(disk)
            for _ in range(15):
                assert await log.keep([made()]) == ""
            await until(lambda: "no space left" in log.problem)
            waiting = log.waiting
            assert 15 > waiting > 0
            assert log.counts.dropped == 15 - waiting
            ballast.unlink()
            await until(lambda: log.waiting == 0 and log.problem == "")
        assert len(entries(file)) == 1 + waiting
        assert [note["count"] for note in entries(file, kind="dropped")] == [15 - waiting]


LIMITED = """
import asyncio, resource, sys
sys.path.insert(0, {root!r})
from pathlib import Path
from tests.support.decision_log import log_of, made

async def main():
    log = log_of(Path(sys.argv[1]), required=True)
    assert await log.keep([made()]) == ""
    resource.setrlimit(resource.RLIMIT_FSIZE, (5000, resource.RLIM_INFINITY))
    said = [await log.keep([made()]) for _ in range(10)]
    assert said[-1] == "the decision log `log.jsonl` cannot be written: file too large", said
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    assert await log.keep([made()]) == ""
    await log.close()
    print(log.counts.kept)

asyncio.run(main())
"""


def test_a_file_that_may_not_grow_is_like_a_full_disk(tmp_path: Path) -> None:
    root = str(Path(__file__).parents[4])
    file = tmp_path / "log.jsonl"
    command = [sys.executable, "-c", LIMITED.format(root=root), str(file)]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE * 4, cwd=root, check=False)
    assert ran.returncode == 0, ran.stderr
    assert len(entries(file)) == int(ran.stdout.split()[-1]) >= 2


async def test_standard_output_that_is_full_is_no_reason_to_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    from doorward.serve.decision_log import stdout

    full = os.open("/dev/full", os.O_WRONLY)
    try:
        monkeypatch.setattr(stdout, "_STDOUT", full)
        log = writer(stdout.Stdout())
        assert await log.keep([made()]) == ""
        await until(lambda: "no space left" in log.problem)
        await log.close()
        assert log.counts.kept == 0
    finally:
        os.close(full)
