"""Writing the record: one append-only, hash-chained log per node."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from doorward_gateway.clock import Clock, system_clock
from doorward_gateway.errors import RecordingUnavailable
from doorward_gateway.recording.chain import MAX_LINE, encode_body
from doorward_gateway.recording.log import Entry, Log
from doorward_gateway.recording.sealing import Signer
from doorward_gateway.recording.seals import Seals

__all__ = ["Recorder"]

_MAX_BODY = MAX_LINE - 4096
_MAX_WAITING_BYTES = 64 << 20
_MAX_BATCH = 1024

_Waiting = tuple[Entry, "asyncio.Future[int]"]


class Recorder:
    """The writer of one directory. `append` returns when the record is durable; many share one `fsync`.

    Belongs to the event loop it was opened on; the disk is written on a thread of its own.
    """

    def __init__(self, log: Log, clock: Clock, timeout: float) -> None:
        self._log = log
        self._clock = clock
        self._timeout = timeout
        self._loop = asyncio.get_running_loop()
        self._condition = threading.Condition()
        self._waiting: list[_Waiting] = []
        self._waiting_bytes = 0
        self._closing = False
        self._failure: str | None = None
        self._thread = threading.Thread(target=self._write_batches, name="recorder", daemon=True)
        self._thread.start()

    @classmethod
    async def open(
        cls,
        directory: Path,
        *,
        node: str,
        durable: bool = True,
        segment_bytes: int = 64 << 20,
        timeout: float = 10.0,  # noqa: ASYNC109 - of every append, part of the contract
        clock: Clock = system_clock,
        signer: Signer | None = None,
        seal_every: float = 1.0,
        copies: Sequence[Path] = (),
    ) -> Recorder:
        """Takes the directory (made if absent) for this process alone; goes on where the last writer stopped.

        With a `signer` every record is sealed within `seal_every` seconds; `copies` are files that get every seal
        too, see `seals`. What a crash left half-written is set aside and noted in the chain. Raises `RecordingUnavailable`:
        another process writes here, the disk fails, or what is there is not as it was left.
        """
        seals = (
            None
            if signer is None
            else Seals(directory, signer, node=node, clock=clock, every=seal_every, copies=copies)
        )
        log = await asyncio.to_thread(
            Log, directory, node, durable=durable, segment_bytes=segment_bytes, clock=clock, seals=seals
        )
        return cls(log, clock, timeout)

    async def append(self, kind: str, session_id: str, body: Mapping[str, Any]) -> int:
        """Writes one record; returns its number once it is durable (not `durable`: once the system has it).

        Kinds and bodies: see `bodies`. `session_id` is empty for what belongs to no session. Raises
        `RecordingUnavailable`: then what the record describes must not happen. Later appends are tried anew.
        """
        try:
            content = encode_body(body)
        except TypeError as error:
            raise RecordingUnavailable(f"the record cannot be written as JSON: {error}") from error
        if len(content) > _MAX_BODY:
            raise RecordingUnavailable(f"the record of {len(content)} bytes is over the limit of {_MAX_BODY}")
        entry = Entry(self._clock(), kind, session_id, content)
        written: asyncio.Future[int] = self._loop.create_future()
        with self._condition:
            if self._closing:
                raise RecordingUnavailable("the record is closed")
            if self._waiting_bytes + len(content) > _MAX_WAITING_BYTES:
                raise RecordingUnavailable("the disk does not keep up with the record")
            if not self._waiting:
                self._condition.notify()  # a thread that has not taken the others yet takes this one too
            self._waiting.append((entry, written))
            self._waiting_bytes += len(content)
        # a timer of its own costs a fifth of what `asyncio.timeout` does
        deadline = self._loop.call_later(self._timeout, self._give_up, written)
        try:
            return await written
        finally:
            deadline.cancel()

    def _give_up(self, written: asyncio.Future[int]) -> None:
        if not written.done():
            written.set_exception(
                RecordingUnavailable(f"the record was not written within {self._timeout:g} s")
            )

    @property
    def failure(self) -> str | None:
        """Why the last batch could not be written; `None` when all is well."""
        return self._failure

    async def close(self) -> None:
        """Writes what is waiting and gives the directory up."""
        with self._condition:
            if self._closing:
                return
            self._closing = True
            self._condition.notify()
        await asyncio.to_thread(self._thread.join)
        await asyncio.to_thread(self._log.close)

    def _write_batches(self) -> None:
        due: float | None = None
        while True:
            batch = self._next_batch(due)
            if not batch and self._closing:
                return
            if batch:
                self._write(batch)
            due = self._log.seal()

    def _write(self, batch: list[_Waiting]) -> None:
        try:
            numbers = self._log.write([entry for entry, _ in batch])
        except Exception as error:  # whoever waits must hear of it, and the thread must live on
            failure = error if isinstance(error, RecordingUnavailable) else _unexpected(error)
            self._loop.call_soon_threadsafe(self._refuse, batch, failure)
        else:
            self._loop.call_soon_threadsafe(self._acknowledge, batch, numbers)

    def _next_batch(self, due: float | None) -> list[_Waiting]:
        """What waits to be written; nothing when seals are `due`, after so many seconds, or at the end."""
        with self._condition:
            self._condition.wait_for(lambda: self._waiting or self._closing, due)
            batch, self._waiting = self._waiting[:_MAX_BATCH], self._waiting[_MAX_BATCH:]
            self._waiting_bytes -= sum(len(entry.body) for entry, _ in batch)
            return batch

    def _acknowledge(self, batch: list[_Waiting], numbers: list[int]) -> None:
        self._failure = None
        for (_, written), number in zip(batch, numbers, strict=True):
            if not written.done():
                written.set_result(number)

    def _refuse(self, batch: list[_Waiting], failure: RecordingUnavailable) -> None:
        self._failure = failure.message
        for _, written in batch:
            if not written.done():
                written.set_exception(RecordingUnavailable(failure.message))


def _unexpected(error: Exception) -> RecordingUnavailable:
    return RecordingUnavailable(f"the record could not be written: {error}")
