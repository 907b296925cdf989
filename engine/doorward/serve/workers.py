"""The processes of the service: one that does all, or several workers on the same addresses and one that looks after them.

Workers are fresh interpreters, not forks: neither gRPC nor threads survive a fork. The kernel spreads connections over them
(SO_REUSEPORT). What they say to each other is on a board (`operations.board`); to the process that looks after them each has
a line of its own, on which it says that it is ready, and by whose end either knows of the end of the other.
"""

from __future__ import annotations

import asyncio
import os
import pickle
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from time import monotonic
from typing import Final

import orjson
import structlog
import uvloop

from doorward.serve.operations.board import Board
from doorward.serve.operations.log import log_to_stderr
from doorward.serve.operations.notify import notify
from doorward.serve.settings import ServeSettings
from doorward.serve.started import Ready, ServeError

__all__ = ["WORKER", "run", "work"]

_log: Final = structlog.get_logger("doorward.serve")

WORKER: Final = "serve-worker"
"""The command that is one worker."""

_STEADY_SECONDS: Final = 30.0
"""A worker that ran for so long had a good start; its end is no reason to wait with the next."""

_FIRST_DELAY: Final = 0.1
_LAST_DELAY: Final = 5.0
_MOST_ENDS: Final = 5
"""Ends in a row, none of them after a good start, after which the service gives up."""

_LEAVE_SECONDS: Final = 10.0
"""For a worker to go, beyond the time that its calls have, before it is made to."""


def run(settings: ServeSettings, ready: Callable[[Ready], None]) -> None:
    """Serve until SIGTERM or SIGINT; `ready` is called once calls are taken. Raises what `serve` raises; where there are
    workers, ServeError when one cannot start, having said why itself, or when they keep ending.
    """
    log_to_stderr()

    def started(what: Ready) -> None:
        ready(what)
        notify("READY=1")

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        if settings.workers > 1:
            runner.run(_Supervisor(settings).run(started))
            return
        from doorward.serve.server import serve

        runner.run(serve(settings, started))


def work(line: int) -> None:
    """Be one worker, told what to do on standard input and answering on a socket by its file descriptor. Raises as `serve`."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # until there is something that could be read again
    settings, number, folder = pickle.load(sys.stdin.buffer)  # noqa: S301 - from the process that started this one
    log_to_stderr(worker=number)

    from doorward.serve.server import Place, serve

    async def served() -> None:
        reader, writer = await asyncio.open_connection(sock=socket.socket(fileno=line))

        async def gone() -> None:
            await reader.read()
            os.kill(os.getpid(), signal.SIGTERM)  # nobody looks after this worker any more

        watching = asyncio.create_task(gone())
        await serve(
            settings,
            lambda ready: writer.write(orjson.dumps(asdict(ready)) + b"\n"),
            place=Place(number, Board(folder)),
        )
        watching.cancel()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(served())


class _Supervisor:
    """Starts workers, starts them again, and tells them to stop."""

    def __init__(self, settings: ServeSettings) -> None:
        self._settings = settings
        self._kept: list[socket.socket] = []
        self._folder = Path(tempfile.mkdtemp(prefix="doorward-"))
        self._board = Board(self._folder)
        self._running: dict[int, asyncio.subprocess.Process] = {}
        self._lines: dict[int, asyncio.StreamWriter] = {}
        self._stop = asyncio.Event()

    async def run(self, ready: Callable[[Ready], None]) -> None:
        """Until told to stop. Raises ServeError."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        loop.add_signal_handler(signal.SIGHUP, self._tell, signal.SIGHUP)
        try:
            self._settings = self._with_ports()
            stopped = asyncio.create_task(self._stop.wait())
            serving = asyncio.create_task(self._serve(ready))
            await asyncio.wait([stopped, serving], return_when=asyncio.FIRST_COMPLETED)
            for task in (stopped, serving):
                task.cancel()
            with suppress(asyncio.CancelledError):
                await serving
        finally:
            await self._end_all()
            for kept in self._kept:
                kept.close()
            shutil.rmtree(self._folder, ignore_errors=True)

    async def _serve(self, ready: Callable[[Ready], None]) -> None:
        """Until a worker keeps ending. Raises ServeError then."""
        # the first alone: what is wrong with policies or addresses is said once
        first = await self._started(0)
        rest = range(1, self._settings.workers) if first is not None else ()
        others = await asyncio.gather(*map(self._started, rest))
        if first is None or None in others:
            ended = (process.returncode for process in self._running.values())
            raise ServeError("a worker process could not start", status=next(filter(None, ended), 0))
        ready(first)
        keepers = [asyncio.create_task(self._keep(number)) for number in self._running]
        try:
            await asyncio.gather(*keepers)
        finally:
            for task in keepers:
                task.cancel()

    async def _started(self, number: int) -> Ready | None:
        """A worker that takes calls; None where it has ended instead."""
        ours, theirs = socket.socketpair()
        with theirs:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-m", "doorward", WORKER, str(theirs.fileno())),
                stdin=asyncio.subprocess.PIPE,
                pass_fds=(theirs.fileno(),),
                start_new_session=True,  # a key pressed in a terminal is told to workers by this process only
            )
        self._running[number] = process
        reader, writer = await asyncio.open_connection(sock=ours)
        if number in self._lines:
            self._lines[number].close()
        self._lines[number] = writer
        if process.stdin is None:
            raise AssertionError("a pipe was asked for")
        with suppress(OSError, RuntimeError):  # uvloop's, where it has ended already
            process.stdin.write(pickle.dumps((self._settings, number, self._folder)))
            await process.stdin.drain()
        process.stdin.close()
        said = await reader.readline()
        if not said.endswith(b"\n"):
            await process.wait()
            return None
        return Ready(**orjson.loads(said))

    async def _keep(self, number: int) -> None:
        """Start a worker again whenever it ends. Raises ServeError when it keeps ending."""
        ends = 0
        since = monotonic()
        while True:
            status = await self._running[number].wait()
            self._board.bury(number)
            ends = 0 if monotonic() - since > _STEADY_SECONDS else ends + 1
            _log.error("a worker process has ended", worker=number, status=status)
            if ends >= _MOST_ENDS:
                raise ServeError(f"worker processes keep ending, the last with status {status}")
            if ends:
                await asyncio.sleep(min(_FIRST_DELAY * 4 ** (ends - 1), _LAST_DELAY))
            since = monotonic()
            if await self._started(number) is not None:
                _log.info("the worker process was started again", worker=number)

    def _tell(self, signal_number: int) -> None:
        for process in self._running.values():
            with suppress(ProcessLookupError):
                process.send_signal(signal_number)

    async def _end_all(self) -> None:
        notify("STOPPING=1")
        self._tell(signal.SIGTERM)
        patience = self._settings.drain_seconds + self._settings.grace_seconds + _LEAVE_SECONDS
        waiting = [asyncio.create_task(process.wait()) for process in self._running.values()]
        if waiting:
            await asyncio.wait(waiting, timeout=patience)
            self._tell(signal.SIGKILL)
            await asyncio.wait(waiting)

    def _with_ports(self) -> ServeSettings:
        """The settings with ports in place of `any free one`, so that all workers have the same. Raises ServeError."""
        settings = self._settings
        return settings.model_copy(
            update={
                "listen": self._reserved(settings.listen),
                "http": settings.http.model_copy(update={"listen": self._reserved(settings.http.listen)}),
                "telemetry": settings.telemetry.model_copy(
                    update={"metrics": self._reserved(settings.telemetry.metrics)}
                ),
            }
        )

    def _reserved(self, addresses: Sequence[str]) -> tuple[str, ...]:
        return tuple(map(self._reserve, addresses))

    def _reserve(self, address: str) -> str:
        """Hold an address for the workers, without listening; as long as it is held, nobody else has it."""
        host, _, port = address.rpartition(":")
        bare = host.strip("[]")
        family = socket.AF_INET6 if ":" in bare else socket.AF_INET
        try:
            found = socket.getaddrinfo(bare, int(port), family, socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
            with socket.socket(family) as probe:  # one that would share finds out nothing
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(found[0][4])
                chosen = probe.getsockname()
            held = socket.socket(family)
            self._kept.append(held)
            held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            held.bind(chosen)
        except OSError as error:
            raise ServeError(
                f"cannot listen on `{address}`: {(error.strerror or str(error)).lower()}"
            ) from None
        return f"{host}:{chosen[1]}"
