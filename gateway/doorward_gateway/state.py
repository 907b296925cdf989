"""The state store: one SQLite file, shared by the processes of one machine.

All calls run on one thread per `Database`, off the event loop; writers take SQLite's single write lock at the
start of their transaction, so that what they read is what they change, whatever other threads and processes
do.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from doorward_gateway.errors import StateUnavailable

__all__ = ["Database"]

_T = TypeVar("_T")

BUSY_TIMEOUT_S = 5.0


class Database:
    """An open SQLite file in WAL mode. `path` is made if absent, readable by its owner only."""

    def __init__(self, connection: sqlite3.Connection, executor: ThreadPoolExecutor) -> None:
        self._connection = connection
        self._executor = executor
        self._closed = False

    @classmethod
    async def open(cls, path: Path, schema: str) -> Database:
        """Opens (or makes) the file and brings in `schema`, a script of `CREATE … IF NOT EXISTS`."""
        executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="state")
        loop = asyncio.get_running_loop()
        try:
            connection = await loop.run_in_executor(executor, _connect, path, schema)
        except (sqlite3.Error, OSError) as error:
            executor.shutdown(wait=False)
            raise StateUnavailable(f"cannot open the state store `{path}`: {error}") from error
        return cls(connection, executor)

    async def read(self, work: Callable[[sqlite3.Connection], _T]) -> _T:
        """Runs `work` in one read transaction. Raises `StateUnavailable`."""
        return await self._run("BEGIN", work)

    async def write(self, work: Callable[[sqlite3.Connection], _T]) -> _T:
        """Runs `work` in one write transaction, durable when this returns; an error undoes it whole.

        Raises `StateUnavailable`, and whatever `work` raises.
        """
        return await self._run("BEGIN IMMEDIATE", work)

    async def data_version(self) -> int:
        """A number that changes when another connection has written."""
        return await self._call(
            lambda connection: int(connection.execute("PRAGMA data_version").fetchone()[0])
        )

    async def close(self) -> None:
        """Closes the file. Calls that are under way finish first; closing twice is fine."""
        if not self._closed:
            self._closed = True
            await self._call(lambda connection: connection.close())
            self._executor.shutdown(wait=False)

    async def _run(self, begin: str, work: Callable[[sqlite3.Connection], _T]) -> _T:
        def transaction(connection: sqlite3.Connection) -> _T:
            with _transaction(connection, begin):
                return work(connection)

        return await self._call(transaction)

    async def _call(self, work: Callable[[sqlite3.Connection], _T]) -> _T:
        try:
            future = asyncio.get_running_loop().run_in_executor(self._executor, work, self._connection)
        except RuntimeError as error:
            raise StateUnavailable("the state store is closed") from error
        try:
            # INVARIANT: a transaction that has begun runs to its end, also when its caller is cancelled
            # meanwhile.
            return await asyncio.shield(future)
        except sqlite3.Error as error:
            raise StateUnavailable(f"the state store failed: {error}") from error


@contextmanager
def _transaction(connection: sqlite3.Connection, begin: str) -> Iterator[None]:
    connection.execute(begin)
    try:
        yield
    except BaseException:
        connection.rollback()
        raise
    connection.commit()


def _connect(path: Path, schema: str) -> sqlite3.Connection:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.touch(mode=0o600, exist_ok=True)
    connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)
    connection.row_factory = sqlite3.Row
    connection.execute("PRAGMA journal_mode = WAL")
    # A credential that was used must stay used after a power cut; NORMAL would not promise that under WAL.
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.executescript(schema)
    return connection
