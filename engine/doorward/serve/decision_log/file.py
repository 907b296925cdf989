"""The file that a worker writes: lines appended all or none, a crash's leavings cut off, full files put aside.

For one thread, but for `written`.
"""

from __future__ import annotations

import os
import stat
import time
import uuid
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import orjson
import structlog

from doorward.facts.postgres import Catalogue
from doorward.serve.decision_log.lines import catalogue_line, file_line, recovered_line
from doorward.serve.decision_log.names import Taken
from doorward.serve.decision_log.settings import RotationSettings

__all__ = ["LogFile", "read_name", "sync_folder"]

_log: Final = structlog.get_logger("doorward.serve")

_FLAGS: Final = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
_BLOCK: Final = 1 << 16
_FIRST_LINE: Final = 4096
_BEGINNING: Final = b'{"kind":"file",'


class LogFile:
    """An open file of the log.

    `written` is the name in the file's first line, and up to where whole lines stand in it: other threads may read so far.
    """

    def __init__(self, taken: Taken, rotation: RotationSettings, *, durable: bool) -> None:
        """Opens the file; raises OSError. `durable`: what was appended is on the disk, and so are names of files."""
        self._taken = taken
        self._rotation = rotation
        self._durable = durable
        self._torn = False
        self._cut = 0
        """Bytes that recovery took off, not yet told in the log."""
        self.rotations = 0
        self.written: tuple[str, int] = ("", 0)
        self._begun = False
        """Its first line is written."""
        self._catalogues: set[str] = set()
        """Those that stand in it."""
        self._descriptor = -1
        self._open()

    @property
    def path(self) -> Path:
        """Where it is."""
        return self._taken.path

    def append(self, lines: bytes, catalogues: Mapping[str, Catalogue]) -> None:
        """Append whole lines; `catalogues` are those that they name, by content hash.

        Raises OSError; the file is then as it was, and may be tried again.
        """
        self._keep_up()
        missing = [name for name in catalogues if name not in self._catalogues]
        head = b"" if self._begun else file_line(self._name, self._since_ns)
        if self._cut:
            head += recovered_line(self._cut, time.time_ns())
        data = b"".join((head, *(catalogue_line(catalogues[name]) for name in missing), lines))
        end = os.fstat(self._descriptor).st_size
        try:
            _write_all(self._descriptor, data)
            if self._durable:
                os.fdatasync(self._descriptor)
        except OSError:
            # INVARIANT: what was not acknowledged does not stay, and nothing is appended to half a line.
            self._torn, self._end = True, end
            with suppress(OSError):
                self._mend()
            raise
        self._begun, self._cut = True, 0
        self._catalogues.update(missing)
        self._dirty = not self._durable
        self.written = (self._name, end + len(data))

    def sync(self) -> None:
        """Have the disk keep what was appended. Raises OSError."""
        if self._dirty:
            os.fdatasync(self._descriptor)
            self._dirty = False

    def look(self) -> None:
        """Go on in a new file where this one was moved away, is full or too old. Raises OSError."""
        self._keep_up()

    def close(self) -> None:
        """Give the file up, on the disk."""
        with suppress(OSError):
            if self._torn:
                self._mend()
            os.fdatasync(self._descriptor)
        os.close(self._descriptor)

    def _keep_up(self) -> None:
        if self._torn:
            self._mend()
        try:
            there = self.path.stat()
        except FileNotFoundError:
            there = None
        here = os.fstat(self._descriptor)
        if there is None or (there.st_ino, there.st_dev) != (here.st_ino, here.st_dev):
            self._reopen()  # somebody else rotates, or took it away
        elif here.st_size < self.written[1]:
            self._begin()  # somebody emptied it
        elif self._begun and (
            here.st_size >= self._rotation.max_bytes
            or time.time_ns() - self._since_ns >= self._rotation.max_seconds * 1e9
        ):
            self._rotate()

    def _open(self) -> None:
        descriptor = os.open(self.path, _FLAGS, 0o600)
        try:
            state = os.fstat(descriptor)
            if not stat.S_ISREG(state.st_mode):
                raise OSError(f"`{self.path}` is not a file")
            size, cut = state.st_size, 0
            first = _first_line(descriptor)
            if first is not None or _is_begun(descriptor, size):
                size, cut = _recover(descriptor, size)
            elif size:  # not a file of this log: what is in it is left as it is
                os.close(descriptor)
                self._put_aside()
                descriptor = os.open(self.path, _FLAGS, 0o600)
                size = 0
            if self._durable:
                sync_folder(self.path.parent)
        except OSError:
            with suppress(OSError):
                os.close(descriptor)
            raise
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor = descriptor
        self._begin()
        if first is not None and size:
            self._name, self._since_ns, self._begun = first[0], first[1], True
            self.written = (self._name, size)
        if cut:
            self._cut = cut
            _log.warning("a crash had cut the decision log short", file=str(self.path), bytes_taken_off=cut)

    def _begin(self) -> None:
        """Nothing is in the file."""
        self._name = uuid.uuid4().hex
        self._since_ns = time.time_ns()
        self._begun = False
        self._overdue = False
        self._dirty = False
        self._catalogues = set()
        self.written = (self._name, 0)

    def _reopen(self) -> None:
        with suppress(OSError):
            os.fdatasync(self._descriptor)
        self._open()

    def _rotate(self) -> None:
        # what is to take its place is there before anything is moved; until then it goes on in the old one
        fresh = self._taken.beside("next")
        try:
            with suppress(FileNotFoundError):
                fresh.unlink()
            os.close(os.open(fresh, _FLAGS | os.O_EXCL, 0o600))
        except OSError as error:
            if not self._overdue:
                _log.warning("the decision log cannot be rotated", file=str(self.path), error=str(error))
            self._overdue = True
            return
        os.fdatasync(self._descriptor)
        self._put_aside()
        fresh.rename(self.path)
        self._open()
        self.rotations += 1

    def _put_aside(self) -> None:
        full = self._taken.full()
        latest = self._taken.stamp_of(full[-1]) if full else ""
        now = time.time_ns() // 1000
        while (
            stamp := _stamp(now)
        ) <= latest:  # a clock that was set back must not change the order of files
            now = max(now + 1, _micros(latest) + 1)
        self.path.rename(self._taken.next_full(stamp))

    def _mend(self) -> None:
        os.ftruncate(self._descriptor, self._end)
        self._torn = False


def read_name(path: Path, lines: Any) -> str:
    """The name in the first line of an open file; empty where it is none of the log's."""
    first = _parsed(lines.readline(_FIRST_LINE))
    return "" if first is None else first[0]


def _stamp(micros: int) -> str:
    second, rest = divmod(micros, 1_000_000)
    return f"{datetime.fromtimestamp(second, UTC):%Y%m%dT%H%M%S}.{rest:06d}Z"


def _micros(stamp: str) -> int:
    moment = datetime.strptime(stamp, "%Y%m%dT%H%M%S.%fZ").replace(tzinfo=UTC)
    return int(moment.timestamp()) * 1_000_000 + moment.microsecond


def _first_line(descriptor: int) -> tuple[str, int] | None:
    line, end, _ = os.pread(descriptor, _FIRST_LINE, 0).partition(b"\n")
    return _parsed(line) if end else None


def _is_begun(descriptor: int, size: int) -> bool:
    """Whether it is a file whose first line a crash cut short."""
    return size < _FIRST_LINE and os.pread(descriptor, size, 0).startswith(_BEGINNING[:size]) and size > 0


def _parsed(line: bytes) -> tuple[str, int] | None:
    """Name and beginning of a file, from its first line."""
    try:
        first = orjson.loads(line)
        if first["kind"] != "file":
            return None
        moment = datetime.fromisoformat(first["time"][:19] + "+00:00")
        return str(first["id"]), int(moment.timestamp()) * 1_000_000_000
    except (orjson.JSONDecodeError, TypeError, KeyError, ValueError):
        return None


def _recover(descriptor: int, size: int) -> tuple[int, int]:
    """Cut off what is no whole line at the end; the size that is left, and how much was cut."""
    end = size
    while end:
        begin = _line_begin(descriptor, end)
        line = os.pread(descriptor, end - begin, begin)
        if line.endswith(b"\n"):
            try:
                if isinstance(orjson.loads(line), dict):
                    break
            except orjson.JSONDecodeError:
                pass
        end = begin
    if end != size:
        os.ftruncate(descriptor, end)
        os.fdatasync(descriptor)
    return end, size - end


def _line_begin(descriptor: int, end: int) -> int:
    """Where the line that ends there begins."""
    at = end - 1
    while at > 0:
        begin = max(0, at - _BLOCK)
        found = os.pread(descriptor, at - begin, begin).rfind(b"\n")
        if found >= 0:
            return begin + found + 1
        at = begin
    return 0


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def sync_folder(folder: Path) -> None:
    """Have the disk keep the names in a folder. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
