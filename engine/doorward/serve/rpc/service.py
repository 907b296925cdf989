"""The decision service, as `decision.proto` describes it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing
from functools import partial
from typing import Any, Final, NoReturn, TypeAlias, TypeVar

import grpc
import grpc.aio
import structlog

from doorward.engine import Engine
from doorward.facts.postgres.catalogue import CatalogueError
from doorward.serve.aside import Aside, Overloaded, as_they_come
from doorward.serve.catalogues import UnknownKind
from doorward.serve.changes import Changes
from doorward.serve.operations.board import State
from doorward.serve.point import DecisionPoint, Unanswered
from doorward.serve.rpc.explain import explained
from doorward.serve.rpc.query import answered
from doorward.serve.rpc.wire import DecisionWriter, fail, failed, question_of
from doorward_proto.v1 import decision_pb2 as pb
from doorward_proto.v1.decision_pb2_grpc import DecisionServiceServicer

__all__ = ["DecisionService"]

_log: Final = structlog.get_logger("doorward.serve")

_Context: TypeAlias = "grpc.aio.ServicerContext[object, object]"

_MAX_BATCH: Final = 4096

_STATUS: Final = {
    pb.Failure.CODE_OVERLOADED: grpc.StatusCode.RESOURCE_EXHAUSTED,
    pb.Failure.CODE_FORBIDDEN: grpc.StatusCode.PERMISSION_DENIED,
}
"""What of a lone request is told as the status of the call, for proxies and clients that know how to go on from there."""

_SLOW_AT_ONCE: Final = 2
_SLOW_WAITING: Final = 16
"""Explanations and queries under way, and how many more may wait for their turn."""

_Made = TypeVar("_Made")


class DecisionService(DecisionServiceServicer):
    """Answers for the revision in force. `changes` tells when another one is, or a change was refused; `workers` gives the
    state of all processes on the same address, where there are several.
    """

    def __init__(
        self, point: DecisionPoint, changes: Changes, *, workers: Callable[[], Sequence[State]] | None = None
    ) -> None:
        self._point = point
        self._changes = changes
        self._workers = workers
        self._writer = DecisionWriter()
        self._slow = Aside(_SLOW_AT_ONCE, waiting=_SLOW_WAITING)
        self._draining = False
        self._idle: set[asyncio.Task[Any]] = set()  # that wait for the next message of a stream

    def drain(self) -> None:
        """Let go of callers who stay: watchers, and streams once what they sent is answered. They call again, elsewhere if
        there is an elsewhere.
        """
        self._draining = True
        self._changes.end()
        for task in self._idle:
            task.cancel()

    def close(self) -> None:
        """Begin nothing any more."""
        self._slow.close()

    async def Decide(  # noqa: N802 - the names of the service
        self, request: pb.DecideRequest, context: _Context
    ) -> pb.DecideResponse:
        """One request, one decision."""
        answer = await self._decide((request,))
        (response,) = answer.responses
        status = _STATUS.get(response.failure.code) if response.WhichOneof("outcome") == "failure" else None
        if status is not None:
            await _abort(context, status, response.failure.message)
        return response

    async def DecideBatch(  # noqa: N802
        self, request: pb.DecideBatchRequest, context: _Context
    ) -> pb.DecideBatchResponse:
        """Many requests, answered in their order under one revision."""
        return await self._decide_all(request, context)

    async def DecideStream(  # noqa: N802
        self, request_iterator: AsyncIterator[pb.DecideBatchRequest], context: _Context
    ) -> AsyncIterator[pb.DecideBatchResponse]:
        """Many requests a message, many messages, each message under one revision.

        One message is read ahead while another is decided, and no more, so a caller that sends faster than
        decisions are made is held back by flow control, not by a queue. Where decisions may have to wait for another
        host, some messages are worked on at once, and answered in the order in which that is done.
        """
        # tells the caller that the line stands, before there is anything to answer
        await context.send_initial_metadata(())
        messages = self._until_drained(request_iterator)
        if self._point.waits:
            async for answer in as_they_come(messages, lambda message: self._decide_all(message, context)):
                yield answer
            return
        async with aclosing(messages):
            async for message in messages:
                yield await self._decide_all(message, context)

    async def _until_drained(
        self, messages: AsyncIterator[pb.DecideBatchRequest]
    ) -> AsyncGenerator[pb.DecideBatchRequest, None]:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - for the types: this is a coroutine
        reading = _reading(messages)
        try:
            while reading.done() or not self._draining:
                self._idle.add(task)
                try:
                    message = await reading
                except asyncio.CancelledError:
                    if not self._draining:
                        raise
                    task.uncancel()
                    if not reading.done() or reading.cancelled():
                        return
                    message = reading.result()
                finally:
                    self._idle.discard(task)
                if message is None:
                    return
                # the next one comes while this one is decided: to wait for it only then would leave the engine idle
                reading = _reading(messages)
                yield message
        finally:
            reading.cancel()

    async def _decide_all(self, message: pb.DecideBatchRequest, context: _Context) -> pb.DecideBatchResponse:
        if len(message.requests) > _MAX_BATCH:
            await _abort(
                context, grpc.StatusCode.INVALID_ARGUMENT, f"more than {_MAX_BATCH} requests in one message"
            )
        return await self._decide(message.requests)

    async def _decide(self, requests: Sequence[pb.DecideRequest]) -> pb.DecideBatchResponse:
        asked = [question_of(request) for request in requests]
        answers = iter(await self._point.answer([each for each in asked if not isinstance(each, Unanswered)]))
        written = []
        for request, question in zip(requests, asked, strict=True):
            name = request.request_id
            answer = question if isinstance(question, Unanswered) else next(answers)
            if not isinstance(answer, Unanswered):
                try:
                    written.append(self._writer.answer(name, answer, want_facts=request.want_facts))
                    continue
                except Exception as error:  # one answer must not end the stream that others share
                    _log.exception("a decision could not be written")
                    answer = Unanswered("internal", f"internal error: {type(error).__name__}")
            written.append(failed(name, answer))
        return pb.DecideBatchResponse.FromString(b"".join(written))

    async def DescribeResource(  # noqa: N802
        self, request: pb.DescribeResourceRequest, context: _Context
    ) -> pb.DescribeResourceResponse:
        """Make a catalogue known under its content hash."""
        document = request.catalogue
        try:
            # parsing megabytes would hold up decisions
            catalogue = await asyncio.to_thread(self._point.catalogues.read, request.kind, document)
        except (CatalogueError, UnknownKind) as error:
            await _abort(context, grpc.StatusCode.INVALID_ARGUMENT, str(error))
        return pb.DescribeResourceResponse(catalogue=self._point.catalogues.keep(catalogue, len(document)))

    async def Explain(  # noqa: N802
        self, request: pb.ExplainRequest, context: _Context
    ) -> pb.ExplainResponse:
        """The truth about one request."""
        response = pb.ExplainResponse(request_id=request.request.request_id)
        try:
            engine = self._engine()
            question = question_of(request.request)
            if isinstance(question, Unanswered):
                raise question
            catalogue, _ = self._point.read(question)
            work = partial(explained, engine, question, catalogue, request)
            response.explanation.CopyFrom(await self._aside(work, context))
        except Unanswered as why:
            fail(response, why)
        return response

    async def Query(  # noqa: N802
        self, request: pb.QueryRequest, context: _Context
    ) -> pb.QueryResponse:
        """Every answer to a Rego query."""
        try:
            return await self._aside(partial(answered, self._engine(), request), context)
        except Unanswered as why:
            response = pb.QueryResponse()
            fail(response, why)
            return response

    def _engine(self) -> Engine:
        in_force = self._point.revisions.in_force
        if in_force is None:
            raise Unanswered("no_policy", "no policies have been loaded yet")
        return in_force.engine

    async def _aside(self, work: Callable[[], _Made], context: _Context) -> _Made:
        try:
            return await self._slow.run(work)
        except Unanswered:
            raise
        except Overloaded as error:
            await _abort(context, grpc.StatusCode.RESOURCE_EXHAUSTED, str(error))
        except Exception as error:
            _log.exception("a request could not be answered")
            raise Unanswered("internal", f"internal error: {type(error).__name__}") from None

    async def GetRevision(  # noqa: N802
        self, request: pb.GetRevisionRequest, context: _Context
    ) -> pb.GetRevisionResponse:
        """The revision in force, and what was refused of the newest change."""
        return self._state()

    async def WatchRevision(  # noqa: N802
        self, request: pb.WatchRevisionRequest, context: _Context
    ) -> AsyncIterator[pb.WatchRevisionResponse]:
        """The same, now and whenever it changes, until the service is about to stop."""
        told = None
        async for _ in self._changes.watch():
            state = self._state()
            if state != told:
                told = state
                yield pb.WatchRevisionResponse(state=state)

    def _state(self) -> pb.GetRevisionResponse:
        response = pb.GetRevisionResponse(rejected=self._point.revisions.rejected)
        in_force = self._point.revisions.in_force
        if in_force is not None:
            response.revision = in_force.engine.revision
            response.git_commit = in_force.engine.policies.git_commit
            response.modules = len(in_force.engine.policies.sources)
            response.statements = in_force.engine.statements
            response.loaded_at = in_force.loaded_at
        for worker in self._workers() if self._workers is not None else ():
            response.workers.add(
                number=worker.number,
                revision=worker.revision,
                loaded_at=worker.loaded_at,
                rejected=worker.rejected,
            )
        return response


def _reading(
    messages: AsyncIterator[pb.DecideBatchRequest],
) -> asyncio.Future[pb.DecideBatchRequest | None]:
    """The next message; None at the end. Whoever is not interested in how it ended need not ask."""
    reading = asyncio.ensure_future(anext(messages, None))
    reading.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
    return reading


async def _abort(context: _Context, code: grpc.StatusCode, message: str) -> NoReturn:
    await context.abort(code, message)
    raise AssertionError("abort returned")
