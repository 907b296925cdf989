"""Shows a sample of the requests to a process that decides them by other policies.

What that costs the service is bounded whatever happens: taking note of a request is an append to a list, every twentieth
of a second what was taken note of is packed and written to a pipe, at most so many a second and none that is large, and
what finds no room is passed over and counted.
"""

from __future__ import annotations

import asyncio
import random
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

import orjson
import structlog

from doorward.run.budget import Limits
from doorward.serve.point import Made
from doorward.serve.policies.pace import Pace
from doorward.serve.policies.settings import ShadowSettings
from doorward.serve.policies.shadow.frames import MOST_CATALOGUES, Described, Report, Told, frame, shown
from doorward_dsl.capabilities import Capabilities

__all__ = ["Shadow"]

_log: Final = structlog.get_logger("doorward.serve")

_TICK: Final = 0.05
_LARGEST: Final = 64 << 10
"""Bytes of a request that is shown: packing a large one would hold up decisions."""
_MOST_UNREAD: Final = 1 << 20
"""Bytes in the pipe, beyond which nothing is shown: the process cannot keep up."""
_LONGEST_LINE: Final = 1 << 20
_PATIENT_MS: Final = 10_000
"""For one evaluation of the shadow's."""
_ENDING: Final = 2.0
"""Seconds for the process to end by itself."""


class Shadow:
    """An observer of decisions (see `point`) that touches neither them nor how long they take.

    `report` is what was found since the service started; `shown` and `passed_over` count the requests of the sample.
    """

    def __init__(
        self,
        settings: ShadowSettings,
        *,
        strict: bool,
        limits: Limits,
        capabilities: Capabilities | None = None,
    ) -> None:
        self.report = Report()
        self.shown = 0
        self.passed_over = 0
        # by the clock it could fail where the service does not: it only has what time the machine has left
        patient = Limits(steps=limits.steps, wall_ms=max(limits.wall_ms, _PATIENT_MS))
        self._told = Told(settings.policies, strict, patient, capabilities)
        self._sample = settings.sample
        self._per_second = settings.per_second
        self._allowance = 0.0
        self._room = 0
        self._waiting: list[Made] = []
        self._some = asyncio.Event()
        self._described: set[str] = set()
        self._pace = Pace(1.0, 60.0)

    def saw(self, batch: Sequence[Made]) -> None:
        """See `Observer`."""
        for made in batch:
            if self._sample < 1.0 and random.random() >= self._sample:  # noqa: S311 - which ones is no secret
                continue
            if len(self._waiting) < self._room and made.question.size <= _LARGEST:
                self._waiting.append(made)
            else:
                self.passed_over += 1
        if self._waiting:
            self._some.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Keep the process going until `stop` is set. Never raises."""
        keeping = asyncio.create_task(self._keep_going(), name="shadow")
        try:
            await stop.wait()
        finally:
            keeping.cancel()
            with suppress(asyncio.CancelledError):
                await keeping

    async def _keep_going(self) -> None:
        while True:
            before = self.report
            try:
                status = await self._process(before)
                _log.error("the process of the shadow has ended, and is started anew", status=status)
            except Exception as error:  # whatever becomes of it, it is no matter of those who are answered
                _log.error("the process of the shadow cannot be spoken to", error=str(error))
            self.report.revision = ""
            self._pace.failed()
            await asyncio.sleep(self._pace.delay())

    async def _process(self, before: Report) -> int:
        """One process from its start to its end; its exit status."""
        # from a thread: an event loop of libuv copies the tables of all memory for it, which decisions would wait for
        process = await asyncio.to_thread(_start)
        loop = asyncio.get_running_loop()
        lines = asyncio.StreamReader(_LONGEST_LINE)
        said, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), process.stdout)
        pipe, _ = await loop.connect_write_pipe(asyncio.BaseProtocol, process.stdin)
        showing = asyncio.create_task(self._show(pipe))
        listening = asyncio.create_task(self._listen(lines, before))
        try:
            await asyncio.wait((showing, listening), return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._room = 0
            self._waiting.clear()
            self._described.clear()
            for task in (showing, listening):
                task.cancel()
            outcomes = await asyncio.gather(showing, listening, return_exceptions=True)
            if not pipe.is_closing():
                pipe.abort()  # at the end of its pipe the process ends, too
            said.close()
            status = await asyncio.to_thread(_status, process)
        for outcome in outcomes:
            if isinstance(outcome, Exception):
                raise outcome
        return status

    async def _show(self, pipe: asyncio.WriteTransport) -> None:
        pipe.write(frame(self._told))
        while True:
            most = max(1.0, self._per_second * _TICK)
            self._allowance = min(self._allowance + self._per_second * _TICK, most)
            reads = self.report.revision and pipe.get_write_buffer_size() < _MOST_UNREAD
            self._room = int(self._allowance) if reads else 0
            self._some.clear()
            if self._room:
                await self._some.wait()
            await asyncio.sleep(_TICK)
            taken, self._waiting = self._waiting, []
            self._allowance -= len(taken)
            for made in taken:
                self._describe(made, pipe)
            if taken:
                self.shown += len(taken)
                pipe.write(frame([shown(made) for made in taken]))

    def _describe(self, made: Made, pipe: asyncio.WriteTransport) -> None:
        catalogue = made.catalogue
        if catalogue is None or catalogue.hash in self._described:
            return
        if len(self._described) >= MOST_CATALOGUES:
            self._described.clear()
        self._described.add(catalogue.hash)
        document = catalogue.document.model_dump_json()
        pipe.write(frame(Described(catalogue.hash, document)))

    async def _listen(self, lines: asyncio.StreamReader, before: Report) -> None:
        while line := await lines.readline():
            found = Report(**orjson.loads(line))
            self._pace.answered()
            self.report = _sum(before, found)


def _start() -> subprocess.Popen[bytes]:
    command = (sys.executable, "-P", "-m", "doorward.serve.policies.shadow.process")
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)  # noqa: S603


def _status(process: subprocess.Popen[bytes]) -> int:
    """Of a process that has ended, or that is to."""
    try:
        return process.wait(_ENDING)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


def _sum(before: Report, found: Report) -> Report:
    """Counts of the processes before and of this one."""
    whole = Report(revision=found.revision, rejected=found.rejected)
    for name in ("alike", "differing", "failed"):
        setattr(whole, name, getattr(before, name) + getattr(found, name))
    kinds = before.kinds.keys() | found.kinds.keys()
    whole.kinds = {kind: before.kinds.get(kind, 0) + found.kinds.get(kind, 0) for kind in sorted(kinds)}
    return whole
