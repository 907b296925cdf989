"""Checking a record offline: is it whole, and if not, which record is the first that is not as it was written."""

from __future__ import annotations

import fcntl
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from doorward_gateway.recording.chain import (
    FORMAT,
    GENESIS_PREV,
    HEAD_NAME,
    MalformedRecord,
    Record,
    head_bytes,
    read_head,
    segment_name,
)
from doorward_gateway.recording.reader import Line, lines, segments
from doorward_gateway.recording.sealing import PUBLIC_KEY_NAME, SEALS_NAME, public_keys
from doorward_gateway.recording.vouching import BadSeal, Voucher

__all__ = ["Damage", "Problem", "Report", "verify_record"]

Damage = Literal["changed", "dropped", "reordered", "truncated", "replaced", "head", "seal"]
"""What happened to a record. `head`: the log is whole, and `HEAD` is missing or not as it was written; `seal`: the
seals are not as they were written, and from that record on nothing vouches for the log.
"""


@dataclass(frozen=True, slots=True)
class Problem:
    """The first bad record: its number, where it stands or should stand, and what is wrong."""

    damage: Damage
    seq: int
    file: str
    line: int
    message: str


@dataclass(frozen=True, slots=True)
class Report:
    """What was checked, up to the first problem."""

    directory: Path
    records: int
    segments: int
    first: str
    last: str
    head: str
    sealed: int
    """The last record that every file of seals vouches for; 0: none."""
    trusted: bool
    """Whether the keys came from elsewhere than the record's own directory."""
    problem: Problem | None

    @property
    def _seals(self) -> str:
        if not self.sealed:
            return "not sealed"
        by = "" if self.trusted else " by the key that lies beside it"
        rest = self.records - self.sealed
        return f"sealed{by}" if rest <= 0 else f"sealed{by} up to record {self.sealed}, {rest} not yet"

    def document(self) -> dict[str, Any]:
        """The report for programs."""
        problem = self.problem
        return {
            "ok": problem is None,
            "records": self.records,
            "segments": self.segments,
            "first": self.first,
            "last": self.last,
            "head": self.head,
            "sealed": self.sealed,
            "trusted": self.trusted,
            "problem": None
            if problem is None
            else {
                "damage": problem.damage,
                "seq": problem.seq,
                "file": problem.file,
                "line": problem.line,
                "message": problem.message,
            },
        }

    def sentence(self) -> str:
        """The report for people."""
        if self.problem is None:
            files = "1 segment" if self.segments == 1 else f"{self.segments} segments"
            return (
                f"verified: {self.records} records in {files}, {self.first[:19]}Z to {self.last[:19]}Z,"
                f" head {self.head[:16]}…, {self._seals}"
            )
        problem = self.problem
        return (
            f"NOT VERIFIED: record {problem.seq} ({problem.file}, line {problem.line}) {problem.message};"
            f" {self.records} records before it are as they were written"
        )


def verify_record(directory: Path, *, keys: Iterable[Path] = (), copies: Iterable[Path] = ()) -> Report:
    """Reads a whole record in bounded memory, and stops at the first problem. Raises `OSError`.

    `keys` are the public keys (PEM) that may have sealed it: then all of it must be sealed, but for the last records.
    Without any, the key beside the record is believed. `copies` of the seals, from elsewhere, are held against the
    record like its own. Raises `ValueError` for a key that is none.

    The record may be one that is being written: what comes after `HEAD` was read is not required to be there.
    """
    head_content = _read_head_file(directory)
    files = segments(directory)
    keys = tuple(keys)
    vouchers = _vouchers(directory, keys, tuple(copies))
    check = _Check(directory, files, head_content, vouchers)
    try:
        problem = check.run()
        if problem is None and not vouchers and (keys or (directory / PUBLIC_KEY_NAME).exists()):
            problem = Problem("seal", 1, SEALS_NAME, 1, "is vouched for by nothing: there are no seals")
    finally:
        for voucher in vouchers:
            voucher.close()
    good = check.good
    last = 0 if good is None else good.seq
    return Report(
        directory=directory,
        records=last if problem is None or problem.damage == "head" else problem.seq - 1,
        segments=len(files),
        first=check.first_time,
        last="" if good is None else good.time,
        head="" if good is None else good.hash,
        sealed=min((voucher.sealed for voucher in vouchers), default=0),
        trusted=bool(keys),
        problem=problem,
    )


def _vouchers(directory: Path, keys: tuple[Path, ...], copies: tuple[Path, ...]) -> list[Voucher]:
    own = directory / SEALS_NAME
    wanted = [*([own] if own.exists() else []), *copies]
    if not wanted:
        return []
    known = public_keys(keys or (directory / PUBLIC_KEY_NAME,))
    return [Voucher(path, known) for path in wanted]


def _has_writer(directory: Path) -> bool:
    try:
        with (directory / "LOCK").open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False


def _read_head_file(directory: Path) -> bytes | None:
    """`HEAD` as it is; looked at again where it was caught while being written."""
    content: bytes | None = None
    for _ in range(3):
        try:
            content = (directory / HEAD_NAME).read_bytes()
        except FileNotFoundError:
            return None
        if read_head(content) is not None:
            break
    return content


class _Check:
    """One pass over the log; `good` is the last record up to which everything fits."""

    def __init__(
        self,
        directory: Path,
        files: list[Path],
        head_content: bytes | None,
        vouchers: Sequence[Voucher],
    ) -> None:
        self.good: Record | None = None
        self.first_time = ""
        self._directory = directory
        self._files = files
        self._head_content = head_content
        self._head = None if head_content is None else read_head(head_content)
        self._last_line: Line | None = None
        self._vouchers = vouchers

    def run(self) -> Problem | None:
        stream = self._lines()
        for line in stream:
            problem = self._check(line, stream)
            if problem is not None and self._is_being_written(line):
                break
            if problem is not None:
                return problem
            self._last_line = line
            assert isinstance(line.record, Record)  # noqa: S101 - `_check` has seen to it
            self.good = line.record
        return self._check_end()

    def _is_being_written(self, line: Line) -> bool:
        """Whether a line without an end is one that a live writer has begun; `HEAD` tells if it was promised."""
        cut_short = isinstance(line.record, MalformedRecord) and line.record.cut_short
        return cut_short and line.file == self._files[-1] and _has_writer(self._directory)

    def _lines(self) -> Iterator[Line]:
        for file in self._files:
            yield from lines(file)

    def _check(self, line: Line, rest: Iterator[Line]) -> Problem | None:
        expected = 1 if self.good is None else self.good.seq + 1
        prev = GENESIS_PREV if self.good is None else self.good.hash
        record = line.record
        if isinstance(record, MalformedRecord):
            damage: Damage = "truncated" if record.cut_short else "changed"
            return self._at(line, damage, expected, str(record))
        if record.seq != expected:
            return self._out_of_order(line, record, expected, rest)
        unsealed = self._check_seals(line, record)
        if unsealed is not None:
            return unsealed
        if record.prev != prev:
            return self._broken_link(line, record, rest)
        if self._head is not None and self._head[0] == record.seq and self._head[1] != record.hash:
            return self._at(line, "replaced", expected, f"is not the one that `{HEAD_NAME}` names")
        return self._check_start(line, record) or self._check_set_aside(line, record)

    def _check_seals(self, line: Line, record: Record) -> Problem | None:
        for voucher in self._vouchers:
            try:
                sealed = voucher.hash_of(record.seq)
            except BadSeal as bad:
                return _unvouched(bad)
            if sealed is not None and sealed != record.hash:
                return self._at(line, "replaced", record.seq, "is not the one that was sealed")
        return None

    def _check_end(self) -> Problem | None:
        last = 0 if self.good is None else self.good.seq
        file, number = self._after_last()
        for voucher in self._vouchers:
            try:
                if voucher.hash_of(last + 1) is not None:
                    message = f"is missing: the log ends before it, and `{voucher.name}` speaks of it"
                    return Problem("truncated", last + 1, file, number, message)
            except BadSeal as bad:
                return _unvouched(bad)
        return self._check_head()

    def _after_last(self) -> tuple[str, int]:
        """Where the next record would stand."""
        line = self._last_line
        return (HEAD_NAME, 1) if line is None else (line.file.name, line.number + 1)

    def _check_start(self, line: Line, record: Record) -> Problem | None:
        if self.good is None:
            self.first_time = record.time
            if record.kind != "genesis":
                return self._at(line, "changed", 1, "is not the beginning of a record")
        if record.kind in ("genesis", "segment") and record.body.get("format") != FORMAT:
            return self._at(line, "changed", record.seq, "is of a format that is not known here")
        if line.number == 1 and line.file.name != segment_name(record.seq):
            return self._at(line, "changed", record.seq, "stands in a file that was renamed")
        return None

    def _check_set_aside(self, line: Line, record: Record) -> Problem | None:
        """What a crash left, and was set aside, must still be there as it was."""
        name = record.body.get("file")
        if record.kind != "recovered" or not isinstance(name, str):
            return None
        file = self._directory / Path(name).name
        try:
            digest = hashlib.sha256(file.read_bytes()).hexdigest()
        except FileNotFoundError:
            digest = ""
        if digest == record.body.get("sha256"):
            return None
        return self._at(line, "changed", record.seq, f"names `{file.name}`, which is not as it was set aside")

    def _out_of_order(self, line: Line, record: Record, expected: int, rest: Iterator[Line]) -> Problem:
        if record.seq < expected:
            message = f"is not here: record {record.seq} stands here once more"
            return self._at(line, "reordered", expected, message)
        for later in rest:
            if isinstance(later.record, Record) and later.record.seq == expected:
                place = f"line {later.number} of {later.file.name}"
                return self._at(line, "reordered", expected, f"is not here but in {place}")
        missing = record.seq - expected
        what = "is missing" if missing == 1 else f"and the {missing - 1} after it are missing"
        return self._at(line, "dropped", expected, what)

    def _broken_link(self, line: Line, record: Record, rest: Iterator[Line]) -> Problem:
        """Either this record is not the one that was written, or the one before is: the one behind knows."""
        follower = next(rest, None)
        known: str | None = None
        if follower is not None and isinstance(follower.record, Record):
            known = follower.record.prev
        elif follower is None and self._head is not None and self._head[0] == record.seq:
            known = self._head[1]
        if known == record.hash and self.good is not None and self._last_line is not None:
            bad = self.good
            return Problem(
                "replaced",
                bad.seq,
                self._last_line.file.name,
                self._last_line.number,
                "is not the one that the record after it names",
            )
        return self._at(line, "replaced", record.seq, "does not name the record before it")

    def _check_head(self) -> Problem | None:
        last = 0 if self.good is None else self.good.seq
        file, number = self._after_last()
        if self._head is not None and self._head[0] > last:
            message = f"is missing: the log ends before it, and `{HEAD_NAME}` names record {self._head[0]}"
            return Problem("truncated", last + 1, file, number, message)
        if self._head_content is None:
            what = (
                f"cannot be told to be the last: `{HEAD_NAME}` is missing"
                if last
                else "is missing: nothing is here"
            )
            return Problem("head", max(last, 1), HEAD_NAME, 1, what)
        if self._head is None or self._head_content != head_bytes(*self._head):
            return Problem(
                "head", last, HEAD_NAME, 1, f"cannot be told to be the last: `{HEAD_NAME}` was changed"
            )
        return None

    def _at(self, line: Line, damage: Damage, seq: int, message: str) -> Problem:
        return Problem(damage, seq, line.file.name, line.number, message)


def _unvouched(bad: BadSeal) -> Problem:
    return Problem("seal", bad.seq, bad.file, bad.line, f"is vouched for by nothing: the seal {bad}")
