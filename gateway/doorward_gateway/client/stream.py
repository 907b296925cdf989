"""One `DecideStream`, shared by all callers of a client.

Whatever is waiting when the line is free goes out in one message, or in two where it is much: a lone request leaves at
once, a hundred leave together. The line is free while the engine has less than two messages to answer: one that it works
on, and one that is on its way. More would only wait there, each a message of its own, at many times what a request costs
in company. Nothing is held back for longer than two milliseconds, for answers may have to wait for another host.

    ask ──► waiting ──► writer ──► stream ──► reader ──► the caller's future
                           └── the line breaks: asked again on the next one, or EngineUnavailable

When a line breaks that had answered or stood for a while, another is tried at once, and what was not answered is asked
again, which is safe because asking has no effects. It is asked twice at most, so that a request that breaks lines does not
break them all, and within its deadline. If that other line cannot be had, everybody is refused, and so is whoever asks from
then on, at once, until a line stands again; it is tried with back-off and jitter. A line that an engine refuses or ends for
a reason of its own (not authenticated, overloaded, a fault) breaks for everybody who was asked for on it.
"""

from __future__ import annotations

import asyncio
import itertools
import math
import random
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Final, TypeAlias

import grpc
import grpc.aio

from doorward_gateway.client.errors import EngineUnavailable
from doorward_proto.v1 import decision_pb2 as pb

__all__ = ["DecideStream", "OpenStream", "reason_of"]

OpenStream: TypeAlias = (
    "Callable[[], grpc.aio.StreamStreamCall[pb.DecideBatchRequest, pb.DecideBatchResponse]]"
)

_MAX_BATCH: Final = 256
_MAX_BATCH_BYTES: Final = 2 << 20
_FEW: Final = 16
_MOST_UNANSWERED: Final = 2
_LONGEST_HOLD: Final = 0.002
_FIRST_RETRY: Final = 0.05
_LAST_RETRY: Final = 1.0
_ASKED_AT_MOST: Final = 2

_LOST: Final = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)
"""How a stream ends whose line or engine is gone, rather than that it was refused."""


class _Ended(Exception):
    """The stream ended while it was written to. What it ended with is lost: gRPC gives its own failure instead."""


class _Asked:
    __slots__ = (
        "answer",
        "body",
        "catalogue",
        "deadline",
        "late",
        "name",
        "times",
        "traceparent",
        "want_facts",
    )

    def __init__(
        self,
        name: str,
        body: bytes,
        catalogue: str,
        want_facts: bool,
        traceparent: str,
        deadline: float,
        late: str,
        answer: asyncio.Future[pb.DecideResponse],
    ) -> None:
        self.name = name
        self.body = body
        self.catalogue = catalogue
        self.want_facts = want_facts
        self.traceparent = traceparent
        self.deadline = deadline
        self.late = late
        self.answer = answer
        self.times = 0


class DecideStream:
    """Asks for decisions; for one event loop.

    `open_stream` begins a call; `target` is what messages name; a stream that does not stand within `patience` seconds is
    given up; at most `max_waiting` requests are under way.
    """

    def __init__(self, open_stream: OpenStream, *, target: str, patience: float, max_waiting: int) -> None:
        self._open_stream = open_stream
        self._target = target
        self._patience = patience
        self._max_waiting = max_waiting
        self._ids = itertools.count(1)
        self._waiting: deque[_Asked] = deque()
        self._pending: dict[str, _Asked] = {}
        self._wake = asyncio.Event()
        # messages of this line, by how many answers each has still to come
        self._unanswered: deque[int] = deque()
        self._room = asyncio.Event()
        self._alarm: asyncio.TimerHandle | None = None
        self._alarm_at = math.inf
        self._answered = False
        self._down: str | None = None  # why new calls are refused at once; None also before the first attempt
        self.up = False
        """Whether the stream stands, as far as anybody knows."""
        self._loop = asyncio.get_running_loop()
        self._runner = asyncio.create_task(self._run(), name="engine-stream")

    async def close(self, reason: str) -> None:
        """End the stream; whoever waits gets EngineUnavailable."""
        self._runner.cancel()
        with suppress(asyncio.CancelledError):
            await self._runner
        self._down = reason
        self._fail(reason)
        if self._alarm is not None:
            self._alarm.cancel()

    async def ask(
        self, body: bytes, catalogue: str, want_facts: bool, traceparent: str, deadline: float, late: str
    ) -> pb.DecideResponse:
        """The answer to one request; `late` is the reason when there is none at `deadline`, on the loop's clock.

        Raises EngineUnavailable.
        """
        if self._down is not None:
            raise EngineUnavailable(self._down)
        if len(self._waiting) >= self._max_waiting:
            self._waiting = deque(asked for asked in self._waiting if not asked.answer.done())
        if len(self._pending) >= self._max_waiting:
            raise EngineUnavailable(f"{self._max_waiting} requests are waiting for the engine already")
        name = str(next(self._ids))
        answer: asyncio.Future[pb.DecideResponse] = self._loop.create_future()
        asked = _Asked(name, body, catalogue, want_facts, traceparent, deadline, late, answer)
        self._pending[name] = asked
        self._waiting.append(asked)
        self._wake.set()
        if deadline < self._alarm_at:
            self._set_alarm(deadline)
        try:
            return await answer
        finally:
            self._pending.pop(name, None)

    # --- deadlines ---

    # One timer for all: a timer for each would cost more than all the rest of asking.

    def _set_alarm(self, at: float) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm_at = at
        self._alarm = self._loop.call_at(at, self._ring)

    def _ring(self) -> None:
        self._alarm, self._alarm_at = None, math.inf
        now = self._loop.time() + 0.001  # a clock may be a little behind its timers
        for asked in self._pending.values():
            if asked.deadline > now:
                self._alarm_at = min(self._alarm_at, asked.deadline)
            elif not asked.answer.done():
                asked.answer.set_exception(EngineUnavailable(asked.late))
        if self._alarm_at < math.inf:
            self._set_alarm(self._alarm_at)

    # --- the stream ---

    async def _run(self) -> None:
        retry = _FIRST_RETRY
        while True:
            self._answered = lost = False
            stream, since = None, math.inf
            try:
                stream = self._open_stream()
                async with asyncio.timeout(self._patience):
                    await stream.wait_for_connection()
                self.up, self._down, since = True, None, self._loop.time()
                await self._converse(stream)
                reason, lost = f"the engine at {self._target} ended the stream", True
            except grpc.aio.AioRpcError as error:
                reason, lost = reason_of(error, self._target), error.code() in _LOST
            except TimeoutError:
                reason = f"the engine at {self._target} did not answer within {self._patience:g} s"
            except (
                Exception
            ) as error:  # whatever it is, the calls under way must end, and the line be tried again
                reason = f"the stream to the engine at {self._target} broke: {error}"
            finally:
                self.up = False
                if stream is not None:
                    stream.cancel()
            proven = self._answered or self._loop.time() - since > _LAST_RETRY
            if proven:
                retry = _FIRST_RETRY
            if lost and proven:
                self._ask_again(reason)
                await asyncio.sleep(random.uniform(0, _FIRST_RETRY))  # noqa: S311 - spreads the callers of one engine
                continue
            self._down = reason
            self._fail(reason)
            await asyncio.sleep(retry * random.uniform(0.5, 1.0))  # noqa: S311 - as above
            retry = min(_LAST_RETRY, retry * 2)

    async def _converse(
        self, stream: grpc.aio.StreamStreamCall[pb.DecideBatchRequest, pb.DecideBatchResponse]
    ) -> None:
        """Write and read until one of the two ends, then end the other; raises what ended it, unless it just ended."""
        self._unanswered.clear()
        tasks = [asyncio.create_task(self._read(stream)), asyncio.create_task(self._write(stream))]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            endings = await asyncio.gather(*tasks, return_exceptions=True)
        reading, writing = endings
        if isinstance(writing, _Ended):
            return
        for ending in (reading, writing):
            if isinstance(ending, Exception):
                raise ending

    async def _write(
        self, stream: grpc.aio.StreamStreamCall[pb.DecideBatchRequest, pb.DecideBatchResponse]
    ) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                if len(self._unanswered) >= _MOST_UNANSWERED:
                    await self._hold()
                batch = pb.DecideBatchRequest()
                size = 0
                # half of many, while the engine has nothing to do: it decides these while the others are written, and the
                # others while the first answers are read
                many = not self._unanswered and len(self._waiting) > _FEW
                most = min(_MAX_BATCH, (len(self._waiting) + 1) // 2) if many else _MAX_BATCH
                while self._waiting and len(batch.requests) < most and size < _MAX_BATCH_BYTES:
                    asked = self._waiting.popleft()
                    if asked.answer.done():
                        continue  # nobody waits any more: do not ask
                    asked.times += 1
                    size += len(asked.body)
                    request = batch.requests.add()  # set one by one: keywords would cost three times as much
                    request.request_id = asked.name
                    request.json = asked.body
                    if asked.catalogue:
                        request.catalogue = asked.catalogue
                    if asked.want_facts:
                        request.want_facts = True
                    if asked.traceparent:
                        request.traceparent = asked.traceparent
                if batch.requests:
                    self._unanswered.append(len(batch.requests))
                    try:
                        await stream.write(batch)  # what arrives meanwhile makes up the next message
                    except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
                        raise _Ended from None

    async def _hold(self) -> None:
        self._room.clear()
        timer = self._loop.call_later(_LONGEST_HOLD, self._room.set)
        try:
            await self._room.wait()
        finally:
            timer.cancel()

    async def _read(
        self, stream: grpc.aio.StreamStreamCall[pb.DecideBatchRequest, pb.DecideBatchResponse]
    ) -> None:
        while isinstance(message := await stream.read(), pb.DecideBatchResponse):
            self._answered = True
            for response in message.responses:
                asked = self._pending.pop(response.request_id, None)
                if asked is not None and not asked.answer.done():
                    asked.answer.set_result(response)
            self._count(len(message.responses))

    def _count(self, answers: int) -> None:
        """Take note of answers: to the oldest messages, for so most engines answer."""
        unanswered = self._unanswered
        if not self._pending:
            unanswered.clear()  # also of what an engine never answered
        while unanswered and answers >= unanswered[0]:
            answers -= unanswered.popleft()
        if unanswered:
            unanswered[0] -= answers
        if len(unanswered) < _MOST_UNANSWERED:
            self._room.set()

    def _ask_again(self, reason: str) -> None:
        """Put back what was not answered, in the order in which it came."""
        self._waiting.clear()
        for asked in self._pending.values():
            if asked.answer.done():
                continue
            if asked.times < _ASKED_AT_MOST:
                self._waiting.append(asked)
            else:
                asked.answer.set_exception(EngineUnavailable(reason))
        if self._waiting:
            self._wake.set()

    def _fail(self, reason: str) -> None:
        self._waiting.clear()
        for asked in self._pending.values():
            if not asked.answer.done():
                asked.answer.set_exception(EngineUnavailable(reason))


def reason_of(error: grpc.aio.AioRpcError, target: str) -> str:
    """Why there is no answer, in one sentence."""
    code = error.code()
    if code is grpc.StatusCode.UNAVAILABLE:
        return f"the engine at {target} cannot be reached"
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return f"the engine at {target} did not answer in time"
    return f"the engine at {target} refused: {error.details() or code.name.lower()}"
