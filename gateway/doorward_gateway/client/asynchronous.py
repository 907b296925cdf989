"""The client for programs on asyncio, and what a client is."""

from __future__ import annotations

import asyncio
import json
import random
from collections import OrderedDict
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing, suppress
from types import TracebackType
from typing import Any, Final, Self

import grpc
import grpc.aio
import orjson

from doorward_gateway.client.cache import DecisionCache
from doorward_gateway.client.channel import Token, bearer, open_channel
from doorward_gateway.client.decision import Decision
from doorward_gateway.client.errors import EngineUnavailable, QueryProblem, QueryRefused
from doorward_gateway.client.stream import DecideStream, reason_of
from doorward_proto.v1 import decision_pb2 as pb
from doorward_proto.v1.decision_pb2_grpc import DecisionServiceStub

__all__ = ["NO_INPUT", "SLOW_TIMEOUT", "AsyncClient", "document_bytes"]

# one oversized message would end the stream for everybody, so it never leaves
_MAX_DOCUMENT_BYTES: Final = 1 << 20
_MAX_CATALOGUES: Final = 256
SLOW_TIMEOUT: Final = 30.0
"""Seconds for what may take some: explanations and queries, which may have to wait for their turn, and catalogues, which
have megabytes.
"""

_CONNECT_TIMEOUT: Final = (
    2.0  # a line takes longer to stand than a decision to come: whoever asks has a deadline of its own
)
_FIRST_RETRY: Final = 0.05
_LAST_RETRY: Final = 1.0
_CLOSED: Final = "the engine client is closed"

NO_INPUT: Final = object()
"""That a query has no input, which is not the same as `null`."""


def document_bytes(document: Mapping[str, Any] | bytes) -> bytes:
    """A document as it is sent. Raises EngineUnavailable for what cannot be."""
    try:
        body = document if isinstance(document, bytes) else orjson.dumps(document)
    except orjson.JSONEncodeError as error:
        raise EngineUnavailable(f"the request cannot be written as JSON: {error}") from None
    if len(body) > _MAX_DOCUMENT_BYTES:
        raise EngineUnavailable(
            f"the request of {len(body)} bytes is over the limit of {_MAX_DOCUMENT_BYTES}"
        )
    return body


class AsyncClient:
    """A client of one engine, for one event loop: `async with AsyncClient("127.0.0.1:8181") as engine`.

    `target` is a gRPC target (`host:port`, `unix:/path`); `timeout` the seconds a call may take, waiting included, unless
    the call says otherwise; `credentials` turn on TLS (see `tls_credentials`); `token` is shown as a bearer token;
    `max_waiting` bounds the calls under way, more are refused at once; `cache` is how many decisions may be kept and
    given again, where the engine says that they may (see `cache`): none unless asked for, for such decisions are not in
    the engine's log.

    Every call raises EngineUnavailable where there is no answer, for whatever reason, and nothing else but what it
    says. Asking has no effects, so what is lost on the way is asked again, where the deadline allows.
    """

    def __init__(
        self,
        target: str,
        *,
        timeout: float = 2.0,
        credentials: grpc.ChannelCredentials | None = None,
        token: Token | None = None,
        max_waiting: int = 10_000,
        cache: int = 0,
    ) -> None:
        """Raises ValueError for a token that would cross the network in the clear."""
        self.target = target
        self._timeout = timeout
        self._late = f"the engine at {target} did not answer within {timeout:g} s"
        self._credentials = credentials
        self._token = token
        self._max_waiting = max_waiting
        self._cache = DecisionCache(cache) if cache else None
        self._catalogues: OrderedDict[str, tuple[str, bytes]] = OrderedDict()
        self._describing: dict[str, asyncio.Task[str]] = {}
        self._channel: grpc.aio.Channel | None = None
        self._stream: DecideStream | None = None
        self._follower: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._channel = open_channel(self.target, self._credentials, with_token=self._token is not None)
        self._stub = DecisionServiceStub(self._channel)  # type: ignore[no-untyped-call]
        self._stream = DecideStream(
            lambda: self._stub.DecideStream(metadata=bearer(self._token)),
            target=self.target,
            patience=max(self._timeout, _CONNECT_TIMEOUT),
            max_waiting=self._max_waiting,
        )
        if self._cache is not None:
            self._follower = asyncio.create_task(self._follow(self._cache), name="engine-revision")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """End the stream; calls under way get EngineUnavailable."""
        if self._follower is not None:
            self._follower.cancel()
            with suppress(asyncio.CancelledError):
                await self._follower
            self._follower = None
        if self._stream is not None:
            stream, self._stream = self._stream, None
            await stream.close(_CLOSED)
        if self._channel is not None:
            channel, self._channel = self._channel, None
            await channel.close(None)

    @property
    def connected(self) -> bool:
        """Whether the stream to the engine stands, as far as anybody knows."""
        return self._stream is not None and self._stream.up

    # --- decisions ---

    async def decide(
        self,
        document: Mapping[str, Any] | bytes,
        catalogue: str = "",
        *,
        want_facts: bool = False,
        traceparent: str = "",
        timeout: float | None = None,  # noqa: ASYNC109 - part of the call's contract, also for the retry inside it
    ) -> Decision:
        """The decision on one access request: a document as `decisions.md` has it, or its JSON bytes.

        `catalogue` is what `describe` returned. An engine that has forgotten it is told again, once. `traceparent` is the
        trace that the decision belongs to, as W3C writes it. Raises EngineUnavailable.
        """
        body = document_bytes(document)
        stream = self._stream
        if stream is None:
            raise EngineUnavailable(_CLOSED)
        if self._cache is not None:
            kept = self._cache.get((body, catalogue, want_facts))
            if kept is not None:
                return Decision(kept)
        if timeout is None:
            timeout, late = self._timeout, self._late
        else:
            late = f"the engine at {self.target} did not answer within {timeout:g} s"
        deadline = asyncio.get_running_loop().time() + timeout
        answer = await stream.ask(body, catalogue, want_facts, traceparent, deadline, late)
        if not answer.HasField("decision"):
            if answer.failure.code != pb.Failure.CODE_UNKNOWN_CATALOGUE or catalogue not in self._catalogues:
                raise _undecided(answer)
            try:
                async with asyncio.timeout_at(deadline):
                    await self._describe_again(catalogue)
            except TimeoutError:
                raise EngineUnavailable(late) from None
            answer = await stream.ask(body, catalogue, want_facts, traceparent, deadline, late)
            if not answer.HasField("decision"):
                raise _undecided(answer)
        decision = answer.decision
        if self._cache is not None:
            self._cache.keep((body, catalogue, want_facts), decision)
        return Decision(decision)

    async def describe(self, kind: str, catalogue: bytes) -> str:
        """Make a backend's catalogue known to the engine; returns the content hash that `decide` takes.

        It is kept here too, for an engine that forgets it. Raises EngineUnavailable.
        """
        request = pb.DescribeResourceRequest(kind=kind, catalogue=catalogue)
        response: pb.DescribeResourceResponse = await self._unary(
            "DescribeResource", request, max(self._timeout, SLOW_TIMEOUT)
        )
        if not response.catalogue:
            raise EngineUnavailable("the engine did not name the catalogue it was told")
        self._catalogues[response.catalogue] = (kind, catalogue)
        self._catalogues.move_to_end(response.catalogue)
        if len(self._catalogues) > _MAX_CATALOGUES:
            self._catalogues.popitem(last=False)
        return response.catalogue

    # --- about decisions ---

    async def explain(
        self,
        document: Mapping[str, Any] | bytes,
        catalogue: str = "",
        *,
        instant: int | None = None,
        replaying: pb.Effects | None = None,
        nearest: bool = True,
        timeout: float = SLOW_TIMEOUT,  # noqa: ASYNC109
    ) -> pb.Explanation:
        """The truth about one access request: its decision, what became of every statement, and the nearest allow.

        `instant` (nanoseconds since 1970) and `replaying` make it the decision of then; without `nearest` no allow is
        looked for. Takes up to seconds. Raises EngineUnavailable.
        """
        asked = pb.DecideRequest(json=document_bytes(document), catalogue=catalogue)
        request = pb.ExplainRequest(request=asked, replaying=replaying, nearest=nearest)
        if instant is not None:
            _write_instant(instant, request)
        deadline = asyncio.get_running_loop().time() + timeout
        response: pb.ExplainResponse = await self._unary("Explain", request, timeout)
        if response.failure.code == pb.Failure.CODE_UNKNOWN_CATALOGUE and catalogue in self._catalogues:
            await self._describe_again(catalogue)
            left = deadline - asyncio.get_running_loop().time()
            response = await self._unary("Explain", request, left)
        if response.WhichOneof("outcome") != "explanation":
            why = response.failure.message or "empty answer"
            raise EngineUnavailable(f"the engine could not explain: {why}")
        return response.explanation

    async def query(
        self,
        query: str,
        input: Any = NO_INPUT,  # noqa: A002 - the name it has in Rego
        *,
        within: str = "",
        strict_builtin_errors: bool = False,
        instant: int | None = None,
        timeout: float = SLOW_TIMEOUT,  # noqa: ASYNC109
    ) -> list[dict[str, Any]]:
        """Every answer to a Rego query such as `data.acme.analyst = x`, as the values of its variables.

        `within` is the head of a module, `package p` and perhaps imports, in which the query stands. Sets come as sorted
        lists; no answer is `[]`. Raises QueryRefused where something is wrong with the query, and EngineUnavailable.
        """
        request = pb.QueryRequest(query=query, within=within, strict_builtin_errors=strict_builtin_errors)
        if input is not NO_INPUT:
            try:
                request.input = json.dumps(input, allow_nan=False).encode()
            except (TypeError, ValueError, RecursionError) as error:
                raise EngineUnavailable(f"the input cannot be written as JSON: {error}") from None
        if instant is not None:
            _write_instant(instant, request)
        response: pb.QueryResponse = await self._unary("Query", request, timeout)
        match response.WhichOneof("outcome"):
            case "answers":
                return [json.loads(binding) for binding in response.answers.bindings]
            case "errors" if response.errors.errors:
                raise QueryRefused([QueryProblem(e.code, e.message, e.place) for e in response.errors.errors])
        raise EngineUnavailable(
            f"the engine could not be queried: {response.failure.message or 'empty answer'}"
        )

    async def revision(self) -> pb.GetRevisionResponse:
        """The policy revision in force, and what was refused of the newest change; or EngineUnavailable."""
        response: pb.GetRevisionResponse = await self._unary(
            "GetRevision", pb.GetRevisionRequest(), self._timeout
        )
        return response

    async def watch(self) -> AsyncGenerator[pb.GetRevisionResponse, None]:
        """The revision in force, now and whenever it changes or a change is refused; until the client is closed.

        While the engine cannot be reached there is nothing to tell; afterwards comes what is then in force. Raises
        EngineUnavailable where the client is closed already.
        """
        if self._channel is None:
            raise EngineUnavailable(_CLOSED)
        told = None
        async with aclosing(self._states()) as states:
            async for state in states:
                if state is not None and state != told:
                    told = state
                    yield state

    async def _states(self) -> AsyncGenerator[pb.GetRevisionResponse | None, None]:
        """What the engine says of its revision; None whenever it has ceased to say it."""
        retry = _FIRST_RETRY
        while self._channel is not None:
            try:
                call = self._stub.WatchRevision(pb.WatchRevisionRequest(), metadata=bearer(self._token))
                async for message in call:
                    retry = _FIRST_RETRY
                    yield message.state
            except asyncio.CancelledError:
                if not self._is_closing():
                    raise
                return
            except Exception:  # noqa: S110 - whoever watches waits until the engine can be reached again
                pass
            yield None
            await asyncio.sleep(retry * random.uniform(0.5, 1.0))  # noqa: S311 - spreads the clients of one engine
            retry = min(_LAST_RETRY, retry * 2)

    async def _follow(self, cache: DecisionCache) -> None:
        async with aclosing(self._states()) as states:
            async for state in states:
                cache.watched("" if state is None else state.revision)

    async def _unary(self, method: str, request: Any, seconds: float) -> Any:
        if self._channel is None:
            raise EngineUnavailable(_CLOSED)
        try:
            return await getattr(self._stub, method)(request, timeout=seconds, metadata=bearer(self._token))
        except grpc.aio.AioRpcError as error:
            raise EngineUnavailable(reason_of(error, self.target)) from None
        except asyncio.CancelledError:
            if not self._is_closing():
                raise
            raise EngineUnavailable(_CLOSED) from None
        except Exception as error:  # such as a token that nobody gave
            why = (
                _CLOSED if self._channel is None else f"the engine at {self.target} cannot be asked: {error}"
            )
            raise EngineUnavailable(why) from None

    def _is_closing(self) -> bool:
        """Whether what looks like a cancellation is the channel being closed, and not the caller being cancelled."""
        task = asyncio.current_task()
        return self._channel is None and (task is None or not task.cancelling())

    async def _describe_again(self, catalogue: str) -> None:
        # every session notices a restarted engine at once: one of them tells it, the others wait for that
        task = self._describing.get(catalogue)
        if task is None:
            task = asyncio.create_task(self.describe(*self._catalogues[catalogue]))
            self._describing[catalogue] = task
            task.add_done_callback(lambda _: self._describing.pop(catalogue, None))
        if await asyncio.shield(task) != catalogue:
            raise EngineUnavailable("the engine knows this catalogue under another hash")


def _undecided(answer: pb.DecideResponse) -> EngineUnavailable:
    return EngineUnavailable(f"the engine could not decide: {answer.failure.message or 'empty answer'}")


def _write_instant(instant: int, request: pb.ExplainRequest | pb.QueryRequest) -> None:
    try:
        request.instant.FromNanoseconds(instant)
    except ValueError:
        raise EngineUnavailable(f"`{instant}` is no instant that can be written") from None
