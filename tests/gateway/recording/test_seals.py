"""Whoever holds the machine, but not the key or the copy of the seals, cannot write the record anew unseen."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Sequence
from pathlib import Path

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from doorward_gateway.errors import RecordingUnavailable
from doorward_gateway.recording import Recorder
from doorward_gateway.recording.chain import decode, encode, encode_body, head_bytes
from doorward_gateway.recording.reader import segments
from doorward_gateway.recording.sealing import load_signer, merkle_root
from doorward_gateway.recording.verify import Report, verify_record

RECORDS = 24


async def write(
    directory: Path, key: Path, *, records: int = RECORDS, every: float = 0.0, copies: Sequence[Path] = ()
) -> None:
    recorder = await Recorder.open(
        directory,
        node="gateway-1",
        segment_bytes=2000,
        signer=load_signer(key),
        seal_every=every,
        copies=copies,
    )
    for number in range(records):
        await recorder.append("operation", "ses_1", {"op": number, "statement": f"select {number}"})
    await recorder.close()


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.mktemp("sealed")
    asyncio.run(write(base / "record", base / "record.key", copies=[base / "copy.jsonl"]))
    shutil.copy(base / "record" / "record.pub", base / "trusted.pub")
    return base


@pytest.fixture
def place(original: Path, tmp_path: Path) -> Path:
    shutil.copytree(original, tmp_path / "place")
    return tmp_path / "place"


def check(place: Path, *, trusted: bool = True, copy: bool = False) -> Report:
    return verify_record(
        place / "record",
        keys=[place / "trusted.pub"] if trusted else [],
        copies=[place / "copy.jsonl"] if copy else [],
    )


def bad(report: Report) -> tuple[int, str]:
    assert report.problem is not None
    assert str(report.problem.seq) in report.sentence()
    return report.problem.seq, report.problem.damage


def rewrite_from(record: Path, first: int, *, drop_from: int | None = None) -> None:
    """Other records from number `first` on, each hash, link and `HEAD` made to fit; cut off at `drop_from`."""
    prev = ""
    seq = 0
    for file in segments(record):
        kept = []
        for line in file.read_bytes().splitlines(keepends=True):
            old = decode(line)
            if drop_from is not None and old.seq >= drop_from:
                continue
            if old.seq < first:
                kept.append(line)
                seq, prev = old.seq, old.hash
                continue
            body = dict(old.body)
            if old.kind == "operation":
                body["statement"] = "select 'nothing to see'"
            line, prev = encode(
                old.seq, old.time, old.node, old.session, old.kind, encode_body(body), prev or old.prev
            )
            kept.append(line)
            seq = old.seq
        if kept:
            file.write_bytes(b"".join(kept))
        else:
            file.unlink()
    (record / "HEAD").write_bytes(head_bytes(seq, prev))


def test_what_was_written_is_vouched_for(original: Path) -> None:
    report = check(original, copy=True)
    assert report.problem is None
    assert report.trusted
    assert report.sealed == report.records > RECORDS
    assert "not yet" not in report.sentence()
    assert "lies beside it" in check(original, trusted=False).sentence()
    assert (original / "copy.jsonl").read_bytes() == (original / "record" / "seals.jsonl").read_bytes()
    assert (original / "record.key").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("first", [2, 3, 9, 17, RECORDS])
def test_a_whole_suffix_written_anew_is_named_at_its_first_record(place: Path, first: int) -> None:
    operation = first
    while decode(_line(place, operation)).kind != "operation":
        operation += 1
    rewrite_from(place / "record", operation)
    assert bad(check(place)) == (operation, "replaced")
    assert bad(check(place, trusted=False)) == (operation, "replaced")


def _line(place: Path, seq: int) -> bytes:
    lines = [line for file in segments(place / "record") for line in file.read_bytes().splitlines(True)]
    return lines[seq - 1]


@pytest.mark.parametrize("keep", [1, 5, RECORDS])
def test_a_log_cut_off_with_its_head_is_named(place: Path, keep: int) -> None:
    rewrite_from(place / "record", 10_000, drop_from=keep + 1)
    assert bad(check(place)) == (keep + 1, "truncated")


@pytest.mark.parametrize("keep", [0, 1, 4, 9])
def test_a_log_cut_off_with_its_head_and_its_seals_differs_from_the_copy(place: Path, keep: int) -> None:
    seals = place / "record" / "seals.jsonl"
    lines = seals.read_bytes().splitlines(keepends=True)
    seals.write_bytes(b"".join(lines[:keep]))
    last = orjson.loads(lines[keep - 1])["last"] if keep else 0
    if keep:
        rewrite_from(place / "record", 10_000, drop_from=last + 1)
        assert check(place).problem is None  # nobody can tell by what is here
        assert bad(check(place, copy=True)) == (last + 1, "truncated")
    seals.unlink()
    assert bad(check(place))[1] == "seal"


def test_a_suffix_sealed_by_another_key_is_named(place: Path, tmp_path: Path) -> None:
    """Somebody writes the whole record anew, with a key of his own beside it."""
    other = tmp_path / "other"
    asyncio.run(write(other / "record", tmp_path / "other.key"))
    shutil.rmtree(place / "record")
    shutil.copytree(other / "record", place / "record")
    assert check(place, trusted=False).problem is None
    report = check(place)
    assert bad(report) == (1, "seal")
    assert "key that is not known here" in report.sentence()


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_byte_of_the_seals_changed_is_seen(original: Path, tmp_path: Path, data: st.DataObject) -> None:
    place = tmp_path / "place"
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(original, place)
    seals = place / "record" / "seals.jsonl"
    content = bytearray(seals.read_bytes())
    at = data.draw(st.integers(0, len(content) - 2))
    content[at] ^= data.draw(st.integers(1, 255))
    seals.write_bytes(content)
    assert check(place).problem is not None


@pytest.mark.parametrize("lines", [[1, 0, 2, 3], [0, 2, 3], [0, 1, 1, 2], [1, 2, 3]])
def test_seals_dropped_doubled_or_reordered_are_seen(place: Path, lines: list[int]) -> None:
    seals = place / "record" / "seals.jsonl"
    there = seals.read_bytes().splitlines(keepends=True)
    seals.write_bytes(b"".join(there[at] for at in lines))
    assert bad(check(place))[1] == "seal"


def test_what_was_not_sealed_before_a_crash_is_sealed_by_the_next_writer(tmp_path: Path) -> None:
    record, key = tmp_path / "record", tmp_path / "record.key"

    async def crash() -> None:
        recorder = await Recorder.open(record, node="n", signer=load_signer(key), seal_every=3600)
        for number in range(5):
            await recorder.append("operation", "s", {"n": number})
        shutil.copytree(record, tmp_path / "as it was")
        await recorder.close()

    asyncio.run(crash())
    left = tmp_path / "as it was"
    before = verify_record(left)
    assert before.problem is None
    assert before.sealed < before.records == 6
    with (left / "seals.jsonl").open("ab") as seals:
        seals.write(b'{"first":2,"hash')  # and one that was being written
    assert verify_record(left).problem is None
    asyncio.run(write(left, key, records=1, every=3600))
    after = verify_record(left)
    assert after.problem is None
    assert after.sealed == after.records == 7


def test_a_writer_does_not_go_on_where_seals_and_record_differ(place: Path) -> None:
    for first in (2, RECORDS):
        rewrite_from(place / "record", first)
    with pytest.raises(RecordingUnavailable, match="not the one that was sealed"):
        asyncio.run(write(place / "record", place / "record.key"))
    rewrite_from(place / "record", 10_000, drop_from=8)
    with pytest.raises(RecordingUnavailable, match="the record ends at 7, and a seal speaks of record"):
        asyncio.run(write(place / "record", place / "record.key"))


def test_a_copy_that_was_away_gets_what_it_missed(place: Path) -> None:
    copy = place / "copy.jsonl"
    whole = copy.read_bytes()
    copy.write_bytes(whole[: len(whole) // 2])
    asyncio.run(write(place / "record", place / "record.key", records=2, copies=[copy]))
    assert copy.read_bytes() == (place / "record" / "seals.jsonl").read_bytes()
    assert copy.read_bytes().startswith(whole)
    assert check(place, copy=True).problem is None
    copy.write_bytes(b"x" + copy.read_bytes()[1:])
    with pytest.raises(RecordingUnavailable, match="not of this record"):
        asyncio.run(write(place / "record", place / "record.key", copies=[copy]))


def test_a_copy_that_cannot_be_written_stops_nobody(tmp_path: Path) -> None:
    asyncio.run(write(tmp_path / "record", tmp_path / "key", copies=[tmp_path / "no such folder" / "copy"]))
    report = verify_record(tmp_path / "record")
    assert report.problem is None
    assert report.sealed == report.records


@given(st.lists(st.binary(min_size=32, max_size=32), min_size=1, max_size=70))
def test_the_root_is_that_of_rfc_6962(leaves: list[bytes]) -> None:
    import hashlib

    def by_the_book(part: list[bytes]) -> bytes:
        if len(part) == 1:
            return hashlib.sha256(b"\0" + part[0]).digest()
        split = 1
        while split * 2 < len(part):
            split *= 2
        return hashlib.sha256(b"\1" + by_the_book(part[:split]) + by_the_book(part[split:])).digest()

    assert merkle_root(leaves) == by_the_book(leaves)
