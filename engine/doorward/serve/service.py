"""The decision service.

Decisions run on the event loop's own thread. They are pure computation under one interpreter lock:
handing one to another thread would cost more than making it, and two threads would only take turns.
Long batches let the loop breathe between slices, and one evaluation is bounded by its budget. Only decisions
that may have to wait for another host, where capabilities grant policies the network, are made aside.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from time import perf_counter
from typing import Any, Final, NoReturn, TypeAlias

import grpc
import grpc.aio
import structlog

from doorward.decide.document import InvalidRequest
from doorward.facts.postgres.catalogue import Catalogue, CatalogueError
from doorward.serve.aside import Aside, as_they_come
from doorward.serve.catalogues import Catalogues, UnknownKind
from doorward.serve.revisions import InForce, Revisions
from doorward.serve.wire import DecisionWriter, document_of, fail
from doorward_proto.v1 import decision_pb2 as pb
from doorward_proto.v1.decision_pb2_grpc import DecisionServiceServicer

__all__ = ["DecisionService"]

_log: Final = structlog.get_logger("doorward.serve")

_Context: TypeAlias = "grpc.aio.ServicerContext[object, object]"

_SLICE: Final = 0.005
"""Seconds of deciding after which other work of the loop gets its turn."""

_MAX_BATCH: Final = 4096


class DecisionService(DecisionServiceServicer):
    """Answers for the revision in force."""

    def __init__(self, revisions: Revisions, catalogues: Catalogues, *, most_aside: int = 32) -> None:
        """`most_aside` decisions that may have to wait for another host are made at once."""
        self._revisions = revisions
        self._catalogues = catalogues
        self._writer = DecisionWriter()
        self._aside = Aside(most_aside)

    def close(self) -> None:
        """Begin nothing any more."""
        self._aside.close()

    async def Decide(  # noqa: N802 - the names of the service
        self, request: pb.DecideRequest, context: _Context
    ) -> pb.DecideResponse:
        """One request, one decision."""
        response = pb.DecideResponse()
        in_force = self._revisions.in_force
        if in_force is not None and in_force.engine.waits:
            await self._decide_aside(request, response, in_force)
        else:
            self._decide(request, response, in_force)
        return response

    async def DecideBatch(  # noqa: N802
        self, request: pb.DecideBatchRequest, context: _Context
    ) -> pb.DecideBatchResponse:
        """Many requests, answered in their order under one revision."""
        return await self._decide_all(request.requests, context)

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
        in_force = self._revisions.in_force
        if in_force is not None and in_force.engine.waits:
            async for answer in as_they_come(
                request_iterator, lambda message: self._decide_all(message.requests, context)
            ):
                yield answer
            return
        async for message in request_iterator:
            yield await self._decide_all(message.requests, context)

    async def _decide_all(
        self, requests: Sequence[pb.DecideRequest], context: _Context
    ) -> pb.DecideBatchResponse:
        if len(requests) > _MAX_BATCH:
            await _abort(
                context, grpc.StatusCode.INVALID_ARGUMENT, f"more than {_MAX_BATCH} requests in one message"
            )
        in_force = self._revisions.in_force
        answer = pb.DecideBatchResponse()
        if in_force is not None and in_force.engine.waits:
            await asyncio.gather(
                *(self._decide_aside(request, answer.responses.add(), in_force) for request in requests)
            )
            return answer
        until = perf_counter() + _SLICE
        for request in requests:
            self._decide(request, answer.responses.add(), in_force)
            if perf_counter() > until:
                await asyncio.sleep(0)  # a call that was cancelled or is out of time ends here
                until = perf_counter() + _SLICE
        return answer

    def _decide(
        self, request: pb.DecideRequest, response: pb.DecideResponse, in_force: InForce | None
    ) -> None:
        response.request_id = request.request_id
        if in_force is None:
            fail(response, pb.Failure.CODE_NO_POLICY, "no policies have been loaded yet")
            return
        try:
            asked = self._asked(request, response)
            if asked is not None:
                decision = in_force.engine.decide(asked[0], catalogue=asked[1])
                self._writer.write(decision, response.decision, want_facts=request.want_facts)
        except Exception as error:  # one request must not end the stream that others share
            _failed(response, error)

    async def _decide_aside(
        self, request: pb.DecideRequest, response: pb.DecideResponse, in_force: InForce
    ) -> None:
        response.request_id = request.request_id
        try:
            asked = self._asked(request, response)
            if asked is not None:
                decision = await self._aside.decide(in_force.engine, *asked)
                self._writer.write(decision, response.decision, want_facts=request.want_facts)
        except Exception as error:  # as above
            _failed(response, error)

    def _asked(
        self, request: pb.DecideRequest, response: pb.DecideResponse
    ) -> tuple[Any, Catalogue | None] | None:
        """The document and the catalogue it is to be decided against; None where that is not known."""
        catalogue = None
        if request.catalogue:
            catalogue = self._catalogues.get(request.catalogue)
            if catalogue is None:
                fail(response, pb.Failure.CODE_UNKNOWN_CATALOGUE, "the catalogue named is not known here")
                return None
        return document_of(request), catalogue

    async def DescribeResource(  # noqa: N802
        self, request: pb.DescribeResourceRequest, context: _Context
    ) -> pb.DescribeResourceResponse:
        """Make a catalogue known under its content hash."""
        document = request.catalogue
        try:
            # parsing megabytes would hold up decisions
            catalogue = await asyncio.to_thread(self._catalogues.read, request.kind, document)
        except (CatalogueError, UnknownKind) as error:
            await _abort(context, grpc.StatusCode.INVALID_ARGUMENT, str(error))
        return pb.DescribeResourceResponse(catalogue=self._catalogues.keep(catalogue, len(document)))

    async def GetRevision(  # noqa: N802
        self, request: pb.GetRevisionRequest, context: _Context
    ) -> pb.GetRevisionResponse:
        """The revision in force, and what was refused of the newest change."""
        response = pb.GetRevisionResponse(rejected=self._revisions.rejected)
        in_force = self._revisions.in_force
        if in_force is not None:
            response.revision = in_force.engine.revision
            response.git_commit = in_force.engine.policies.git_commit
            response.modules = len(in_force.engine.policies.sources)
            response.statements = in_force.engine.statements
            response.loaded_at = in_force.loaded_at
        return response


def _failed(response: pb.DecideResponse, error: Exception) -> None:
    """Say that there is no decision. Called where `error` is being handled."""
    if isinstance(error, InvalidRequest):
        fail(response, pb.Failure.CODE_INVALID_REQUEST, str(error))
        return
    _log.exception("a request could not be decided")
    fail(response, pb.Failure.CODE_INTERNAL, f"internal error: {type(error).__name__}")


async def _abort(context: _Context, code: grpc.StatusCode, message: str) -> NoReturn:
    await context.abort(code, message)
    raise AssertionError("abort returned")
