"""Whatever is done to a record, `verify` fails and names the first record that is not as it was written."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from doorward_gateway.recording import Recorder
from doorward_gateway.recording.chain import GENESIS_PREV, decode, encode, encode_body
from doorward_gateway.recording.reader import segments
from doorward_gateway.recording.verify import Report, verify_record

RECORDS = 24


async def _write(directory: Path) -> None:
    recorder = await Recorder.open(directory, node="gateway-1", segment_bytes=2000)
    for number in range(RECORDS):
        await recorder.append(
            "operation", f"ses_{number % 3}", {"op": number, "statement": f"select {number} -- é"}
        )
    await recorder.close()


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("original") / "record"
    asyncio.run(_write(directory))
    assert verify_record(directory).problem is None
    assert len(segments(directory)) > 3
    return directory


@pytest.fixture
def copy(original: Path, tmp_path: Path) -> Path:
    directory = tmp_path / "copy"
    shutil.copytree(original, directory)
    return directory


def log_lines(directory: Path) -> list[tuple[Path, bytes]]:
    """Every line of the log with its file; the line at index n is record n + 1."""
    return [
        (file, line) for file in segments(directory) for line in file.read_bytes().splitlines(keepends=True)
    ]


def rewrite(directory: Path, lines: list[tuple[Path, bytes]]) -> None:
    for file in segments(directory):
        file.write_bytes(b"".join(line for where, line in lines if where == file))


def bad(report: Report) -> tuple[int, str]:
    assert report.problem is not None
    assert str(report.problem.seq) in report.sentence()
    return report.problem.seq, report.problem.damage


def record_at(directory: Path, file: Path, offset: int) -> int:
    seq = 0
    for where in segments(directory):
        position = 0
        for line in where.read_bytes().splitlines(keepends=True):
            seq += 1
            if where == file and position <= offset < position + len(line):
                return seq
            position += len(line)
    raise AssertionError


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_byte_changed_names_its_record(original: Path, tmp_path: Path, data: st.DataObject) -> None:
    directory = tmp_path / "copy"
    shutil.rmtree(directory, ignore_errors=True)
    shutil.copytree(original, directory)
    file = data.draw(st.sampled_from(segments(directory)))
    content = bytearray(file.read_bytes())
    offset = data.draw(st.integers(0, len(content) - 1))
    seq = record_at(directory, file, offset)
    content[offset] ^= data.draw(st.integers(1, 255))
    file.write_bytes(content)
    assert bad(verify_record(directory))[0] == seq


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(offset=st.integers(0, 127), flip=st.integers(1, 255))
def test_any_byte_of_the_head_changed_is_seen(original: Path, tmp_path: Path, offset: int, flip: int) -> None:
    directory = tmp_path / "copy"
    shutil.rmtree(directory, ignore_errors=True)
    shutil.copytree(original, directory)
    content = bytearray((directory / "HEAD").read_bytes())
    content[offset % len(content)] ^= flip
    (directory / "HEAD").write_bytes(content)
    assert verify_record(directory).problem is not None


@pytest.mark.parametrize("first", [1, 2, 7, 12, RECORDS])
@pytest.mark.parametrize("count", [1, 3])
def test_dropped_records_are_named(copy: Path, first: int, count: int) -> None:
    lines = log_lines(copy)
    rewrite(copy, lines[: first - 1] + lines[first - 1 + count :])
    assert bad(verify_record(copy)) == (first, "dropped")


def test_any_two_records_swapped_are_named(original: Path, tmp_path: Path) -> None:
    lines = log_lines(original)
    for first in range(1, len(lines), 5):
        for second in range(first + 1, len(lines) + 1, 4):
            directory = tmp_path / f"{first}-{second}"
            shutil.copytree(original, directory)
            swapped = [line for _, line in lines]
            swapped[first - 1], swapped[second - 1] = swapped[second - 1], swapped[first - 1]
            rewrite(
                directory,
                [(directory / file.name, line) for (file, _), line in zip(lines, swapped, strict=True)],
            )
            assert bad(verify_record(directory)) == (first, "reordered")


def test_a_record_that_stands_twice_is_named(copy: Path) -> None:
    lines = log_lines(copy)
    rewrite(copy, [*lines[:10], (lines[9][0], lines[4][1]), *lines[10:]])
    assert bad(verify_record(copy)) == (11, "reordered")


@pytest.mark.parametrize("keep", [0, 1, 5, RECORDS])
def test_records_cut_off_the_end_are_missed(copy: Path, keep: int) -> None:
    lines = log_lines(copy)
    rewrite(copy, lines[:keep])
    assert bad(verify_record(copy)) == (keep + 1, "truncated")


def test_a_segment_removed_is_missed(copy: Path) -> None:
    last, middle = segments(copy)[-1], segments(copy)[1]
    first_of_last = int(last.stem.split("-")[1])
    last.unlink()
    assert bad(verify_record(copy)) == (first_of_last, "truncated")
    first_of_middle = int(middle.stem.split("-")[1])
    middle.unlink()
    assert bad(verify_record(copy)) == (first_of_middle, "dropped")


def test_a_line_cut_in_the_middle_is_named(copy: Path) -> None:
    lines = log_lines(copy)
    file, line = lines[-1]
    rewrite(copy, [*lines[:-1], (file, line[:-20])])
    assert bad(verify_record(copy)) == (len(lines), "truncated")


def forge(line: bytes, prev: str, statement: str | None = None) -> tuple[bytes, str]:
    """The record with another statement and link, hashed anew, as somebody who knows the format would do it."""
    record = decode(line)
    body = dict(record.body) | ({} if statement is None else {"statement": statement})
    return encode(record.seq, record.time, record.node, record.session, record.kind, encode_body(body), prev)


@pytest.mark.parametrize("target", [2, 8, 15])
def test_a_record_rewritten_with_a_good_hash_is_named(copy: Path, target: int) -> None:
    lines = log_lines(copy)
    file, line = lines[target - 1]
    forged, _ = forge(line, decode(line).prev, "select 'nothing to see'")
    rewrite(copy, [*lines[: target - 1], (file, forged), *lines[target:]])
    assert bad(verify_record(copy)) == (target, "replaced")


@pytest.mark.parametrize("target", [2, 8, 15])
def test_a_link_rewritten_with_a_good_hash_is_named(copy: Path, target: int) -> None:
    lines = log_lines(copy)
    file, line = lines[target - 1]
    forged, _ = forge(line, GENESIS_PREV)
    rewrite(copy, [*lines[: target - 1], (file, forged), *lines[target:]])
    assert bad(verify_record(copy)) == (target, "replaced")


def test_a_whole_suffix_rewritten_does_not_end_in_the_head(copy: Path) -> None:
    lines = log_lines(copy)
    prev = decode(lines[8][1]).hash
    for index in range(9, len(lines)):
        file, line = lines[index]
        forged, prev = forge(line, prev, f"select 'forged {index}'")
        lines[index] = (file, forged)
    rewrite(copy, lines)
    assert bad(verify_record(copy)) == (len(lines), "replaced")


def test_a_removed_or_foreign_head_is_seen(copy: Path) -> None:
    (copy / "HEAD").unlink()
    assert bad(verify_record(copy))[1] == "head"


def test_a_renamed_segment_is_named(copy: Path) -> None:
    last = segments(copy)[-1]
    first = int(last.stem.split("-")[1])
    last.rename(last.with_name("segment-9999999999999999.jsonl"))
    assert bad(verify_record(copy)) == (first, "changed")


def test_an_empty_directory_is_not_a_record(tmp_path: Path) -> None:
    assert verify_record(tmp_path).problem is not None


def test_the_program_in_the_documentation_agrees(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from doorward_gateway.recording import chain

    assert chain.__doc__ is not None
    lines = [line[4:] for line in chain.__doc__.splitlines() if line.startswith("    ")]
    run: Callable[[], None] = lambda: exec("\n".join(lines), {"__name__": "third_party"})  # noqa: E731
    import sys

    arguments, sys.argv = sys.argv, ["verify.py", str(copy)]
    try:
        run()
        log = log_lines(copy)
        rewrite(copy, [*log[:5], (log[5][0], log[5][1].replace(b"select", b"delete")), *log[6:]])
        with pytest.raises(AssertionError, match="changed"):
            run()
    finally:
        sys.argv = arguments
