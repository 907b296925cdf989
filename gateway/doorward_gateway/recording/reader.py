"""Reading a log back, line by line, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from doorward_gateway.recording.chain import MAX_LINE, MalformedRecord, Record, decode

__all__ = ["Line", "lines", "records", "segments"]


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a segment: its place, and the record or what is wrong with it."""

    file: Path
    number: int
    offset: int
    size: int
    record: Record | MalformedRecord


def segments(directory: Path) -> list[Path]:
    """The segments of a log, oldest first."""
    return sorted(directory.glob("segment-*.jsonl"))


def lines(file: Path) -> Iterator[Line]:
    """Every line of one segment; an over-long one comes in pieces, each malformed. Raises `OSError`."""
    number = offset = 0
    with file.open("rb") as stream:
        while raw := stream.readline(MAX_LINE + 1):
            number += 1
            try:
                record: Record | MalformedRecord = decode(raw)
            except MalformedRecord as error:
                record = error
            yield Line(file, number, offset, len(raw), record)
            offset += len(raw)


def records(directory: Path) -> Iterator[Record]:
    """Every record that can be read, in the order of the log. Checks nothing of the chain: see `verify`."""
    for file in segments(directory):
        for line in lines(file):
            if isinstance(line.record, Record):
                yield line.record
