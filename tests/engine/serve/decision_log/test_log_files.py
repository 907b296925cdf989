"""The files of the log: whole lines whatever happens, nobody else's business, and no more of them than wanted."""

from __future__ import annotations

import gzip
import json
import os
import random
import re
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from tests.support.decision_log import PATIENCE, entries, log_of, made, opened, postgres_request, until

from doorward.author.diff import read_log
from doorward.serve.decision_log.file import LogFile
from doorward.serve.decision_log.names import take, take_left
from doorward.serve.decision_log.settings import RotationSettings
from doorward.serve.decision_log.tidy import tidy


def full(folder: Path, pattern: str = "log-*") -> list[Path]:
    return sorted(folder.glob(pattern))


def ids(path: Path) -> list[str]:
    return [logged.id for logged in read_log(path)]


async def write(file: Path, count: int = 1, **settings: Any) -> list[str]:
    """Log decisions one by one; gives their ids."""
    written = []
    async with opened(file, required=True, **settings) as log:
        for _ in range(count):
            decided = made()
            assert await log.keep([decided]) == ""
            written.append(decided.decision.decision_id)
    return written


async def test_a_file_begins_with_its_name_and_is_nobody_elses(tmp_path: Path) -> None:
    file = tmp_path / "log.jsonl"
    (written,) = await write(file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    lines = [entry.get("kind", "decision") for entry in map(json.loads, file.read_bytes().splitlines())]
    assert lines == ["file", "catalogue", "decision"]
    await write(file)
    assert len(entries(file, kind="file")) == 1  # the next process goes on in it
    assert ids(file)[0] == written


@pytest.mark.parametrize("required", [True, False])
async def test_full_files_are_put_aside_packed_and_whole_by_themselves(
    tmp_path: Path, required: bool
) -> None:
    rotation = {"max_bytes": 20_000}
    kept = []
    async with opened(tmp_path / "log.jsonl", required=required, rotation=rotation) as log:
        for _ in range(40):
            decided = made()
            assert await log.keep([decided]) == ""
            kept.append(decided.decision.decision_id)
            if not required:
                await until(lambda: log.waiting == 0)
        await until(lambda: len(full(tmp_path, "log-*.jsonl")) == 0)
        assert log.counts.rotations == len(full(tmp_path)) > 1
    assert sorted(ids(tmp_path), key=kept.index) == kept
    for file in full(tmp_path):
        assert re.fullmatch(r"log-\d{8}T\d{6}\.\d{6}Z\.jsonl\.gz", file.name)
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert [logged.catalogue is not None for logged in read_log(file)]


async def test_old_files_are_full_too(tmp_path: Path) -> None:
    async with opened(tmp_path / "log.jsonl", required=True, rotation={"max_seconds": 1}) as log:
        await log.keep([made()])
        await until(lambda: len(full(tmp_path)) == 1)
        assert await log.keep([made()]) == ""
    assert len(ids(tmp_path)) == 2


@pytest.mark.parametrize(
    ("told", "left"),
    [
        ({"keep_files": 2}, 2),
        ({"keep_bytes": 3500}, 3),
        ({"keep_days": 0.5}, 1),
        ({"keep_files": 0}, 0),
        ({}, 6),
    ],
)
def test_only_so_many_are_kept_the_newest(tmp_path: Path, told: dict[str, Any], left: int) -> None:
    taken = take(tmp_path / "log.jsonl")
    names = [taken.next_full(f"20261120T0000{number:02d}.000000Z") for number in range(6)]
    for age, name in enumerate(reversed(names)):
        name.write_bytes(b"x" * 1000)
        os.utime(name, (time.time() - age * 86_400 * 0.9,) * 2)
    tidy(taken, RotationSettings(compress=False, **{"keep_days": 90.0, **told}), lambda file: True)
    assert full(tmp_path) == names[6 - left :]
    tidy(taken, RotationSettings(compress=False, keep_files=0), lambda file: file != names[5])
    assert full(tmp_path) == names[5:][: 1 if left else 0]
    taken.close()


def test_a_crash_while_packing_leaves_one_file(tmp_path: Path) -> None:
    taken = take(tmp_path / "log.jsonl")
    name = taken.next_full("20261120T000000.000000Z")
    name.write_bytes(b'{"kind":"file"}\n')
    with gzip.open(f"{name}.gz", "wb") as packed:
        packed.write(name.read_bytes())
    assert list(read_log(tmp_path)) == []
    taken.beside("packing").write_bytes(b"half")
    tidy(taken, RotationSettings(), lambda file: True)
    assert [file.name for file in full(tmp_path)] == [f"{name.name}.gz"]
    taken.close()


@pytest.mark.parametrize(
    "torn",
    [
        b'{"id":"x","req',
        b"\0" * 5000,
        b'{"kind": "x"}\n{"half',
        b"[]\nnull\n",
        b'{"kind":"decision","request":\xff}\n',
    ],
)
async def test_half_a_line_is_cut_off_and_never_joined_with_another(tmp_path: Path, torn: bytes) -> None:
    file = tmp_path / "log.jsonl"
    before = await write(file, 2)
    whole = file.read_bytes()
    file.write_bytes(whole + torn)
    after = await write(file)
    assert ids(file)[:2] == before
    assert ids(file)[-1:] == after
    left = torn[: torn.rindex(b"}\n") + 2] if torn.startswith(b'{"kind": "x"}') else b""
    (note,) = entries(file, kind="recovered")
    assert note["bytes"] == len(torn) - len(left)


@pytest.mark.parametrize("begun", [b'{"kind":"file","id":"a', b"{", b""])
async def test_a_first_line_cut_short_is_begun_again(tmp_path: Path, begun: bytes) -> None:
    file = tmp_path / "log.jsonl"
    file.write_bytes(begun)
    assert await write(file) == ids(file)
    assert full(tmp_path) == []


async def test_what_somebody_else_wrote_is_left_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "log.jsonl"
    file.write_bytes(b'{"request": {"a": 1}}\nhalf')
    await write(file, rotation={"compress": False})
    (aside,) = full(tmp_path)
    assert aside.read_bytes() == b'{"request": {"a": 1}}\nhalf'
    assert len(ids(file)) == 1


async def test_what_was_moved_away_is_left_at_once(tmp_path: Path) -> None:
    file, moved = tmp_path / "log.jsonl", tmp_path / "moved"
    async with opened(file, required=True) as log:
        await log.keep([made()])
        file.rename(moved)
        size = moved.stat().st_size
        log.reopen()
        await until(file.exists)
        await log.keep([made()])
        assert moved.stat().st_size == size
        file.unlink()
        await log.keep([made()])
        assert len(ids(file)) == 1
        file.write_bytes(b"")  # as `copytruncate` does
        await log.keep([made()])
        assert len(ids(file)) == len(entries(file, kind="file")) == len(entries(file, kind="catalogue")) == 1


async def test_every_process_has_files_of_its_own(tmp_path: Path) -> None:
    file = tmp_path / "log.jsonl"
    first, second, third = (log_of(file, required=True) for _ in range(3))
    for log in (first, second, third):
        assert await log.keep([made()]) == ""
    names = ["log.1.jsonl", "log.2.jsonl", "log.jsonl"]
    assert [path.name for path in full(tmp_path, "*.jsonl")] == names
    await second.close()
    again = log_of(file, required=True)
    assert await again.keep([made()]) == ""
    assert len(ids(tmp_path / "log.1.jsonl")) == 2  # whoever comes next takes the place that is free
    for log in (first, third, again):
        await log.close()
    assert len(ids(tmp_path)) == 4
    left = list(take_left(file, 1))
    assert [taken.path.name for taken in left] == names[:2]
    for taken in left:
        taken.close()


async def test_a_log_that_cannot_be_opened_says_so(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        log_of(tmp_path / "nowhere" / "log.jsonl")
    (tmp_path / "elsewhere").write_text("precious")
    (tmp_path / "log.jsonl").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic"):
        log_of(tmp_path / "log.jsonl")
    assert (tmp_path / "elsewhere").read_text() == "precious"
    os.mkfifo(tmp_path / "pipe.jsonl")
    with pytest.raises(OSError, match="not a file"):
        log_of(tmp_path / "pipe.jsonl")


def test_a_clock_that_is_set_back_does_not_change_the_order(tmp_path: Path) -> None:
    taken = take(tmp_path / "log.jsonl")
    late = taken.next_full("29991231T235959.999999Z")
    late.write_bytes(b"")
    file = LogFile(taken, RotationSettings(max_bytes=1024), durable=False)
    for number in range(20):
        file.append(b'{"n":%d,"x":"%s"}\n' % (number, b"x" * 200), {})
    file.close()
    found = taken.full()
    assert found[0] == late
    assert len(found) > 2
    numbers = [entry["n"] for path in [*found[1:], taken.path] for entry in entries(path) if "n" in entry]
    assert numbers == list(range(20))
    taken.close()


KILLED = """
import asyncio, os, sys
sys.path.insert(0, {root!r})
from pathlib import Path
from tests.support.decision_log import log_of, made

async def main():
    log = log_of(Path(sys.argv[1]), required=True, rotation={{"max_bytes": 60_000}})
    async def caller():
        while True:
            batch = [made() for _ in range(3)]
            assert await log.keep(batch) == ""
            os.write(1, "".join(one.decision.decision_id + "\\n" for one in batch).encode())
    await asyncio.gather(*(caller() for _ in range(4)))

asyncio.run(main())
"""


def test_a_kill_at_any_instant_loses_no_decision_that_was_acknowledged(tmp_path: Path) -> None:
    root = str(Path(__file__).parents[4])
    chance = random.Random(7)
    file = tmp_path / "log.jsonl"
    acknowledged: list[str] = []
    for _ in range(2):
        process = subprocess.Popen(
            [sys.executable, "-c", KILLED.format(root=root), str(file)], stdout=subprocess.PIPE, cwd=root
        )
        assert process.stdout is not None
        try:
            lines = iter(process.stdout.readline, b"")
            acknowledged += [next(lines).decode().strip() for _ in range(chance.randrange(30, 200))]
            process.send_signal(signal.SIGKILL)
            rest = process.stdout.read().decode()
        finally:
            process.kill()
            process.wait(PATIENCE)
            process.stdout.close()
        acknowledged += rest.split("\n")[:-1]  # a line is one write: whole or not there
    assert all(acknowledged)
    found = ids(tmp_path)  # as the kill left it
    assert set(acknowledged) <= set(found)
    assert len(found) == len(set(found))
    taken = take(file)
    LogFile(taken, RotationSettings(), durable=True).close()
    taken.close()
    assert entries(*full(tmp_path, "log*.jsonl"))  # every line is whole again
    assert set(acknowledged) <= set(ids(tmp_path))


async def test_requests_are_logged_as_they_were(tmp_path: Path) -> None:
    file = tmp_path / "log.jsonl"
    request = postgres_request("select id from customers where id = 'ä\u2028\\n\"'")
    async with opened(file, required=True) as log:
        await log.keep([made(request)])
    (logged,) = read_log(file)
    assert logged.request == request
