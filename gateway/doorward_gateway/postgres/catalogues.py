"""The catalogue of a resource: read from its server, made known to the engine, and read again when it may
have changed.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Final

import structlog

from doorward_gateway.client import AsyncClient, EngineUnavailable
from doorward_gateway.config import PostgresUpstream
from doorward_gateway.errors import GatewayError
from doorward_gateway.postgres.catalogue import (
    CATALOGUE_BEGIN,
    CATALOGUE_END,
    CATALOGUE_QUERIES,
    catalogue_document,
)
from doorward_gateway.postgres.operation import Refused
from doorward_gateway.postgres.protocol import SqlState
from doorward_gateway.postgres.upstream import UpstreamConnection, UpstreamRefused, connect

__all__ = ["ResourceCatalogue", "describe_rows"]

_MAX_AGE: Final = 30.0
_MIN_AGE: Final = 0.2

_log = structlog.get_logger(__name__)


class ResourceCatalogue:
    """The catalogue of one resource, shared by its sessions. Reads run once, however many wait for them."""

    def __init__(self, name: str, upstream: PostgresUpstream, engine: AsyncClient) -> None:
        self._name = name
        self._upstream = upstream
        self._engine = engine
        self._hash = ""
        self._read_at = float("-inf")
        self._stale = True
        self._reading: asyncio.Task[str] | None = None

    @property
    def needs_reading(self) -> bool:
        """Whether it may no longer be as it was read."""
        return self._stale or time.monotonic() - self._read_at > _MAX_AGE

    @property
    def hash(self) -> str:
        """The content hash under which the engine knows it; empty before it has been read."""
        return self._hash

    def invalidate(self) -> None:
        """Somebody has changed the schema: read it again before the next decision."""
        self._stale = True

    async def current(self) -> str:
        """Its hash, read again if it may have changed. Raises `Refused`."""
        return await self._read() if self.needs_reading else self._hash

    async def reread(self) -> str:
        """Its hash, read again, though not more than a few times a second. Raises `Refused`."""
        early = self._read_at + _MIN_AGE - time.monotonic()
        if early > 0:
            await asyncio.sleep(early)
        return await self._read()

    async def _read(self) -> str:
        if self._reading is None:
            self._reading = asyncio.create_task(self._read_once())
            self._reading.add_done_callback(self._finished)
        return await asyncio.shield(self._reading)

    def _finished(self, task: asyncio.Task[str]) -> None:
        self._reading = None
        if not task.cancelled():
            task.exception()  # whoever waited has seen it; nobody needs to

    async def _read_once(self) -> str:
        self._stale = False  # what changes from now on is for the next reading
        try:
            connection = await connect(self._upstream, self._upstream, {"application_name": "doorward"})
            try:
                rows = await _read_rows(connection)
            finally:
                connection.close()
            self._hash = await describe_rows(self._engine, rows)
        except BaseException as error:
            self._stale = True
            if isinstance(error, GatewayError):
                _log.warning("catalogue not read", resource=self._name, reason=error.message)
            if isinstance(error, UpstreamRefused):
                raise _unreadable() from error
            raise
        self._read_at = time.monotonic()
        return self._hash


async def describe_rows(engine: AsyncClient, rows: Sequence[Sequence[tuple[str | None, ...]]]) -> str:
    """Makes the answers to the catalogue queries, in their order, known to the engine. Raises `Refused`."""
    answers = {
        name: [row[0] or "" for row in answer] for name, answer in zip(CATALOGUE_QUERIES, rows, strict=True)
    }
    try:
        return await engine.describe("postgres", catalogue_document(answers).json)
    except EngineUnavailable as unavailable:
        raise Refused.because(
            SqlState.ENGINE_UNAVAILABLE,
            f"doorward: no decision, so the statement is refused: {unavailable.reason}",
            hint="nothing was executed; the session can go on once the engine answers",
        ) from unavailable
    except ValueError as error:
        raise _unreadable() from error


async def _read_rows(connection: UpstreamConnection) -> list[list[tuple[str | None, ...]]]:
    for statement in CATALOGUE_BEGIN:
        await connection.query(statement)
    rows = [await connection.query(text) for text in CATALOGUE_QUERIES.values()]
    await connection.query(CATALOGUE_END)
    return rows


def _unreadable() -> Refused:
    return Refused.because(
        SqlState.ENGINE_UNAVAILABLE,
        "doorward: the catalogue of the server cannot be read, so the statement is refused",
        hint="nothing was executed; try again later",
    )
