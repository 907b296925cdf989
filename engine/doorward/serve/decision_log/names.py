"""The names of the log's files, and whose they are.

Each worker process writes files of its own, so none waits for another and no two lines can mix: `decisions.jsonl`,
`decisions.1.jsonl`, … A worker takes the first number that no living process has, so that one that takes the place of another
goes on in its file. The lock is on a file beside, which is never renamed: `.decisions.1.jsonl.lock`.
"""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

__all__ = ["Taken", "take", "take_left"]

_MOST: Final = 1024


class Taken:
    """The files of one number, held until `close`."""

    def __init__(self, path: Path, number: int, lock: int) -> None:
        self.path = path.with_name(_numbered(path, number))
        """The file that is written."""
        self._lock = lock
        stem, suffix = self.path.name.removesuffix(path.suffix), path.suffix
        self._full = re.compile(rf"{re.escape(stem)}-\d{{8}}T\d{{6}}\.\d{{6}}Z{re.escape(suffix)}(\.gz)?")
        self._stem, self._suffix = stem, suffix

    def full(self) -> list[Path]:
        """The full files, the oldest first; a packed one has a name that ends in `.gz`."""
        folder = self.path.parent
        return sorted(entry for entry in folder.iterdir() if self._full.fullmatch(entry.name))

    def next_full(self, stamp: str) -> Path:
        """The name for a file that is full since then; `stamp` is like `20261120T221530.123456Z`."""
        return self.path.with_name(f"{self._stem}-{stamp}{self._suffix}")

    def stamp_of(self, full: Path) -> str:
        """The `stamp` in the name of a full file."""
        return full.name.removeprefix(f"{self._stem}-").partition(self._suffix)[0]

    def beside(self, name: str) -> Path:
        """A file of the log's own, which no reader takes for a part of it."""
        return self.path.with_name(f".{self.path.name}.{name}")

    def close(self) -> None:
        """Let others have them."""
        os.close(self._lock)


def take(path: Path) -> Taken:
    """The files of the first number that is free. Raises OSError."""
    for number in range(_MOST):
        lock = _lock(path, number)
        if lock is not None:
            return Taken(path, number, lock)
    raise OSError(f"more than {_MOST} processes write `{path}`")


def take_left(path: Path, workers: int) -> Iterator[Taken]:
    """The files that earlier workers left and that no worker will take: there were more of them. Raises OSError."""
    name = re.compile(rf"{re.escape(path.name.removesuffix(path.suffix))}\.(\d{{1,4}})[-.].*")
    numbers = {int(match[1]) for entry in path.parent.iterdir() if (match := name.fullmatch(entry.name))}
    for number in sorted(numbers):
        if workers <= number < _MOST:
            lock = _lock(path, number)
            if lock is not None:
                yield Taken(path, number, lock)


def _numbered(path: Path, number: int) -> str:
    return path.name if number == 0 else f"{path.name.removesuffix(path.suffix)}.{number}{path.suffix}"


def _lock(path: Path, number: int) -> int | None:
    name = path.with_name(f".{_numbered(path, number)}.lock")
    descriptor = os.open(name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    except OSError:
        os.close(descriptor)
        raise
    return descriptor
