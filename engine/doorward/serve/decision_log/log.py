"""The decision log of one worker process, put together: the file that is written, and what is fed from it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from doorward.engine import Engine
from doorward.serve.decision_log.counts import Counts, SinkCounts
from doorward.serve.decision_log.file import LogFile
from doorward.serve.decision_log.names import Taken, take, take_left
from doorward.serve.decision_log.settings import DecisionLogSettings
from doorward.serve.decision_log.shipping import Shipper
from doorward.serve.decision_log.sink import Sink
from doorward.serve.decision_log.spool import Spool
from doorward.serve.decision_log.stdout import Stdout
from doorward.serve.decision_log.tidy import tidy
from doorward.serve.decision_log.writer import Target, Writer
from doorward.serve.point import Made

__all__ = ["DecisionLog"]

_TIDY_EVERY: Final = 600.0
"""Seconds: files grow old without anything being written."""
_LAST: Final = 5.0
"""Seconds for what is still to be sent when the service stops; the rest waits in the files."""


class DecisionLog:
    """Keeps the decisions of one event loop, as `doorward.serve.point.Log`."""

    def __init__(
        self, settings: DecisionLogSettings, engine: Callable[[], Engine | None], *, workers: int = 1
    ) -> None:
        """`engine` gives the revision in force, by whose rules decisions are masked. `workers` processes write this log.

        Raises OSError where the file cannot be opened, ImportError where the extra of a sink is not installed.
        """
        self.counts = Counts()
        self._settings = settings
        self._shippers: list[Shipper] = []
        self._held: list[Taken] = []
        self._untidy = threading.Event()
        self._closing = False
        self._tidying: threading.Thread | None = None
        target: Target
        self._file: LogFile | None = None
        if settings.to_stdout:
            target = Stdout()
        else:
            target = self._file = self._open(settings.file, workers)
        self._writer = Writer(settings, target, engine, counts=self.counts, appended=self._appended)
        if self._file is not None:
            self._tidying = threading.Thread(target=self._tidy, name="decision-log-tidy", daemon=True)
            self._tidying.start()

    @property
    def problem(self) -> str:
        """Why the log cannot be written; empty when all is well."""
        return self._writer.problem

    @property
    def sink_problems(self) -> dict[str, str]:
        """Why which sink takes nothing; empty when all is well."""
        return {shipper.name: shipper.problem for shipper in self._shippers if shipper.problem}

    @property
    def waiting(self) -> int:
        """How many decisions wait to be written."""
        return self._writer.waiting

    async def keep(self, batch: Sequence[Made]) -> str:
        """Take a batch; see `doorward.serve.point.Log`."""
        return await self._writer.keep(batch)

    def reopen(self) -> None:
        """Look at once whether the file was moved away, as on SIGHUP; otherwise that is seen before the next write."""
        self._writer.look()

    async def close(self) -> None:
        """Write what waits, send what can be sent, and give the files up."""
        if self._closing:
            return
        self._closing = True
        await self._writer.close()
        for shipper in self._shippers:
            shipper.stop()
        self._untidy.set()
        await asyncio.to_thread(self._join)
        for taken in self._held:
            taken.close()

    def _open(self, path: Path, workers: int) -> LogFile:
        taken = take(path)
        self._held.append(taken)
        file = LogFile(taken, self._settings.rotation, durable=self._settings.required)
        self._feed(taken, lambda: file.written)
        for left in take_left(path, workers):
            self._held.append(left)
            self._feed(left, lambda: None)
        return file

    def _feed(self, taken: Taken, written: Callable[[], tuple[str, int] | None]) -> None:
        for name, make in _sinks(self._settings).items():
            counts = self.counts.sinks.setdefault(name, SinkCounts())
            self._shippers.append(Shipper(name, Spool(taken, name, written), make(), counts))

    def _appended(self) -> None:
        file = self._file
        if file is None:
            return
        if file.rotations != self.counts.rotations:
            self.counts.rotations = file.rotations
            self._untidy.set()
        for shipper in self._shippers:
            shipper.wake()

    def _tidy(self) -> None:
        while not self._closing:
            for taken in self._held:
                tidy(taken, self._settings.rotation, self._may_go)
            self._untidy.wait(_TIDY_EVERY)
            self._untidy.clear()

    def _may_go(self, file: Path) -> bool:
        """A log that is required is given up only when every sink has it."""
        if not self._settings.required:
            return True
        folder_of = [shipper for shipper in self._shippers if shipper.spool.holds(file)]
        return all(shipper.spool.has_taken(file) for shipper in folder_of)

    def _join(self) -> None:
        for shipper in self._shippers:
            shipper.join(_LAST)
        if self._tidying is not None:
            self._tidying.join(_LAST)


def _sinks(settings: DecisionLogSettings) -> dict[str, Callable[[], Sink]]:
    """How to make the sinks that are asked for, by name. Raises ImportError."""
    found: dict[str, Callable[[], Sink]] = {}
    if (otlp := settings.otlp) is not None:
        from doorward.serve.decision_log.otlp import otlp_sink

        found["otlp"] = lambda: otlp_sink(otlp)
    if (postgres := settings.postgres) is not None:
        from doorward.serve.decision_log.postgres import PostgresSink

        found["postgres"] = lambda: PostgresSink(postgres)
    return found
