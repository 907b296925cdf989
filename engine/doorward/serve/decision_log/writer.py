"""The decision log of one worker process: lines are made on the event loop, and written by a thread.

Making a line of a decision takes a third of the time that the decision took. A thread would not take that off the loop: both
share one interpreter, and what waits for a thread is no more short-lived garbage. What the thread does, waiting for a disk, needs
no interpreter. So a caller waits for its own line to be made, is held back by it, and never by the disk, unless the log
is required.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Final, Protocol, TypeAlias

import structlog

from doorward.engine import Engine
from doorward.facts.postgres import Catalogue
from doorward.serve.decision_log.counts import Counts
from doorward.serve.decision_log.lines import LineWriter, dropped_line
from doorward.serve.decision_log.rules import LogRules, MaskFailed, rules_of
from doorward.serve.decision_log.secrets import Secrets
from doorward.serve.decision_log.settings import DecisionLogSettings
from doorward.serve.point import Made

__all__ = ["Target", "Writer"]

_log: Final = structlog.get_logger("doorward.serve")

_GATHER: Final = 0.02
"""Seconds in which more decisions may come to be written with the first, where nobody waits for that."""
_IDLE: Final = 1.0
_AGAIN: Final = 0.5
"""Seconds after which a write that failed is tried again."""
_SLICE: Final = 0.005
"""Seconds of making lines after which other work of the loop gets its turn."""
_GROUP_BYTES: Final = 8 << 20
"""Of one write."""
_LAST: Final = 10.0
"""Seconds for what waits when the service stops."""


_Rules: TypeAlias = LogRules | MaskFailed | None


class Target(Protocol):
    """Where lines are written."""

    rotations: int

    def append(self, lines: bytes, catalogues: Mapping[str, Catalogue]) -> None:
        """Append whole lines, all or none, and catalogues that were not yet; raises OSError."""

    def sync(self) -> None:
        """Have the disk keep what was appended; raises OSError."""

    def look(self) -> None:
        """What is to be done from time to time; raises OSError."""

    def close(self) -> None:
        """Give it up."""


@dataclass(slots=True)
class _Batch:
    lines: bytes
    count: int
    """Of the lines."""
    catalogues: Mapping[str, Catalogue]
    """Those that the lines name, by content hash."""
    kept: asyncio.Future[str] | None
    """Where somebody waits for it: set to why it is not kept, or to an empty text."""


class Writer:
    """Takes batches of decisions on one event loop, and has them written to a target."""

    def __init__(
        self,
        settings: DecisionLogSettings,
        target: Target,
        engine: Callable[[], Engine | None],
        *,
        counts: Counts,
        appended: Callable[[], None] = lambda: None,
    ) -> None:
        """`engine` gives the revision in force, whose mask and drop rules apply. `appended` is called by the thread after each
        write.
        """
        self.counts = counts
        self.problem = ""
        """Why the last write failed; empty when all is well."""
        self._settings = settings
        self._target = target
        self._engine = engine
        self._appended = appended
        self._loop = asyncio.get_running_loop()
        self._lines = LineWriter(Secrets(settings.secret_names) if settings.redact_secrets else None, counts)
        self._rules: tuple[Engine | None, _Rules] = (None, None)
        self._finding: tuple[Engine | None, asyncio.Future[_Rules]] | None = None
        self._queue: SimpleQueue[_Batch | None] = SimpleQueue()
        self._closed = threading.Event()
        # written by the loop alone, and by the thread alone: what waits is the difference
        self._put, self._put_bytes = 0, 0
        self._taken, self._taken_bytes = 0, 0
        self._lost_since = 0
        self._lost_why = ""
        self._told = 0
        self._abandoned = 0
        self._synced = time.monotonic()
        self._closing = False
        self._ended = False
        self._thread = threading.Thread(target=self._run, name="decision-log", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """How many decisions wait to be written."""
        return self._put - self._taken

    async def keep(self, batch: Sequence[Made]) -> str:
        """Take a batch. Gives why it is not kept, where the log is required: then each decision of it is a block."""
        if self._put_bytes - self._taken_bytes > self._settings.max_waiting_bytes:
            return self._lose(len(batch), f"the decision log `{self._settings.file.name}` does not keep up")
        taken = await self._encode(batch)
        if not taken.count:
            return ""
        if self._closing:
            return self._lose(taken.count, "the decision log is closed")
        self._put += taken.count
        self._put_bytes += len(taken.lines)
        if not self._settings.required:
            self._queue.put(taken)
            return ""
        kept = taken.kept = self._loop.create_future()
        self._queue.put(taken)
        late = self._loop.call_later(self._settings.timeout_seconds, self._give_up, kept)
        try:
            why = await kept
        finally:
            late.cancel()
        return self._lose(taken.count, why) if why else ""

    async def _encode(self, batch: Sequence[Made]) -> _Batch:
        engine = self._engine()
        rules = self._rules[1] if engine is self._rules[0] else await self._find_rules(engine)
        lines: list[bytes] = []
        catalogues: dict[str, Catalogue] = {}
        until = time.perf_counter() + _SLICE
        for made in batch:
            line = self._lines.line(made, rules)
            if line:
                lines.append(line)
                catalogue = made.catalogue
                if catalogue is not None and catalogue.hash:
                    catalogues[catalogue.hash] = catalogue
            if time.perf_counter() > until:
                await asyncio.sleep(0)
                until = time.perf_counter() + _SLICE
        return _Batch(b"".join(lines), len(lines), catalogues, None)

    async def _find_rules(self, engine: Engine | None) -> _Rules:
        """The rules of a revision that has come into force; compiled aside, while decisions go on."""
        finding = self._finding
        if finding is None or finding[0] is not engine:
            work = self._loop.run_in_executor(None, _rules_in, engine)
            finding = self._finding = (engine, work)
        rules = await asyncio.shield(finding[1])
        self._rules = (engine, rules)
        return rules

    def _give_up(self, kept: asyncio.Future[str]) -> None:
        if not kept.done():
            seconds = self._settings.timeout_seconds
            kept.set_result(
                f"the decision log `{self._settings.file.name}` was not written within {seconds:g} s"
            )

    def _lose(self, count: int, why: str) -> str:
        """Take note that decisions are not in the log; gives `why` where they are blocks for that."""
        counts = self.counts
        if counts.dropped + counts.blocked == self._told:
            self._lost_since = time.time_ns()
        self._lost_why = why
        if self._settings.required:
            counts.blocked += count
            return why
        counts.dropped += count
        return ""

    def look(self) -> None:
        """Have the thread look after the target now."""
        self._queue.put(_Batch(b"", 0, {}, None))

    async def close(self) -> None:
        """Write what waits, as far as that can be done, and give the target up."""
        if self._closing:
            return
        self._closing = True
        self._queue.put(None)
        self._closed.set()
        await asyncio.to_thread(self._thread.join, _LAST)
        if self._abandoned or self._thread.is_alive():
            lost = self._abandoned + self.waiting
            _log.error("decisions were not logged", count=lost, error=self.problem)

    # --- the thread ---

    def _run(self) -> None:
        try:
            while not self._ended:
                batches = self._gather()
                try:
                    self._write(batches)
                except (
                    Exception
                ):  # a fault of ours: whoever waits must hear of it, and the thread must live on
                    _log.exception("the decision log failed")
                    self._answer(batches, "the decision log failed")
                    self._abandoned += sum(batch.count for batch in batches)
                self._taken += sum(batch.count for batch in batches)
                self._taken_bytes += sum(len(batch.lines) for batch in batches)
        finally:
            self._target.close()

    def _gather(self) -> list[_Batch]:
        """The batches to be written next; none when it is time to look around."""
        batches: list[_Batch] = []
        try:
            batch = self._queue.get(timeout=_IDLE)
            if not self._settings.required:
                self._closed.wait(_GATHER)
            size = 0
            while batch is not None:
                batches.append(batch)
                size += len(batch.lines)
                if size >= _GROUP_BYTES:
                    return batches
                batch = self._queue.get_nowait()
            self._ended = True
        except Empty:
            pass
        return batches

    def _write(self, batches: list[_Batch]) -> None:
        # nobody waits any more for what took too long, and its block is not to be logged as something else
        batches = [batch for batch in batches if batch.kept is None or not batch.kept.done()]
        catalogues = {name: one for batch in batches for name, one in batch.catalogues.items()}
        count = sum(batch.count for batch in batches)
        lost = self._lost()
        data = b"".join([batch.lines for batch in batches]) + self._lost_line(lost)
        while data:
            try:
                self._target.append(data, catalogues)
            except OSError as error:
                self._failed(error)
                if self._settings.required:
                    self._answer(batches, self.problem)
                    return
                if self._closing:
                    self._abandoned += count
                    return
                self._closed.wait(_AGAIN)
            else:
                self._told += lost
                self.counts.kept += count
                self.counts.bytes += len(data)
                self._answer(batches, "")
                self._appended()
                break
        self._look_around()

    def _lost(self) -> int:
        """How many more decisions are not in the log than it says."""
        return self.counts.dropped + self.counts.blocked - self._told

    def _lost_line(self, lost: int) -> bytes:
        if not lost:
            return b""
        blocked = self._settings.required
        return dropped_line(lost, self._lost_since, time.time_ns(), self._lost_why, blocked=blocked)

    def _look_around(self) -> None:
        """Sync and rotate, when it is time to."""
        try:
            self._target.look()
            now = time.monotonic()
            if not self._settings.required and now - self._synced >= self._settings.sync_seconds:
                self._target.sync()
                self._synced = now
        except OSError as error:
            self._failed(error)
        else:
            if self.problem and not self._lost():
                _log.info("the decision log is written again", file=str(self._settings.file))
                self.problem = ""

    def _failed(self, error: OSError) -> None:
        self.counts.failures += 1
        why = (error.strerror or str(error)).lower()
        problem = f"the decision log `{self._settings.file.name}` cannot be written: {why}"
        if problem != self.problem:
            _log.error("the decision log cannot be written", file=str(self._settings.file), error=why)
            self.problem = problem

    def _answer(self, batches: list[_Batch], why: str) -> None:
        waiting = [batch.kept for batch in batches if batch.kept is not None]
        if waiting:
            with suppress(RuntimeError):  # the loop is closed: nobody waits any more
                self._loop.call_soon_threadsafe(_resolve, waiting, why)


def _rules_in(engine: Engine | None) -> _Rules:
    try:
        return None if engine is None else rules_of(engine)
    except MaskFailed as failed:
        _log.error("masks cannot be followed: requests are not logged", error=str(failed))
        return failed


def _resolve(waiting: list[asyncio.Future[str]], why: str) -> None:
    for kept in waiting:
        if not kept.done():
            kept.set_result(why)
