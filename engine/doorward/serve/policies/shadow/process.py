"""The process that decides again what the service has decided, by other policies, and says what differs.

It has policies, memory and an interpreter of its own, and the machine's other work goes first: whatever becomes of it, the
service answers as it would without. Built-ins that ask the world are given the answers of the decision that was made;
what was not asked then, is not asked now.
"""

from __future__ import annotations

import asyncio
import os
import pickle
import signal
import sys
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from typing import Any, BinaryIO, Final

import orjson
import structlog

from doorward.decide.decision import Decision
from doorward.decide.differences import Difference, differences
from doorward.engine import Engine
from doorward.facts.postgres import Catalogue
from doorward.facts.postgres.catalogue import CatalogueDocument
from doorward.serve.operations.log import log_to_stderr
from doorward.serve.policies.revisions import Revisions
from doorward.serve.policies.shadow.frames import (
    LENGTH,
    MOST_CATALOGUES,
    Described,
    Report,
    Shown,
    Told,
    decided,
)
from doorward.serve.policies.sources import source_of

__all__ = ["Comparison", "main"]

_log: Final = structlog.get_logger("doorward.serve.shadow")

_NICE: Final = 10
_REPORT_SECONDS: Final = 0.5
_MOST_DIFFERENCES: Final = 10_000
"""Different ones, that are told apart in the log."""


class Comparison:
    """Decides again, counts, and logs each difference the first time that it is met, the tenth, the hundredth, …

    So a difference in every request does not fill the log, and one that is rare is not lost in it.
    """

    def __init__(self) -> None:
        self.report = Report()
        self._met: Counter[Difference] = Counter()

    def compare(self, engine: Engine | None, one: Shown, catalogue: Catalogue | None) -> None:
        """Take one request into account."""
        document, _, now_ns, parts = one
        before = decided(parts)
        if engine is None:
            self.report.failed += 1
            return
        try:
            after = engine.decide(document, catalogue=catalogue, now_ns=now_ns, replaying=before.effects)
        except Exception as error:  # a request that only the policies in force know how to take
            self.report.failed += 1
            if self.report.failed == 1:
                _log.warning("the shadow cannot decide a request", id=before.decision_id, error=str(error))
            return
        found = differences(before, after)
        if not found:
            self.report.alike += 1
            return
        self.report.differing += 1
        for kind in {difference.kind for difference in found}:
            self.report.kinds[kind] = self.report.kinds.get(kind, 0) + 1
        times = max(map(self._times, found))
        if times:
            _log.info("the shadow decides otherwise", times=times, **_line(document, before, after, found))

    def _times(self, difference: Difference) -> int:
        """How often it was met, where that is to be logged; else 0."""
        if difference not in self._met and len(self._met) >= _MOST_DIFFERENCES:
            return 0
        self._met[difference] += 1
        times = self._met[difference]
        return times if str(times).rstrip("0") == "1" else 0


def _line(document: Any, before: Decision, after: Decision, found: Sequence[Difference]) -> dict[str, Any]:
    """Who asked for what, and what differs. The operation itself may hold secrets: it is found by its id in the decision log."""

    def of(section: str, name: str) -> str:
        part = document.get(section)
        return str(part.get(name) or "")[:200] if isinstance(part, dict) else ""

    return {
        "id": before.decision_id,
        "principal": of("principal", "id"),
        "action": of("action", "name"),
        "kind": of("resource", "kind"),
        "resource": of("resource", "name"),
        "revision": before.revision,
        "shadow": after.revision,
        "differences": [asdict(difference) for difference in found],
        "verdict": {"old": before.verdict, "new": after.verdict},
        "determining": {
            "old": [reason.id for reason in before.determining],
            "new": [reason.id for reason in after.determining],
        },
    }


class _Process:
    def __init__(self, told: Told, answers: BinaryIO) -> None:
        self._revisions = Revisions(
            source_of(told.policies),
            strict=told.strict,
            limits=told.limits,
            capabilities=told.capabilities,
            signatures=told.policies.signatures,
        )
        self._comparison = Comparison()
        self._catalogues: dict[str, Catalogue] = {}
        self._answers = answers
        self._said = b""

    async def run(self, frames: asyncio.StreamReader) -> None:
        """Until there are no more frames."""
        stop = asyncio.Event()
        with suppress(Exception):  # said in the report, and tried again
            await self._revisions.load()
        tasks = [asyncio.create_task(self._revisions.watch(stop)), asyncio.create_task(self._report())]
        try:
            while True:
                self._take(await _frame(frames))
                await asyncio.sleep(0)
        except asyncio.IncompleteReadError:
            pass
        finally:
            stop.set()
            tasks[1].cancel()
            for task in tasks:
                with suppress(asyncio.CancelledError):
                    await task

    def _take(self, content: object) -> None:
        if isinstance(content, Described):
            if len(self._catalogues) >= MOST_CATALOGUES:
                self._catalogues.clear()
            document = CatalogueDocument.model_validate_json(content.document)
            self._catalogues[content.hash] = Catalogue(document, content.hash)
        elif isinstance(content, list):
            in_force = self._revisions.in_force
            engine = None if in_force is None else in_force.engine
            for one in content:
                self._comparison.compare(engine, one, self._catalogues[one[1]] if one[1] else None)

    async def _report(self) -> None:
        while True:
            report = self._comparison.report
            in_force = self._revisions.in_force
            report.revision = "" if in_force is None else in_force.engine.revision
            report.rejected = self._revisions.rejected
            said = orjson.dumps(asdict(report)) + b"\n"
            if said != self._said:
                self._said = said
                with suppress(BrokenPipeError):
                    self._answers.write(said)
                    self._answers.flush()
            await asyncio.sleep(_REPORT_SECONDS)


async def _frame(frames: asyncio.StreamReader) -> object:
    length = int.from_bytes(await frames.readexactly(LENGTH), "big")
    content: object = pickle.loads(await frames.readexactly(length))  # noqa: S301 - from the process that started this one
    return content


async def _main() -> None:
    frames = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(frames), sys.stdin.buffer)
    told = await _frame(frames)
    if not isinstance(told, Told):
        raise TypeError("the first frame does not say what to decide by")
    await _Process(told, sys.stdout.buffer).run(frames)


def main() -> None:
    """Compare until the pipe ends, which it does with the service, however that ends."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # meant for the service, and sent to all processes of its group
    os.nice(_NICE)
    log_to_stderr(process="shadow")
    asyncio.run(_main())


if __name__ == "__main__":
    main()
