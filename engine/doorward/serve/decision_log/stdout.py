"""The log on standard output, as containers have it."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

from doorward.facts.postgres import Catalogue
from doorward.serve.decision_log.lines import catalogue_line

__all__ = ["Stdout"]

_STDOUT: Final = 1


class Stdout:
    """Writes whole lines. Several workers share one pipe: each holds it for a write, so that lines do not mix."""

    rotations = 0

    def __init__(self) -> None:
        self._catalogues: set[str] = set()
        # opened anew, it has a lock of its own; a terminal or a socket cannot be, and has one writer or keeps its order
        try:
            self._lock: int | None = os.open(
                f"/proc/self/fd/{_STDOUT}", os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC
            )
        except OSError:
            self._lock = None

    def append(self, lines: bytes, catalogues: Mapping[str, Catalogue]) -> None:
        """Write whole lines; raises OSError."""
        missing = [name for name in catalogues if name not in self._catalogues]
        view = memoryview(b"".join((*(catalogue_line(catalogues[name]) for name in missing), lines)))
        if self._lock is not None:
            fcntl.flock(self._lock, fcntl.LOCK_EX)
        try:
            while view:
                view = view[os.write(_STDOUT, view) :]
        finally:
            if self._lock is not None:
                fcntl.flock(self._lock, fcntl.LOCK_UN)
        self._catalogues.update(missing)

    def sync(self) -> None:
        """Nothing is held back."""

    def look(self) -> None:
        """It is never full."""

    def close(self) -> None:
        """Standard output itself stays open."""
        if self._lock is not None:
            with suppress(OSError):
                os.close(self._lock)
