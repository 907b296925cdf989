"""The way to the engine: one `DecideStream`, shared by every session of the gateway.

Whatever is waiting when the line is free goes out in one message: a lone request leaves at once, a thousand
leave together. Nothing is delayed to make a batch.

    decide ──► waiting ──► writer ──► stream ──► reader ──► the caller's future
                              └── the line breaks: everyone who was asked for gets EngineUnavailable

Only a clean decision is ever returned. A deadline, a dead line, a refusal, an empty answer: each is
`EngineUnavailable`, on which a gateway refuses the operation.
"""

from __future__ import annotations

import asyncio
import itertools
import random
from collections import OrderedDict
from collections.abc import Mapping
from contextlib import suppress
from types import TracebackType
from typing import Any, Final, Self, TypeAlias

import grpc
import grpc.aio
import orjson

from doorward_proto.v1 import decision_pb2 as pb
from doorward_proto.v1.decision_pb2_grpc import DecisionServiceStub

__all__ = ["EngineClient", "EngineUnavailable"]

_Stream: TypeAlias = "grpc.aio.StreamStreamCall[pb.DecideBatchRequest, pb.DecideBatchResponse]"

_MAX_BATCH: Final = 256
_MAX_BATCH_BYTES: Final = 2 << 20
_MAX_DOCUMENT_BYTES: Final = (
    1 << 20
)  # one oversized message would end the stream for everybody, so it never leaves
_MAX_ANSWER_BYTES: Final = 64 << 20
_MAX_CATALOGUES: Final = 256
_DESCRIBE_TIMEOUT: Final = 30.0  # catalogues have megabytes; whoever waits for one has a deadline of its own
_FIRST_RETRY: Final = 0.05
_LAST_RETRY: Final = 1.0

_CHANNEL_OPTIONS: Final = (
    ("grpc.max_receive_message_length", _MAX_ANSWER_BYTES),
    ("grpc.max_send_message_length", -1),
    ("grpc.initial_reconnect_backoff_ms", 50),
    ("grpc.min_reconnect_backoff_ms", 50),
    ("grpc.max_reconnect_backoff_ms", 1000),
    # a peer that vanished without a word is noticed, and the stream opened anew
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.http2.max_pings_without_data", 0),
)


class EngineUnavailable(Exception):
    """There is no clean decision: refuse the operation. `reason` is one sentence for logs and callers."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class EngineClient:
    """A client of one engine, for one event loop: `async with EngineClient("127.0.0.1:8181") as engine`.

    `target` is a gRPC target (`host:port`, `unix:/path`); `timeout` the seconds a call may take, waiting
    included; `credentials` turn on TLS; `max_waiting` bounds the calls under way, more are refused at once.
    """

    def __init__(
        self,
        target: str,
        *,
        timeout: float = 2.0,
        credentials: grpc.ChannelCredentials | None = None,
        max_waiting: int = 10_000,
    ) -> None:
        self.target = target
        self._timeout = timeout
        self._max_waiting = max_waiting
        self._credentials = credentials
        self._ids = itertools.count(1)
        self._waiting: OrderedDict[str, pb.DecideRequest] = OrderedDict()
        self._pending: dict[str, asyncio.Future[pb.DecideResponse]] = {}
        self._wake = asyncio.Event()
        self._up = False
        self._down: str | None = None  # why new calls are refused at once; None also before the first attempt
        self._catalogues: OrderedDict[str, tuple[str, bytes]] = OrderedDict()
        self._describing: dict[str, asyncio.Task[str]] = {}
        self._channel: grpc.aio.Channel | None = None
        self._runner: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        if self._credentials is None:
            self._channel = grpc.aio.insecure_channel(self.target, options=_CHANNEL_OPTIONS)
        else:
            self._channel = grpc.aio.secure_channel(self.target, self._credentials, options=_CHANNEL_OPTIONS)
        self._stub = DecisionServiceStub(self._channel)  # type: ignore[no-untyped-call]
        self._runner = asyncio.create_task(self._run(), name="engine-stream")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """End the stream; calls under way get EngineUnavailable."""
        if self._runner is not None:
            self._runner.cancel()
            with suppress(asyncio.CancelledError):
                await self._runner
            self._runner = None
        self._fail("the engine client is closed")
        if self._channel is not None:
            await self._channel.close(None)
            self._channel = None

    @property
    def connected(self) -> bool:
        """Whether the stream to the engine stands, as far as anybody knows."""
        return self._up

    # --- calls ---

    async def decide(
        self,
        document: Mapping[str, Any] | bytes,
        catalogue: str = "",
        *,
        want_facts: bool = False,
        timeout: float | None = None,  # noqa: ASYNC109 - part of the call's contract, also for the retry inside it
    ) -> pb.Decision:
        """The decision on one access request: a document as `decisions.md` has it, or its JSON bytes.

        `catalogue` is what `describe` returned. An engine that has forgotten it is told again, once.
        A verdict that is unset or unknown is returned as it came, and is a block. Raises EngineUnavailable.
        """
        try:
            body = document if isinstance(document, bytes) else orjson.dumps(document)
        except orjson.JSONEncodeError as error:
            raise EngineUnavailable(f"the request cannot be written as JSON: {error}") from None
        if len(body) > _MAX_DOCUMENT_BYTES:
            raise EngineUnavailable(
                f"the request of {len(body)} bytes is over the limit of {_MAX_DOCUMENT_BYTES}"
            )
        limit = self._timeout if timeout is None else timeout
        deadline = asyncio.get_running_loop().time() + limit
        late = f"the engine at {self.target} did not answer within {limit:g} s"
        answer = await self._ask(body, catalogue, want_facts, deadline, late)
        if answer.failure.code == pb.Failure.CODE_UNKNOWN_CATALOGUE and catalogue in self._catalogues:
            try:
                async with asyncio.timeout_at(deadline):
                    await self._describe_again(catalogue)
            except TimeoutError:
                raise EngineUnavailable(late) from None
            answer = await self._ask(body, catalogue, want_facts, deadline, late)
        if answer.WhichOneof("outcome") == "decision":
            return answer.decision
        raise EngineUnavailable(f"the engine could not decide: {answer.failure.message or 'empty answer'}")

    async def describe(self, kind: str, catalogue: bytes) -> str:
        """Make a backend's catalogue known to the engine; returns the content hash that `decide` takes.

        It is kept here too, for an engine that forgets it. Raises EngineUnavailable.
        """
        request = pb.DescribeResourceRequest(kind=kind, catalogue=catalogue)
        response: pb.DescribeResourceResponse = await self._unary(
            "DescribeResource", request, max(self._timeout, _DESCRIBE_TIMEOUT)
        )
        if not response.catalogue:
            raise EngineUnavailable("the engine did not name the catalogue it was told")
        self._catalogues[response.catalogue] = (kind, catalogue)
        self._catalogues.move_to_end(response.catalogue)
        if len(self._catalogues) > _MAX_CATALOGUES:
            self._catalogues.popitem(last=False)
        return response.catalogue

    async def revision(self) -> pb.GetRevisionResponse:
        """The policy revision in force, and what was refused of the newest change; or EngineUnavailable."""
        response: pb.GetRevisionResponse = await self._unary(
            "GetRevision", pb.GetRevisionRequest(), self._timeout
        )
        return response

    async def _unary(self, method: str, request: Any, seconds: float) -> Any:
        if self._channel is None:
            raise EngineUnavailable("the engine client is closed")
        try:
            return await getattr(self._stub, method)(request, timeout=seconds)
        except grpc.aio.AioRpcError as error:
            raise EngineUnavailable(self._broken(error)) from None

    async def _ask(
        self, body: bytes, catalogue: str, want_facts: bool, deadline: float, late: str
    ) -> pb.DecideResponse:
        """The answer to one request; `late` is the reason when there is none at `deadline`, on the loop's clock."""
        if self._runner is None:
            raise EngineUnavailable("the engine client is closed")
        if self._down is not None:
            raise EngineUnavailable(self._down)
        if len(self._pending) >= self._max_waiting:
            raise EngineUnavailable(f"{self._max_waiting} requests are waiting for the engine already")
        request_id = str(next(self._ids))
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[pb.DecideResponse] = loop.create_future()
        self._pending[request_id] = answer
        self._waiting[request_id] = pb.DecideRequest(
            request_id=request_id, json=body, catalogue=catalogue, want_facts=want_facts
        )
        self._wake.set()
        # a timer of its own costs a fifth of what `asyncio.timeout` does
        timer = loop.call_at(deadline, _give_up, answer, late)
        try:
            return await answer
        finally:
            timer.cancel()
            self._pending.pop(request_id, None)
            self._waiting.pop(request_id, None)  # nobody waits any more: do not ask

    async def _describe_again(self, catalogue: str) -> None:
        # every session notices a restarted engine at once: one of them tells it, the others wait for that
        task = self._describing.get(catalogue)
        if task is None:
            task = asyncio.create_task(self.describe(*self._catalogues[catalogue]))
            self._describing[catalogue] = task
            task.add_done_callback(lambda _: self._describing.pop(catalogue, None))
        if await asyncio.shield(task) != catalogue:
            raise EngineUnavailable("the engine knows this catalogue under another hash")

    # --- the stream ---

    async def _run(self) -> None:
        retry = _FIRST_RETRY
        while True:
            stream: _Stream = self._stub.DecideStream()
            try:
                async with asyncio.timeout(self._timeout):
                    await stream.wait_for_connection()
                self._up, self._down, retry = True, None, _FIRST_RETRY
                await self._converse(stream)
                reason = f"the engine at {self.target} ended the stream"
            except grpc.aio.AioRpcError as error:
                reason = self._broken(error)
            except TimeoutError:
                reason = f"the engine at {self.target} did not answer within {self._timeout:g} s"
            except (
                Exception
            ) as error:  # whatever it is, the calls under way must end, and the line be tried again
                reason = f"the stream to the engine at {self.target} broke: {error}"
            finally:
                self._up = False
                stream.cancel()
            self._down = reason
            self._fail(reason)
            await asyncio.sleep(retry * random.uniform(0.5, 1.0))  # noqa: S311 - spreads the gateways of one engine
            retry = min(_LAST_RETRY, retry * 2)

    async def _converse(self, stream: _Stream) -> None:
        """Write and read until one of the two ends, then end the other; raises what ended it."""
        tasks = [asyncio.create_task(self._read(stream)), asyncio.create_task(self._write(stream))]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            endings = await asyncio.gather(*tasks, return_exceptions=True)
        for ending in endings:
            if isinstance(ending, Exception):
                raise ending

    async def _write(self, stream: _Stream) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                batch = pb.DecideBatchRequest()
                size = 0
                while self._waiting and len(batch.requests) < _MAX_BATCH and size < _MAX_BATCH_BYTES:
                    _, request = self._waiting.popitem(last=False)
                    batch.requests.append(request)
                    size += len(request.json)
                await stream.write(batch)  # what arrives meanwhile makes up the next message

    async def _read(self, stream: _Stream) -> None:
        while isinstance(message := await stream.read(), pb.DecideBatchResponse):
            for response in message.responses:
                answer = self._pending.get(response.request_id)
                if answer is not None and not answer.done():
                    answer.set_result(response)

    def _fail(self, reason: str) -> None:
        self._waiting.clear()
        for answer in list(self._pending.values()):
            if not answer.done():
                answer.set_exception(EngineUnavailable(reason))

    def _broken(self, error: grpc.aio.AioRpcError) -> str:
        code = error.code()
        if code is grpc.StatusCode.UNAVAILABLE:
            return f"the engine at {self.target} cannot be reached"
        if code is grpc.StatusCode.DEADLINE_EXCEEDED:
            return f"the engine at {self.target} did not answer in time"
        return f"the engine at {self.target} refused: {error.details() or code.name.lower()}"


def _give_up(answer: asyncio.Future[pb.DecideResponse], reason: str) -> None:
    if not answer.done():
        answer.set_exception(EngineUnavailable(reason))
