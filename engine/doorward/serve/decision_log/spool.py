"""The files of the log as what a sink is fed from: whole lines from where it stopped, across rotation and restarts."""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

import orjson

from doorward.serve.decision_log.file import read_name
from doorward.serve.decision_log.names import Taken

__all__ = ["Cursor", "Spool", "read_cursor"]

_MOST_LINES: Final = 512
_MOST_BYTES: Final = 2 << 20
_SIZE: Final = 128
_PACKED: Final = ".gz"


@dataclass(frozen=True, slots=True)
class Cursor:
    """Up to where a sink has taken the log: all files before this one, and so many bytes of it (unpacked)."""

    file: str
    """Its name, as the first line has it; empty at the beginning."""
    offset: int


class Spool:
    """Reads on behalf of one sink. For one thread.

    `written` gives the file in use and up to where whole lines stand in it; None where nobody writes these files.
    """

    def __init__(self, taken: Taken, sink: str, written: Callable[[], tuple[str, int] | None]) -> None:
        """Raises OSError."""
        self._taken = taken
        self._written = written
        self._mark = taken.beside(f"{sink}.cursor")
        self._file: IO[bytes] | None = None
        self.missed = 0
        """Times that files were gone before they had been read."""
        self.cursor = read_cursor(self._mark) or Cursor("", 0)
        now = written()
        if now is not None and now[0] == self.cursor.file and now[1] < self.cursor.offset:
            # a crash of the machine took away what was sent already, where nobody had asked for it to be on the disk
            self.cursor = Cursor(now[0], now[1])

    @property
    def behind(self) -> int | None:
        """Bytes of the file in use that were not yet taken, all of it while earlier ones are; None where none is in use."""
        now = self._written()
        if now is None:
            return None
        return now[1] - (self.cursor.offset if self.cursor.file == now[0] else 0)

    def read(self) -> tuple[list[bytes], Cursor]:
        """The next lines, and what to keep once they are taken. No lines: everything is taken. Raises OSError."""
        while True:
            if self._file is None:
                opened = self._open(self.cursor)
                if opened is None:
                    return [], self.cursor
                self.cursor = opened
            # before it is read: what is written after that is for the next time
            end = self._end()
            lines, cursor = self._lines(end)
            if lines or end is not None:  # of a file in use more may come
                return lines, cursor
            self._close()
            following = self._after(cursor.file)
            if following is None:
                return [], cursor
            self.cursor = following

    def keep(self, cursor: Cursor) -> None:
        """Remember where the sink is. Raises OSError."""
        self.cursor = cursor
        text = orjson.dumps({"file": cursor.file, "offset": cursor.offset}).ljust(_SIZE - 1) + b"\n"
        # one small write over what was there: whole or not at all, so that nothing need be renamed for every batch
        descriptor = os.open(self._mark, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.pwrite(descriptor, text, 0)
        finally:
            os.close(descriptor)

    def holds(self, file: Path) -> bool:
        """Whether a full file is one of those that are read here."""
        return file in self._taken.full()

    def has_taken(self, file: Path) -> bool:
        """Whether nothing of a full file is left to be taken."""
        names = list(self._files())
        name = _name_of(file)
        if name not in names or self.cursor.file not in names:
            return False
        return names.index(name) < names.index(self.cursor.file)

    def close(self) -> None:
        """Let go of the file."""
        self._close()

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _files(self) -> dict[str, Path]:
        """All files by their names, the oldest first."""
        # The file in use first: if it is full by the time that the others are listed, it is among these, and known. Listed
        # twice, for one that is renamed meanwhile may be missed under both of its names, but not once it has the new one.
        in_use = _name_of(self._taken.path)
        listed = {
            file.with_suffix("") if file.suffix == _PACKED else file
            for _ in range(2)
            for file in self._taken.full()
        }
        found: dict[str, Path] = {}
        for file in sorted(listed):
            found.setdefault(_name_of(file), file)
        found.setdefault(in_use, self._taken.path)
        found.pop("", None)
        return found

    def _open_one(self, choose: Callable[[list[str]], str | None]) -> str | None:
        """Open the file that is chosen among all; its name."""
        while True:
            files = self._files()
            name = choose(list(files))
            if name is None:
                return None
            found = _opened(files[name])
            if found is not None:
                if found[0] == name:
                    self._file = found[1]
                    return name
                found[1].close()  # it was full, and renamed, meanwhile

    def _open(self, cursor: Cursor) -> Cursor | None:
        """Open the file that the cursor is in, or the oldest there is."""
        name = self._open_one(lambda names: cursor.file if cursor.file in names else next(iter(names), None))
        if name is None:
            return None
        if name == cursor.file:
            return cursor
        self.missed += bool(cursor.file)
        return Cursor(name, 0)

    def _after(self, last: str) -> Cursor | None:
        """Open the file that comes after one."""

        def following(names: list[str]) -> str | None:
            if last not in names:  # given up while it was read, and perhaps others with it
                self.missed += 1
                return next(iter(names), None)
            return next(iter(names[names.index(last) + 1 :]), None)

        name = self._open_one(following)
        return None if name is None else Cursor(name, 0)

    def _end(self) -> int | None:
        """Up to where the file may be read; None for all of it."""
        now = self._written()
        return now[1] if now is not None and now[0] == self.cursor.file else None

    def _lines(self, end: int | None) -> tuple[list[bytes], Cursor]:
        file, cursor = self._file, self.cursor
        if file is None:
            raise AssertionError("no file is open")
        file.seek(cursor.offset)
        lines: list[bytes] = []
        size, offset = 0, cursor.offset
        while len(lines) < _MOST_LINES and size < _MOST_BYTES and (end is None or offset < end):
            line = file.readline()
            if not line.endswith(b"\n"):
                break
            offset += len(line)
            size += len(line)
            lines.append(line)
        return lines, Cursor(cursor.file, offset)


def read_cursor(mark: Path) -> Cursor | None:
    """What a sink remembers; None where there is nothing, or nothing of sense."""
    with suppress(OSError, ValueError, TypeError, KeyError):
        stored = orjson.loads(mark.read_bytes())
        return Cursor(str(stored["file"]), int(stored["offset"]))
    return None


def _opened(path: Path) -> tuple[str, IO[bytes]] | None:
    """Name and content of a file that may have been packed since; None for what is gone or none of the log's."""
    plain = path.name.removesuffix(_PACKED)
    for candidate in (path.with_name(plain), path.with_name(plain + _PACKED)):
        try:
            file: IO[bytes] = (
                gzip.open(candidate, "rb")  # type: ignore[assignment]  # noqa: SIM115
                if candidate.suffix == _PACKED
                else candidate.open("rb")
            )
        except FileNotFoundError:
            continue
        name = read_name(candidate, file)
        if name:
            return name, file
        file.close()
    return None


def _name_of(path: Path) -> str:
    found = _opened(path)
    if found is None:
        return ""
    found[1].close()
    return found[0]
