"""Feeds a sink from the files of the log, on a thread: what cannot be sent waits there, for as long as files are kept."""

from __future__ import annotations

import random
import threading
import zlib
from collections.abc import Sequence
from typing import Final

import structlog

from doorward.serve.decision_log.counts import SinkCounts
from doorward.serve.decision_log.sink import LinesRefused, Sink, SinkUnavailable
from doorward.serve.decision_log.spool import Spool

__all__ = ["Shipper"]

_log: Final = structlog.get_logger("doorward.serve")

_GATHER: Final = 0.1
"""Seconds in which more lines may come to be sent with the first."""
_IDLE: Final = 2.0
_FIRST_WAIT: Final = 0.25
_LONGEST_WAIT: Final = 30.0

_OWN: Final = b'{"kind":"file",'
"""Lines that say something of the file alone begin so."""


class Shipper:
    """Sends what stands in the files of one worker to one sink, in order, each line at least once."""

    def __init__(self, name: str, spool: Spool, sink: Sink, counts: SinkCounts) -> None:
        self.name = name
        self.spool = spool
        self.problem = ""
        """Why the sink takes nothing; empty when all is well."""
        self._sink = sink
        self._counts = counts
        self._news = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"decision-log-{name}", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """There is more to send."""
        if not self._news.is_set():
            self._news.set()

    def stop(self) -> None:
        """Send what is there once more, and end."""
        self._stopping.set()
        self._news.set()

    def join(self, seconds: float) -> None:
        """Wait for the end. What was not sent stays in the files."""
        self._thread.join(seconds)

    def _run(self) -> None:
        wait = _FIRST_WAIT
        try:
            while True:
                last = self._stopping.is_set()
                try:
                    more = self._ship()
                except (SinkUnavailable, OSError, EOFError, zlib.error) as error:
                    self._failed(error)
                    if last:
                        return
                    self._stopping.wait(wait * random.uniform(0.5, 1.0))  # noqa: S311 - no secret
                    wait = min(wait * 2, _LONGEST_WAIT)
                    continue
                wait = _FIRST_WAIT
                if more:
                    continue
                if last:
                    return
                self._news.wait(_IDLE)
                self._news.clear()
                self._stopping.wait(_GATHER)
        except Exception:  # a fault of ours; decisions must go on
            _log.exception("a sink of the decision log has ended", sink=self.name)
            self.problem = "internal error"
        finally:
            self.spool.close()
            self._sink.close()

    def _ship(self) -> bool:
        """Send the next lines; whether there were any."""
        counts, spool = self._counts, self.spool
        missed = spool.missed
        lines, cursor = spool.read()
        counts.missed += spool.missed - missed
        self._count_behind()
        if not lines:
            return False
        self._send([line for line in lines if not line.startswith(_OWN)])
        spool.keep(cursor)
        self._count_behind()
        if self.problem:
            _log.info("a sink of the decision log takes lines again", sink=self.name)
            self.problem = ""
        return True

    def _count_behind(self) -> None:
        behind = self.spool.behind
        if behind is not None:
            self._counts.behind_bytes = behind

    def _send(self, lines: Sequence[bytes]) -> None:
        if not lines:
            return
        try:
            refused = self._sink.send(lines)
        except LinesRefused as error:
            if len(lines) > 1:
                half = len(lines) // 2
                self._send(lines[:half])
                self._send(lines[half:])
                return
            _log.error("a sink of the decision log refuses a line", sink=self.name, error=str(error))
            refused = 1
        self._counts.refused += refused
        self._counts.sent += len(lines) - refused

    def _failed(self, error: Exception) -> None:
        self._counts.failures += 1
        problem = str(error) or type(error).__name__
        if problem != self.problem:
            _log.warning("a sink of the decision log takes nothing", sink=self.name, error=problem)
            self.problem = problem
