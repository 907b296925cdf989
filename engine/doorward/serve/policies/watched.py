"""Policies on this machine: a directory, a file or a bundle, watched."""

from __future__ import annotations

import asyncio
import hashlib
import os
import time
from collections.abc import AsyncGenerator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import structlog
from watchfiles import awatch

from doorward.bundle import BundleError, TreeCache, fingerprint, git_commit, is_bundle
from doorward.serve.policies.source import Arrived, Bundled, SourceError, Tree

__all__ = ["Watched"]

_log: Final = structlog.get_logger("doorward.serve")

_LOOK_EVERY_MS: Final = 2000
"""A look even when nobody reported a change: for file systems that do not, and for what was missed."""

_SETTLED_NS: Final = 2_000_000_000
"""What was written this shortly before it was read may be written again without a trace in its times."""

_ATTEMPTS: Final = 5


class Watched:
    """A source that is looked at when its file system reports a change, and every two seconds."""

    def __init__(self, path: Path, *, max_bytes: int = 1 << 30) -> None:
        """`max_bytes` bounds a bundle."""
        self.name = str(path)
        self._path = path
        self._max_bytes = max_bytes
        self._cache = TreeCache()
        self._given: object = None
        self._settled: object = None
        """What a bundle looked like when it was read; None where it may have changed since without looking otherwise."""
        self._said = ""
        self._changes: AsyncGenerator[Any, None] | None = None

    async def fetch(self) -> Arrived | None:
        """See `PolicySource`."""
        try:
            return await asyncio.to_thread(self._look)
        except OSError as error:
            self._given = self._settled = None
            place = f"`{error.filename or self.name}`"
            said = (error.strerror or str(error)).lower()
            raise SourceError(f"the policies cannot be read: {place}: {said}") from None

    def _look(self) -> Arrived | None:
        return self._bundle() if is_bundle(self._path) and not self._path.is_dir() else self._tree()

    def _bundle(self) -> Bundled | None:
        seen = fingerprint(self._path)
        if seen == self._settled:
            return None
        read_at = time.time_ns()
        with self._path.open("rb") as file:
            status = os.fstat(file.fileno())
            content = file.read(self._max_bytes) if status.st_size <= self._max_bytes else b""
            whole = not file.read(1)
        if not whole:
            raise BundleError(f"`{self._path}` is larger than {self._max_bytes} bytes")
        self._settled = seen if status.st_mtime_ns < read_at - _SETTLED_NS else None
        digest = hashlib.sha256(content).digest()
        if digest == self._given:
            return None
        self._given = digest
        return Bundled(content)

    def _tree(self) -> Tree | None:
        for _ in range(_ATTEMPTS):
            files = self._cache.read(self._path)
            if files == self._given:
                return None
            # a file written while the others were read makes a set that nobody ever meant
            if fingerprint(self._path) == self._cache.seen:
                break
        self._given = files
        return Tree(files, git_commit(self._path), self._cache.sources)

    async def wait(self) -> None:
        """See `PolicySource`."""
        try:
            if self._changes is None:
                # what replaces a file is another file: only its folder tells of that
                is_folder = await asyncio.to_thread(self._path.is_dir)
                self._changes = awatch(
                    self._path if is_folder else self._path.parent,
                    recursive=is_folder,
                    debounce=200,
                    step=20,
                    rust_timeout=_LOOK_EVERY_MS,
                    yield_on_timeout=True,
                    ignore_permission_denied=True,
                )
            await anext(self._changes)
            self._said = ""
        except Exception as error:  # it may be gone for a while
            self._changes = None
            if str(error) != self._said:
                self._said = str(error)
                _log.error("the policies cannot be watched", path=self.name, error=self._said)
            await asyncio.sleep(_LOOK_EVERY_MS / 1000)

    async def close(self) -> None:
        """See `PolicySource`."""
        if self._changes is not None:
            with suppress(Exception):
                await self._changes.aclose()
