"""The decision service, as `decision.proto` describes it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Final, NoReturn, TypeAlias

import grpc
import grpc.aio
import structlog

from doorward.facts.postgres.catalogue import CatalogueError
from doorward.serve.aside import as_they_come
from doorward.serve.catalogues import UnknownKind
from doorward.serve.point import DecisionPoint, Unanswered
from doorward.serve.rpc.wire import DecisionWriter, fail, question_of
from doorward_proto.v1 import decision_pb2 as pb
from doorward_proto.v1.decision_pb2_grpc import DecisionServiceServicer

__all__ = ["DecisionService"]

_log: Final = structlog.get_logger("doorward.serve")

_Context: TypeAlias = "grpc.aio.ServicerContext[object, object]"

_MAX_BATCH: Final = 4096


class DecisionService(DecisionServiceServicer):
    """Answers for the revision in force."""

    def __init__(self, point: DecisionPoint) -> None:
        self._point = point
        self._writer = DecisionWriter()

    async def Decide(  # noqa: N802 - the names of the service
        self, request: pb.DecideRequest, context: _Context
    ) -> pb.DecideResponse:
        """One request, one decision."""
        answer = await self._decide((request,))
        return answer.responses[0]

    async def DecideBatch(  # noqa: N802
        self, request: pb.DecideBatchRequest, context: _Context
    ) -> pb.DecideBatchResponse:
        """Many requests, answered in their order under one revision."""
        return await self._decide_all(request, context)

    async def DecideStream(  # noqa: N802
        self, request_iterator: AsyncIterator[pb.DecideBatchRequest], context: _Context
    ) -> AsyncIterator[pb.DecideBatchResponse]:
        """Many requests a message, many messages, each message under one revision.

        The next message is read when this one is answered, so a caller that sends faster than decisions
        are made is held back by flow control, not by a queue. Where decisions may have to wait for another
        host, some messages are worked on at once, and answered in the order in which that is done.
        """
        # tells the caller that the line stands, before there is anything to answer
        await context.send_initial_metadata(())
        if self._point.waits:
            async for answer in as_they_come(
                request_iterator, lambda message: self._decide_all(message, context)
            ):
                yield answer
            return
        async for message in request_iterator:
            yield await self._decide_all(message, context)

    async def _decide_all(self, message: pb.DecideBatchRequest, context: _Context) -> pb.DecideBatchResponse:
        if len(message.requests) > _MAX_BATCH:
            await _abort(
                context, grpc.StatusCode.INVALID_ARGUMENT, f"more than {_MAX_BATCH} requests in one message"
            )
        return await self._decide(message.requests)

    async def _decide(self, requests: Sequence[pb.DecideRequest]) -> pb.DecideBatchResponse:
        asked = [question_of(request) for request in requests]
        answers = iter(await self._point.answer([each for each in asked if not isinstance(each, Unanswered)]))
        message = pb.DecideBatchResponse()
        for request, question in zip(requests, asked, strict=True):
            response = message.responses.add()
            answer = question if isinstance(question, Unanswered) else next(answers)
            if not isinstance(answer, Unanswered):
                try:
                    self._writer.write(answer, response.decision, want_facts=request.want_facts)
                except Exception as error:  # one answer must not end the stream that others share
                    _log.exception("a decision could not be written")
                    response.Clear()
                    answer = Unanswered("internal", f"internal error: {type(error).__name__}")
            if isinstance(answer, Unanswered):
                fail(response, answer)
            response.request_id = request.request_id
        return message

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

    async def GetRevision(  # noqa: N802
        self, request: pb.GetRevisionRequest, context: _Context
    ) -> pb.GetRevisionResponse:
        """The revision in force, and what was refused of the newest change."""
        response = pb.GetRevisionResponse(rejected=self._point.revisions.rejected)
        in_force = self._point.revisions.in_force
        if in_force is not None:
            response.revision = in_force.engine.revision
            response.git_commit = in_force.engine.policies.git_commit
            response.modules = len(in_force.engine.policies.sources)
            response.statements = in_force.engine.statements
            response.loaded_at = in_force.loaded_at
        return response


async def _abort(context: _Context, code: grpc.StatusCode, message: str) -> NoReturn:
    await context.abort(code, message)
    raise AssertionError("abort returned")
