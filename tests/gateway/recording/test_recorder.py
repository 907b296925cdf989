"""The record is durable when it is acknowledged, whatever happens to the process and to the disk."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from doorward_gateway.errors import RecordingUnavailable
from doorward_gateway.recording import Recorder
from doorward_gateway.recording.reader import records, segments
from doorward_gateway.recording.verify import verify_record


def statements(directory: Path) -> list[object]:
    return [record.body.get("n") for record in records(directory) if record.kind == "operation"]


async def test_records_come_back_in_order_with_their_bodies(tmp_path: Path) -> None:
    times = iter(range(10**18, 10**18 + 100))
    recorder = await Recorder.open(tmp_path, node="gateway-1", clock=lambda: next(times))
    body = {"z": [1, None, True], "a": {"y": "é\u2028\x00", "b": 1.5}, "statement": 'select "hash":"x"'}
    assert await recorder.append("operation", "ses_1", body) == 2
    await recorder.close()
    genesis, record = records(tmp_path)
    assert (genesis.kind, genesis.seq) == ("genesis", 1)
    assert (record.seq, record.session, record.kind, record.node) == (2, "ses_1", "operation", "gateway-1")
    assert record.body == body
    last_line = segments(tmp_path)[0].read_bytes().splitlines()[-1]
    assert last_line.startswith(b'{"body":{"a":{"b":1.5,"y":"'), "members are sorted at every depth"
    assert record.time.startswith("2001-09-09T01:46:40.00000000")
    assert verify_record(tmp_path).problem is None


async def test_many_at_once_are_numbered_without_gaps(tmp_path: Path) -> None:
    recorder = await Recorder.open(tmp_path, node="n", segment_bytes=4096)
    numbers = []
    for start in range(0, 500, 100):
        appends = (recorder.append("operation", "s", {"n": n}) for n in range(start, start + 100))
        numbers += await asyncio.gather(*appends)
    await recorder.close()
    assert len(set(numbers)) == 500
    assert sorted(statements(tmp_path)) == list(range(500))
    assert len(segments(tmp_path)) > 1
    report = verify_record(tmp_path)
    assert report.problem is None
    assert report.records == max(numbers)


async def test_the_chain_goes_on_after_a_restart(tmp_path: Path) -> None:
    for n in range(3):
        recorder = await Recorder.open(tmp_path, node="n", segment_bytes=600)
        await recorder.append("operation", "s", {"n": n, "filling": "x" * 400})
        await recorder.close()
    assert statements(tmp_path) == [0, 1, 2]
    assert verify_record(tmp_path).problem is None


async def test_one_writer_at_a_time(tmp_path: Path) -> None:
    recorder = await Recorder.open(tmp_path, node="n")
    with pytest.raises(RecordingUnavailable, match="another process"):
        await Recorder.open(tmp_path, node="n")
    await recorder.close()
    await (await Recorder.open(tmp_path, node="n")).close()


async def test_what_cannot_be_written_is_refused_and_leaves_no_trace(tmp_path: Path) -> None:
    recorder = await Recorder.open(tmp_path, node="n")
    for body in ({"n": object()}, {"n": "\ud800"}, {"n": 1 << 80}, {"n": "x" * (17 << 20)}):
        with pytest.raises(RecordingUnavailable):
            await recorder.append("operation", "s", body)
    assert await recorder.append("operation", "s", {"n": 1}) == 2
    await recorder.close()
    with pytest.raises(RecordingUnavailable, match="closed"):
        await recorder.append("operation", "s", {})
    assert verify_record(tmp_path).problem is None


async def test_a_record_that_is_being_written_verifies(tmp_path: Path) -> None:
    recorder = await Recorder.open(tmp_path, node="n", segment_bytes=3000)
    for n in range(30):
        append = asyncio.gather(*(recorder.append("operation", "s", {"n": (n, m)}) for m in range(3)))
        await append
        assert (await asyncio.to_thread(verify_record, tmp_path)).problem is None
    await recorder.close()


async def test_a_line_that_a_live_writer_has_begun_is_not_damage(tmp_path: Path) -> None:
    recorder = await Recorder.open(tmp_path, node="n")
    await recorder.append("operation", "s", {"n": 1})
    tear(tmp_path, b'{"body":{"n":')
    assert verify_record(tmp_path).problem is None
    await recorder.append("operation", "s", {"n": "long enough to cover what was begun" * 3})
    await recorder.close()
    assert verify_record(tmp_path).problem is None
    tear(tmp_path, b'{"body":{"n":')
    problem = verify_record(tmp_path).problem
    assert problem is not None
    assert problem.damage == "truncated"


async def test_an_acknowledged_record_cut_short_is_damage_also_under_a_live_writer(tmp_path: Path) -> None:
    recorder = await Recorder.open(tmp_path, node="n")
    await recorder.append("operation", "s", {"n": 1})
    (segment,) = segments(tmp_path)
    os.truncate(segment, segment.stat().st_size - 5)
    problem = verify_record(tmp_path).problem
    assert problem is not None
    assert (problem.damage, problem.seq) == ("truncated", 2)
    await recorder.close()


def contents(directory: Path) -> list[tuple[str, bytes]]:
    return sorted((path.name, path.read_bytes()) for path in directory.iterdir())


def tear(directory: Path, tail: bytes) -> None:
    with segments(directory)[-1].open("ab") as stream:
        stream.write(tail)


@pytest.mark.parametrize("tail", [b'{"body":{"n":', b"\x00" * 700, b"garbage\nmore garbage\n", b"\n"])
async def test_a_torn_end_is_set_aside_and_noted(tmp_path: Path, tail: bytes) -> None:
    recorder = await Recorder.open(tmp_path, node="n")
    await recorder.append("operation", "s", {"n": 1})
    await recorder.close()
    tear(tmp_path, tail)
    assert verify_record(tmp_path).problem is not None
    recorder = await Recorder.open(tmp_path, node="n")
    await recorder.append("operation", "s", {"n": 2})
    await recorder.close()
    assert statements(tmp_path) == [1, 2]
    assert verify_record(tmp_path).problem is None
    (note,) = [record for record in records(tmp_path) if record.kind == "recovered"]
    aside = tmp_path / note.body["file"]
    assert aside.read_bytes() == tail
    aside.write_bytes(b"something else")
    problem = verify_record(tmp_path).problem
    assert problem is not None
    assert problem.seq == note.seq


@pytest.mark.parametrize("content", [b"", b'{"body":'])
async def test_a_crash_while_a_segment_was_begun_is_recovered(tmp_path: Path, content: bytes) -> None:
    recorder = await Recorder.open(tmp_path, node="n")
    last = await recorder.append("operation", "s", {"n": 1})
    await recorder.close()
    (tmp_path / f"segment-{last + 1:016d}.jsonl").write_bytes(content)
    recorder = await Recorder.open(tmp_path, node="n")
    await recorder.append("operation", "s", {"n": 2})
    await recorder.close()
    assert statements(tmp_path) == [1, 2]
    assert verify_record(tmp_path).problem is None


@pytest.mark.parametrize("content", [b"", b"nonsense"])
async def test_a_crash_at_the_very_beginning_is_recovered(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "segment-0000000000000001.jsonl").write_bytes(content)
    recorder = await Recorder.open(tmp_path, node="n")
    await recorder.close()
    assert verify_record(tmp_path).problem is None


async def test_a_head_lost_in_a_crash_is_noted(tmp_path: Path) -> None:
    recorder = await Recorder.open(tmp_path, node="n")
    await recorder.close()
    (tmp_path / "HEAD").write_bytes(b"")
    await (await Recorder.open(tmp_path, node="n")).close()
    assert [record.kind for record in records(tmp_path)] == ["genesis", "recovered"]
    assert verify_record(tmp_path).problem is None


@pytest.mark.parametrize("damage", ["changed", "cut", "gone"])
async def test_nobody_writes_on_where_an_acknowledged_record_is_damaged(tmp_path: Path, damage: str) -> None:
    recorder = await Recorder.open(tmp_path, node="n")
    for n in range(3):
        await recorder.append("operation", "s", {"n": n})
    await recorder.close()
    (segment,) = segments(tmp_path)
    content = segment.read_bytes()
    match damage:
        case "changed":
            segment.write_bytes(content.replace(b'"n":1', b'"n":7'))
        case "cut":
            segment.write_bytes(b"".join(content.splitlines(keepends=True)[:-1]))
        case _:
            segment.unlink()
    before = contents(tmp_path)
    with pytest.raises(RecordingUnavailable, match="not as it was left"):
        await Recorder.open(tmp_path, node="n")
    assert contents(tmp_path) == before


WRITER = """
import asyncio, sys
from pathlib import Path
from doorward_gateway.recording import Recorder

async def main():
    recorder = await Recorder.open(Path(sys.argv[1]), node="n", segment_bytes=20_000)
    async def write(worker):
        for n in range(100_000):
            await recorder.append("operation", f"s{worker}", {"n": [worker, n], "filling": "x" * (n % 97)})
            print(f"[{worker}, {n}]", flush=True)
    await asyncio.gather(*(write(worker) for worker in range(8)))

asyncio.run(main())
"""


def test_kill_at_any_instant_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    acknowledged: list[list[int]] = []
    for lines_to_see in (1, 40, 333, 1500):
        with subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True
        ) as writer:
            assert writer.stdout is not None
            seen = [json.loads(writer.stdout.readline()) for _ in range(lines_to_see)]
            os.kill(writer.pid, signal.SIGKILL)
            rest = writer.stdout.read().splitlines(keepends=True)
            acknowledged += seen + [json.loads(line) for line in rest if line.endswith("\n")]
    asyncio.run(_reopen(tmp_path))
    report = verify_record(tmp_path)
    assert report.problem is None, report.sentence()
    kept = statements(tmp_path)
    for item in acknowledged:
        assert item in kept
        kept.remove(item)


async def _reopen(directory: Path) -> None:
    await (await Recorder.open(directory, node="n")).close()


FULL_DISK = """
import asyncio, resource, signal, sys
from pathlib import Path
from doorward_gateway.errors import RecordingUnavailable
from doorward_gateway.recording import Recorder

async def main():
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    recorder = await Recorder.open(Path(sys.argv[1]), node="n")
    resource.setrlimit(resource.RLIMIT_FSIZE, (6000, resource.RLIM_INFINITY))
    outcomes = []
    async def append(n):
        try:
            await recorder.append("operation", "s", {"n": n, "filling": "x" * 700})
        except RecordingUnavailable as error:
            assert recorder.failure == error.message, (recorder.failure, error.message)
            outcomes.append((n, "refused"))
        else:
            outcomes.append((n, "kept"))
    for n in range(20):
        await append(n)
    assert recorder.failure is not None
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    for n in range(20, 30):
        await append(n)
    assert recorder.failure is None
    await recorder.close()
    print([n for n, outcome in outcomes if outcome == "kept"])

asyncio.run(main())
"""


def test_a_full_disk_refuses_and_recovers_without_a_broken_chain(tmp_path: Path) -> None:
    assert resource.RLIMIT_FSIZE
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    kept = json.loads(done.stdout)
    assert 3 < len([n for n in kept if n < 20]) < 20
    assert kept[-10:] == list(range(20, 30))
    assert statements(tmp_path) == kept
    assert verify_record(tmp_path).problem is None


async def test_a_slow_disk_is_a_refusal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import threading

    recorder = await Recorder.open(tmp_path, node="n", timeout=0.05)
    go_on = threading.Event()
    sync = os.fdatasync

    def stuck(descriptor: int) -> None:
        go_on.wait(10)
        sync(descriptor)

    monkeypatch.setattr(os, "fdatasync", stuck)
    with pytest.raises(RecordingUnavailable, match="not written within"):
        await recorder.append("operation", "s", {"n": 1})
    go_on.set()
    await recorder.append("operation", "s", {"n": 2})
    await recorder.close()
    assert verify_record(tmp_path).problem is None


async def test_a_failing_sync_is_a_refusal_and_undone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = await Recorder.open(tmp_path, node="n")

    def broken(_descriptor: int) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", broken)
        with pytest.raises(RecordingUnavailable, match="Input/output error"):
            await recorder.append("operation", "s", {"n": 1, "longer": "than what comes after it"})
    await recorder.append("operation", "s", {"n": 2})
    await recorder.close()
    assert statements(tmp_path) == [2]
    assert verify_record(tmp_path).problem is None


async def test_a_segment_that_cannot_be_begun_is_undone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = await Recorder.open(tmp_path, node="n", segment_bytes=100)

    def broken(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    before = segments(tmp_path)
    for name in ("fdatasync", "fsync"):
        with monkeypatch.context() as patch:
            patch.setattr(os, name, broken)
            with pytest.raises(RecordingUnavailable, match="No space left"):
                await recorder.append("operation", "s", {"n": 1})
        assert segments(tmp_path) == before
    await recorder.append("operation", "s", {"n": 2})
    await recorder.close()
    assert len(segments(tmp_path)) == len(before) + 1
    assert statements(tmp_path) == [2]
    assert verify_record(tmp_path).problem is None
