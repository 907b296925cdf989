"""Load on a server: so many callers one after the other, or a rate whatever the answers do.

Most servers are asked by a program in Go, `bench/loadgen`, which costs them little of the machine; Doorward also by its own
client library, whose work is then part of what is measured.
"""

from __future__ import annotations

import asyncio
import base64
import ctypes
import gc
import os
import random
import struct
import time
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from typing import Any, NamedTuple, Protocol

import uvloop

from bench.peers import check
from bench.programs import LOADGEN, Program
from bench.served_question import DOCUMENTS, RIGHT
from bench.served_servers import Server, Speech
from doorward_gateway.client import AsyncClient

__all__ = ["PERCENTILES", "Answered", "Client", "Generated", "Load"]

PERCENTILES = ("p50", "p90", "p99", "p99.9")
_TICK = 0.0005
"""Seconds within which our client's requests under open load begin together, the earlier of them late, which counts: to
wake up for each would take the client a part of its own time.
"""
_AT_ONCE = 512
"""Callers of the program under open load: as many requests may be under way, the others wait, and their time counts."""


class Answered(NamedTuple):
    """What came of a load: how many answers in how many seconds, and `PERCENTILES` of what they took, in µs."""

    calls: int
    seconds: float
    took: tuple[float, ...]


class Load(Protocol):
    """One way of asking one server."""

    def closed(self, callers: int, seconds: float) -> Answered:
        """Each caller asks again as soon as it is answered."""

    def open(self, rate: float, seconds: float) -> Answered:
        """So many requests a second, at instants drawn beforehand from which what they take is counted."""

    def close(self) -> None:
        """Begin nothing any more."""


class Generated:
    """The program in Go. It has asked every request once, and the answers are right."""

    def __init__(self, name: str, server: Server, speech: Speech) -> None:
        self._program = Program(LOADGEN)
        try:
            said = self._program.ask(
                "prepare",
                protocol=speech.protocol,
                target=server.target,
                method=speech.method,
                requests=[base64.b64encode(request).decode() for request in speech.requests],
            )
            check(name, RIGHT, [speech.read(base64.b64decode(answer)) for answer in said["answers"]])
        except BaseException:
            self._program.close()
            raise

    def closed(self, callers: int, seconds: float) -> Answered:
        """See `Load`."""
        return _answered(self._program.ask("closed", callers=callers, seconds=seconds))

    def open(self, rate: float, seconds: float) -> Answered:
        """See `Load`."""
        return _answered(self._program.ask("open", callers=_AT_ONCE, rate=rate, seconds=seconds))

    def close(self) -> None:
        """See `Load`."""
        self._program.close()


def _answered(said: dict[str, Any]) -> Answered:
    return Answered(said["calls"], said["seconds"], tuple(said[p.replace(".", "")] for p in PERCENTILES))


class Client:
    """Our own client on one stream, in this process, which encodes each request anew."""

    def __init__(self, name: str, server: Server) -> None:
        self._target = server.target

        async def ask() -> list[bool]:
            async with AsyncClient(server.target) as engine:
                return [bool(await engine.decide(each)) for each in DOCUMENTS]

        check(name, RIGHT, uvloop.run(ask()))
        # all that the bench has loaded is no client's: to search it for garbage would hold up answers for a tenth of a second
        gc.collect()
        gc.freeze()

    def closed(self, callers: int, seconds: float) -> Answered:
        """See `Load`."""
        return uvloop.run(self._closed(callers, seconds))

    def open(self, rate: float, seconds: float) -> Answered:
        """See `Load`."""
        return uvloop.run(self._open(rate, seconds))

    def close(self) -> None:
        """See `Load`."""

    async def _closed(self, callers: int, seconds: float) -> Answered:
        took: list[float] = []
        async with AsyncClient(self._target) as engine:
            await engine.decide(DOCUMENTS[0])
            end = time.perf_counter() + seconds

            async def caller(number: int) -> None:
                sent = time.perf_counter()
                while sent < end:
                    await engine.decide(DOCUMENTS[number % len(DOCUMENTS)])
                    answered = time.perf_counter()
                    took.append(answered - sent)
                    sent, number = answered, number + 1

            begin = time.perf_counter()
            await asyncio.gather(*map(caller, range(callers)))
            return _summary(took, time.perf_counter() - begin)

    async def _open(self, rate: float, seconds: float) -> Answered:
        draw = random.Random(1)  # the same instants in every round
        due = [0.0]
        while due[-1] < seconds:
            due.append(due[-1] + draw.expovariate(rate))
        took: list[float] = []
        async with AsyncClient(self._target, max_waiting=len(due)) as engine:
            await engine.decide(DOCUMENTS[0])
            begin = time.perf_counter()

            async def call(number: int) -> None:
                await engine.decide(DOCUMENTS[number % len(DOCUMENTS)])
                took.append(time.perf_counter() - begin - due[number])

            await _at(due, begin, call)
            return _summary(took, time.perf_counter() - begin)


async def _at(due: Sequence[float], begin: float, call: Callable[[int], Coroutine[Any, Any, None]]) -> None:
    """Start every call at its instant and wait for all. The loop's own timers may be a millisecond late, this one is not."""
    loop = asyncio.get_running_loop()
    begun = 0
    under_way: dict[int, asyncio.Task[None]] = {}
    all_done = loop.create_future()
    timer = _Timer()

    async def one(number: int) -> None:
        try:
            await call(number)
        except Exception as error:
            if not all_done.done():
                all_done.set_exception(error)
        del under_way[number]
        if begun == len(due) and not under_way and not all_done.done():
            all_done.set_result(None)

    def start() -> None:
        nonlocal begun
        timer.heard()
        now = time.perf_counter() - begin
        while begun < len(due) and due[begun] <= now:
            under_way[begun] = loop.create_task(one(begun))
            begun += 1
        if begun < len(due):
            timer.set(max(_TICK, due[begun] - (time.perf_counter() - begin)))

    loop.add_reader(timer.fd, start)
    timer.set(0)
    try:
        await all_done
    finally:
        loop.remove_reader(timer.fd)
        os.close(timer.fd)


class _Timer:
    """A timer of Linux, as a file that can be read once it is due."""

    _LIBC = ctypes.CDLL(None, use_errno=True)
    _MONOTONIC, _NON_BLOCKING = 1, os.O_NONBLOCK

    def __init__(self) -> None:
        self.fd = self._LIBC.timerfd_create(self._MONOTONIC, self._NON_BLOCKING)
        if self.fd < 0:
            raise OSError(ctypes.get_errno(), "no timer")

    def set(self, seconds: float) -> None:
        """Due once, in so many seconds."""
        whole, rest = divmod(max(1, int(seconds * 1e9)), 1_000_000_000)
        self._LIBC.timerfd_settime(self.fd, 0, struct.pack("qqqq", 0, 0, whole, rest), None)

    def heard(self) -> None:
        """Take note that it was due."""
        with suppress(BlockingIOError):
            os.read(self.fd, 8)


def _summary(took: list[float], seconds: float) -> Answered:
    took.sort()
    shares = [float(percentile[1:]) / 100 for percentile in PERCENTILES]
    at = tuple(took[min(int(share * len(took)), len(took) - 1)] * 1e6 for share in shares)
    return Answered(len(took), seconds, at)
