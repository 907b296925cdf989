"""The log on the disk, for one writer on one thread: append, rotate, recover."""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from doorward_gateway.clock import Clock, rfc3339
from doorward_gateway.errors import RecordingUnavailable
from doorward_gateway.recording.chain import (
    FORMAT,
    GENESIS_PREV,
    HEAD_NAME,
    HEAD_SIZE,
    Record,
    encode,
    encode_body,
    head_bytes,
    read_head,
    segment_name,
)
from doorward_gateway.recording.reader import Line, lines, segments
from doorward_gateway.recording.seals import Seals

__all__ = ["Entry", "Log"]


@dataclass(frozen=True, slots=True)
class Entry:
    """What is to become one record; `body` comes from `encode_body`."""

    time_ns: int
    kind: str
    session: str
    body: bytes


@dataclass(frozen=True, slots=True)
class _End:
    """Where the log ends: the segment in use and its size, the last record, and the file's descriptor."""

    path: Path
    descriptor: int
    size: int
    seq: int
    hash: str


class Log:
    """An open log. Not for several threads; the directory is locked against other writers."""

    def __init__(
        self,
        directory: Path,
        node: str,
        *,
        durable: bool,
        segment_bytes: int,
        clock: Clock,
        seals: Seals | None = None,
    ) -> None:
        self._directory = directory
        self._node = node
        self._durable = durable
        self._segment_bytes = segment_bytes
        self._clock = clock
        self._seals: Seals | None = None  # not before the end of the log is known
        self._torn_tail = False
        self._head: int | None = None
        self._lock = _lock(directory)
        try:
            self._end = self._recover()
            if seals is not None:
                self._take_up(seals)
        except BaseException:
            self._close_descriptors()
            raise

    def write(self, entries: Sequence[Entry]) -> list[int]:
        """Appends the entries, all or none, and returns their numbers once they are durable.

        Raises `RecordingUnavailable`; the log is then as it was, and the next call tries anew.
        """
        try:
            if self._seals is not None:
                self._seals.require_room()
            self._cut_torn_tail()
            if self._end.size >= self._segment_bytes:
                self._rotate()
            return self._append(entries)
        except OSError as error:
            raise _unavailable(self._directory, error) from error

    def seal(self, *, at_once: bool = False) -> float | None:
        """Seals what is due, or all there is; gives the seconds until more is due, `None` when there is nothing."""
        if self._seals is None:
            return None
        self._seals.seal(at_once=at_once)
        return self._seals.due_in()

    def close(self) -> None:
        """Seals all there is and gives the directory up."""
        self.seal(at_once=True)
        with suppress(OSError):
            os.fsync(self._end.descriptor)
            if self._head is not None:
                os.fsync(self._head)
        os.close(self._end.descriptor)
        self._close_descriptors()

    def _close_descriptors(self) -> None:
        for descriptor in (self._head, self._lock):
            if descriptor is not None:
                os.close(descriptor)

    def _append(self, entries: Sequence[Entry]) -> list[int]:
        end = self._end
        self._end = self._write_from(end, entries)
        return list(range(end.seq + 1, self._end.seq + 1))

    def _write_from(self, end: _End, entries: Sequence[Entry]) -> _End:
        """Writes after `end` and returns the new end; on an error leaves the file as `end` says it is."""
        seq, prev, parts, hashes = end.seq, end.hash, [], []
        for entry in entries:
            seq += 1
            line, prev = encode(
                seq, rfc3339(entry.time_ns), self._node, entry.session, entry.kind, entry.body, prev
            )
            parts.append(line)
            hashes.append(prev)
        data = b"".join(parts)
        try:
            _write_all(end.descriptor, data, end.size)
            if self._durable:
                os.fdatasync(end.descriptor)
            self._replace_head(seq, prev)
        except OSError:
            # INVARIANT: nothing that was not acknowledged stays before something that is.
            self._torn_tail = True
            with suppress(OSError):
                self._cut_torn_tail()
            raise
        if self._seals is not None:
            self._seals.note(hashes)
        return _End(end.path, end.descriptor, end.size + len(data), seq, prev)

    def _cut_torn_tail(self) -> None:
        if self._torn_tail:
            os.ftruncate(self._end.descriptor, self._end.size)
            self._torn_tail = False

    def _rotate(self) -> None:
        """Goes on in a new segment, whose first record carries the chain over."""
        old = self._end
        fresh = self._new_segment(old.seq, old.hash)
        try:
            self._end = self._write_from(fresh, [self._entry("segment", {"format": FORMAT})])
        except OSError:
            os.close(fresh.descriptor)
            with suppress(OSError):
                fresh.path.unlink()
            self._torn_tail = False
            raise
        os.close(old.descriptor)

    def _new_segment(self, seq: int, own_hash: str) -> _End:
        path = self._directory / segment_name(seq + 1)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            if self._durable:
                _sync_directory(self._directory)
        except OSError:
            os.close(descriptor)
            with suppress(OSError):
                path.unlink()
            raise
        return _End(path, descriptor, 0, seq, own_hash)

    def _replace_head(self, seq: int, own_hash: str) -> None:
        # Written over in place: replacing the file would cost more than everything else that an append does.
        if self._head is None:
            self._head = os.open(self._directory / HEAD_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            os.ftruncate(self._head, HEAD_SIZE)
        _write_all(self._head, head_bytes(seq, own_hash), 0)

    def _entry(self, kind: str, body: dict[str, Any]) -> Entry:
        return Entry(self._clock(), kind, "", encode_body(body))

    def _take_up(self, seals: Seals) -> None:
        try:
            seals.resume(self._end.seq)
        except OSError as error:
            raise _unavailable(self._directory, error) from error
        self._seals = seals

    def _recover(self) -> _End:
        """Finds the end of the log. What a crash left after the last acknowledged record is set aside."""
        try:
            head_content = _read(self._directory / HEAD_NAME)
            head = read_head(head_content) if head_content else None
            found: list[dict[str, Any]] = []
            for file in reversed(segments(self._directory)):
                last, bad, size = _tail(file)
                if bad is not None or last is None:
                    self._refuse_loss(file, bad, last, head)
                    found += self._set_aside(file, size, keep=last is not None)
                if last is not None:
                    break
            else:
                return self._begin(head, found)
            return self._resume(file, size, last, head, found)
        except OSError as error:
            raise _unavailable(self._directory, error) from error

    def _begin(self, head: tuple[int, str] | None, found: list[dict[str, Any]]) -> _End:
        if head is not None:
            raise _lost(self._directory, f"`{HEAD_NAME}` names record {head[0]}, and there is no segment")
        empty = self._new_segment(0, GENESIS_PREV)
        self._end = empty
        notes = [self._entry("recovered", note) for note in found]
        return self._write_from(empty, [self._entry("genesis", {"format": FORMAT, "hash": "sha256"}), *notes])

    def _resume(
        self, file: Path, size: int, last: Record, head: tuple[int, str] | None, found: list[dict[str, Any]]
    ) -> _End:
        if head is not None and head[0] > last.seq:
            problem = f"it ends at record {last.seq}, and `{HEAD_NAME}` names record {head[0]}"
            raise _lost(self._directory, problem)
        if head is None:
            found.append({"head": "unreadable"})
        descriptor = os.open(file, os.O_RDWR | os.O_CLOEXEC)
        self._end = _End(file, descriptor, size, last.seq, last.hash)
        if not found:
            return self._end
        return self._write_from(self._end, [self._entry("recovered", note) for note in found])

    def _refuse_loss(
        self, file: Path, bad: Line | None, last: Record | None, head: tuple[int, str] | None
    ) -> None:
        """A crash cannot damage what `HEAD` says was acknowledged: then nobody may just write on."""
        first_missing = last.seq + 1 if last is not None else int(file.stem.partition("-")[2])
        if head is not None and head[0] >= first_missing:
            where = f"line {bad.number} of `{file.name}`" if bad is not None else f"`{file.name}`"
            raise _lost(self._directory, f"record {first_missing} in {where} is damaged")

    def _set_aside(self, file: Path, good_size: int, *, keep: bool) -> list[dict[str, Any]]:
        """Moves what stands after the good part of a segment into a file of its own; says so in a note."""
        with file.open("rb") as stream:
            stream.seek(good_size)
            torn = stream.read()
        if not torn:
            file.unlink()
            return []
        aside = self._directory / f"{file.stem}-{good_size}.torn"
        descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            _write_all(descriptor, torn, 0)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if keep:
            os.truncate(file, good_size)
        else:
            file.unlink()
        _sync_directory(self._directory)
        return [{"file": aside.name, "bytes": len(torn), "sha256": hashlib.sha256(torn).hexdigest()}]


def _tail(file: Path) -> tuple[Record | None, Line | None, int]:
    """The last record up to which a segment fits together, the line after it if any, and the good size."""
    last: Record | None = None
    size = 0
    for line in lines(file):
        record = line.record
        if not isinstance(record, Record):
            return last, line, size
        if last is not None and (record.seq, record.prev) != (last.seq + 1, last.hash):
            return last, line, size
        last, size = record, size + line.size
    return last, None, size


def _lock(directory: Path) -> int:
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(directory / "LOCK", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise _unavailable(directory, error) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        raise RecordingUnavailable(f"another process is writing the record in `{directory}`") from error
    return descriptor


def _write_all(descriptor: int, data: bytes, offset: int) -> None:
    view = memoryview(data)
    while view:
        written = os.pwrite(descriptor, view, offset)
        view, offset = view[written:], offset + written


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _unavailable(directory: Path, error: OSError) -> RecordingUnavailable:
    return RecordingUnavailable(f"cannot write the record in `{directory}`: {error.strerror or error}")


def _lost(directory: Path, problem: str) -> RecordingUnavailable:
    return RecordingUnavailable(
        f"the record in `{directory}` is not as it was left: {problem}; see `doorward verify {directory}`,"
        " and move the directory aside to begin a new record"
    )
