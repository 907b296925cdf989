"""Wherever a crash cuts the log, behind what was acknowledged: it is recovered, and nothing acknowledged is lost."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from doorward_gateway.recording import Recorder
from doorward_gateway.recording.chain import decode, head_bytes
from doorward_gateway.recording.reader import records, segments
from doorward_gateway.recording.verify import verify_record

RECORDS = 12


async def _write(directory: Path) -> None:
    recorder = await Recorder.open(directory, node="n", segment_bytes=1500)
    for n in range(RECORDS):
        await recorder.append("operation", "s", {"n": n})
    await recorder.close()


async def _go_on(directory: Path) -> int:
    recorder = await Recorder.open(directory, node="n", segment_bytes=1500)
    try:
        return await recorder.append("operation", "s", {"n": "after the crash"})
    finally:
        await recorder.close()


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("original") / "record"
    asyncio.run(_write(directory))
    assert len(segments(directory)) > 2
    return directory


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    acknowledged=st.integers(1, RECORDS + 1),
    cut=st.integers(0, 3000),
    garbage=st.binary(max_size=40) | st.sampled_from([b"", b"\n", b"\0" * 512, b'{"body":']),
    head=st.sampled_from(["as acknowledged", "empty", "gone"]),
)
@example(acknowledged=1, cut=0, garbage=b"", head="as acknowledged")
def test_a_crash_at_any_byte_loses_nothing(
    original: Path, tmp_path: Path, acknowledged: int, cut: int, garbage: bytes, head: str
) -> None:
    directory = tmp_path / "record"
    shutil.rmtree(directory, ignore_errors=True)
    shutil.copytree(original, directory)
    seq, stop = 0, False
    for file in segments(directory):
        content = file.read_bytes()
        lines = content.splitlines(keepends=True)
        if stop:
            file.unlink()
            continue
        for line in lines:
            seq += 1
            if seq == acknowledged:
                (directory / "HEAD").write_bytes(head_bytes(seq, decode(line).hash))
                end = sum(len(each) for each in lines[: lines.index(line) + 1])
                file.write_bytes(content[: end + cut % (len(content) - end + 1)] + garbage)
                stop = True
    match head:
        case "empty":
            (directory / "HEAD").write_bytes(b"")
        case "gone":
            (directory / "HEAD").unlink()
        case _:
            pass
    survived = [record.hash for record in records(directory)]
    asyncio.run(_go_on(directory))
    report = verify_record(directory)
    assert report.problem is None, report.sentence()
    kept = [record.seq for record in records(directory)]
    assert kept == list(range(1, len(kept) + 1))
    assert len(kept) > acknowledged
    assert [record.hash for record in records(directory)][:acknowledged] == survived[:acknowledged]
    assert list(records(directory))[-1].body == {"n": "after the crash"}
