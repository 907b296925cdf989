"""The file of seals, for the one thread that writes the record: what is to be sealed, when, and where copies go.

A copy on another disk or machine, or one that only grows (`chattr +a`, a write-once share), is what somebody cannot
rewrite who has taken over this machine, key and all.
"""

from __future__ import annotations

import base64
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

import orjson
import structlog

from doorward_gateway.clock import Clock, rfc3339
from doorward_gateway.errors import RecordingUnavailable
from doorward_gateway.recording.chain import Record
from doorward_gateway.recording.reader import lines, segments
from doorward_gateway.recording.sealing import (
    FIRST_PREV,
    MAX_RUN,
    PUBLIC_KEY_NAME,
    SEALS_NAME,
    Signer,
    line_digest,
    public_pem,
)

__all__ = ["Seals"]

_log = structlog.get_logger(__name__)

_COMPARED: Final = 1 << 20
"""How many bytes at the end of a copy are compared."""

_MAX_UNSEALED: Final = 1 << 20
"""Records that may wait for a seal that cannot be written; beyond that, no more are taken."""


class Seals:
    """The seals of one record. `every` is how many seconds a record may stay without; 0: none at all."""

    def __init__(
        self,
        directory: Path,
        signer: Signer,
        *,
        node: str,
        clock: Clock,
        every: float,
        copies: Sequence[Path] = (),
    ) -> None:
        self._directory = directory
        self._path = directory / SEALS_NAME
        self._signer = signer
        self._node = node
        self._clock = clock
        self._every = every
        self._copies = tuple(copies)
        self._last, self._prev = 0, FIRST_PREV
        self._pending: list[str] = []
        self._since: float | None = None
        self._failure = ""

    def resume(self, last: int) -> None:
        """Goes on where the last writer stopped, in a record that ends with number `last`.

        What it left without a seal is taken up. Raises `RecordingUnavailable` where record and seals, or a copy and the
        seals, do not belong together, `OSError`.
        """
        sealed_hash = self._read_last()
        if self._last > last:
            raise self._refused(f"the record ends at {last}, and a seal speaks of record {self._last}")
        for record in _records_from(self._directory, max(self._last, 1)):
            if record.seq == self._last and record.hash != sealed_hash:
                raise self._refused(f"record {record.seq} is not the one that was sealed")
            if record.seq > self._last:
                self._pending.append(record.hash)
        for copy in self._copies:
            self._check_copy(copy)
        self._show_key()
        self.seal(at_once=True)

    def note(self, hashes: Sequence[str]) -> None:
        """These records, the next ones, are in the log."""
        if self._since is None:
            self._since = time.monotonic()
        self._pending += hashes

    def require_room(self) -> None:
        """Raises `RecordingUnavailable` where too many records wait for a seal."""
        if len(self._pending) >= _MAX_UNSEALED:
            raise RecordingUnavailable(f"{len(self._pending)} records could not be sealed: {self._failure}")

    def due_in(self) -> float | None:
        """Seconds until the next seal is due; `None` while there is nothing to seal."""
        if not self._pending:
            return None
        return 0.0 if self._since is None else max(0.0, self._since + self._every - time.monotonic())

    def seal(self, *, at_once: bool = False) -> None:
        """Seals what there is, if that is due. What cannot be written is said in the log and tried again."""
        due = self.due_in()
        if due is None or (due > 0 and not at_once):
            return
        try:
            while self._pending:
                self._seal_run(self._pending[:MAX_RUN])
            for copy in self._copies:
                self._publish(copy)
        except Exception as error:  # the records are written; only their seal has to wait
            self._since = time.monotonic()  # not again at once: a full disk stays full for a while
            self._say(f"{type(error).__name__}: {error}")
        else:
            self._since = None
            self._say("")

    def _seal_run(self, hashes: list[str]) -> None:
        line = self._signer.seal(self._last + 1, hashes, self._prev, rfc3339(self._clock()), self._node)
        _append(self._path, line + b"\n")
        self._last, self._prev = self._last + len(hashes), line_digest(line)
        del self._pending[: len(hashes)]

    def _read_last(self) -> str:
        """Finds the last seal, cuts off a torn one, and gives the hash of the last record sealed."""
        last = b""
        size = 0
        with suppress(FileNotFoundError), self._path.open("rb") as stream:
            for line in stream:
                if not line.endswith(b"\n"):
                    os.truncate(self._path, size)  # a crash while it was written: what it said is said anew
                    break
                last, size = line[:-1], size + len(line)
        if not last:
            return ""
        try:
            seal = orjson.loads(last)
            number = seal["last"]
            self._last, self._prev = int(number), line_digest(last)
            return str(_last_hash(seal["hashes"]))
        except (orjson.JSONDecodeError, KeyError, TypeError, ValueError):
            raise self._refused("its last seal cannot be read") from None

    def _show_key(self) -> None:
        """Lays the public key beside the record, after those of earlier times."""
        path, pem = self._directory / PUBLIC_KEY_NAME, public_pem(self._signer.public)
        if not path.exists() or pem not in path.read_bytes():
            _append(path, pem)

    # --- copies ---

    def _check_copy(self, copy: Path) -> None:
        try:
            with copy.open("rb") as theirs:
                theirs.seek(0, os.SEEK_END)
                size = theirs.tell()
                theirs.seek(max(0, size - _COMPARED))
                there = theirs.read()
        except FileNotFoundError:
            return
        here = b""
        with suppress(FileNotFoundError), self._path.open("rb") as own:
            own.seek(max(0, size - _COMPARED))
            here = own.read(len(there))
        if here != there:
            raise self._refused(f"the copy `{copy}` holds seals that are not of this record")

    def _publish(self, copy: Path) -> None:
        """Appends what a copy does not have yet."""
        try:
            size = copy.stat().st_size
        except FileNotFoundError:
            size = 0
        with self._path.open("rb") as own:
            own.seek(size)
            _append(copy, own.read())

    # --- small things ---

    def _say(self, failure: str) -> None:
        if failure and failure != self._failure:
            _log.error("record not sealed", reason=failure, records=len(self._pending))
        self._failure = failure

    def _refused(self, problem: str) -> RecordingUnavailable:
        directory = self._directory
        return RecordingUnavailable(
            f"the record in `{directory}` is not as it was left: {problem}; see `doorward verify {directory}`,"
            " and move the directory aside to begin a new record"
        )


def _records_from(directory: Path, seq: int) -> Iterator[Record]:
    """The records from a number on, as far as they can be read."""
    files = segments(directory)
    begun = [at for at, file in enumerate(files) if int(file.stem.partition("-")[2]) <= seq]
    for file in files[begun[-1] if begun else 0 :]:
        for line in lines(file):
            if isinstance(line.record, Record) and line.record.seq >= seq:
                yield line.record


def _last_hash(hashes: str) -> str:
    return base64.b64decode(hashes, validate=True)[-32:].hex()


def _append(path: Path, data: bytes) -> None:
    """Adds to a file, whole and durable, or not at all. Raises `OSError`."""
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        size = os.fstat(descriptor).st_size
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(descriptor, view) :]
            os.fsync(descriptor)
        except OSError:
            with suppress(OSError):
                os.ftruncate(descriptor, size)
            raise
    finally:
        os.close(descriptor)
