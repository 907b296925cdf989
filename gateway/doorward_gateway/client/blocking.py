"""The client for programs without asyncio: the same one, on a thread of its own."""

from __future__ import annotations

import asyncio
import concurrent.futures
import os
import threading
import weakref
from collections.abc import AsyncGenerator, Coroutine, Iterator, Mapping
from contextlib import suppress
from types import TracebackType
from typing import Any, Final, Self, TypeVar

import grpc

from doorward_gateway.client.asynchronous import NO_INPUT, SLOW_TIMEOUT, AsyncClient, document_bytes
from doorward_gateway.client.channel import Token
from doorward_gateway.client.decision import Decision
from doorward_gateway.client.errors import EngineUnavailable
from doorward_proto.v1 import decision_pb2 as pb

__all__ = ["Client"]

_Answer = TypeVar("_Answer")

_SLACK: Final = 1.0
"""Seconds beyond a deadline after which the thread counts as stuck."""


class Client:
    """A client of one engine, for any number of threads of one process: `with Client("127.0.0.1:8181") as engine`.

    Takes what `AsyncClient` takes, and each call does what it does there; what threads ask at the same time goes out in
    one message. It works from the start; `close` ends it, and so does the end of the program. A process that was forked
    needs a client of its own: there, this one refuses.
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
        self._timeout = timeout
        self._client = AsyncClient(
            target,
            timeout=timeout,
            credentials=credentials,
            token=token,
            max_waiting=max_waiting,
            cache=cache,
        )
        self._process = os.getpid()
        self._loop = asyncio.new_event_loop()
        self._submitting = threading.Lock()  # nothing is submitted to a loop that is about to end
        thread = threading.Thread(target=_run, args=(self._loop,), name="engine-client", daemon=True)
        thread.start()
        # the thread must not keep the client alive, nor its end be forgotten where nobody closes it
        self._end = weakref.finalize(
            self, _stop, self._client, self._loop, thread, self._process, self._submitting
        )
        try:
            self._call(self._client.__aenter__())
        except BaseException:
            self._end()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the stream; calls under way get EngineUnavailable."""
        self._end()

    @property
    def target(self) -> str:
        """Where the engine is."""
        return self._client.target

    @property
    def connected(self) -> bool:
        """Whether the stream to the engine stands, as far as anybody knows."""
        return self._end.alive and self._client.connected

    def decide(
        self,
        document: Mapping[str, Any] | bytes,
        catalogue: str = "",
        *,
        want_facts: bool = False,
        traceparent: str = "",
        timeout: float | None = None,
    ) -> Decision:
        """The decision on one access request; see `AsyncClient.decide`."""
        body = document_bytes(document)
        seconds = self._timeout if timeout is None else timeout
        asked = self._client.decide(
            body, catalogue, want_facts=want_facts, traceparent=traceparent, timeout=seconds
        )
        return self._call(asked, seconds)

    def describe(self, kind: str, catalogue: bytes) -> str:
        """Make a backend's catalogue known to the engine; see `AsyncClient.describe`."""
        return self._call(self._client.describe(kind, catalogue))

    def explain(
        self,
        document: Mapping[str, Any] | bytes,
        catalogue: str = "",
        *,
        instant: int | None = None,
        replaying: pb.Effects | None = None,
        nearest: bool = True,
        timeout: float = SLOW_TIMEOUT,
    ) -> pb.Explanation:
        """The truth about one access request; see `AsyncClient.explain`."""
        body = document_bytes(document)
        asked = self._client.explain(
            body, catalogue, instant=instant, replaying=replaying, nearest=nearest, timeout=timeout
        )
        return self._call(asked, timeout)

    def query(
        self,
        query: str,
        input: Any = NO_INPUT,  # noqa: A002 - the name it has in Rego
        *,
        within: str = "",
        strict_builtin_errors: bool = False,
        instant: int | None = None,
        timeout: float = SLOW_TIMEOUT,
    ) -> list[dict[str, Any]]:
        """Every answer to a Rego query; see `AsyncClient.query`."""
        asked = self._client.query(
            query,
            input,
            within=within,
            strict_builtin_errors=strict_builtin_errors,
            instant=instant,
            timeout=timeout,
        )
        return self._call(asked, timeout)

    def revision(self) -> pb.GetRevisionResponse:
        """The policy revision in force; see `AsyncClient.revision`."""
        return self._call(self._client.revision())

    def watch(self) -> Iterator[pb.GetRevisionResponse]:
        """The revision in force, now and whenever it changes; see `AsyncClient.watch`."""
        states = self._client.watch()
        try:
            state = self._call(_next(states))
            while state is not None:
                yield state
                try:
                    state = self._call(_next(states))
                except EngineUnavailable:  # closed meanwhile
                    return
        finally:
            with suppress(EngineUnavailable):  # closed: then all of it has ended
                self._call(states.aclose())

    def _call(self, asked: Coroutine[Any, Any, _Answer], seconds: float | None = None) -> _Answer:
        """What the coroutine gives on the client's own thread; `seconds` is when it should have ended by itself."""
        if os.getpid() != self._process:
            asked.close()
            raise EngineUnavailable("this engine client was made in another process: each needs its own")
        with self._submitting:
            if not self._end.alive:
                asked.close()
                raise EngineUnavailable("the engine client is closed")
            answer = asyncio.run_coroutine_threadsafe(asked, self._loop)
        try:
            return answer.result(None if seconds is None else seconds + _SLACK)
        except concurrent.futures.CancelledError:
            raise EngineUnavailable("the engine client is closed") from None
        except TimeoutError:
            raise EngineUnavailable(f"the engine at {self.target} did not answer in time") from None
        finally:
            answer.cancel()  # whoever is interrupted waits no more


async def _next(states: AsyncGenerator[pb.GetRevisionResponse, None]) -> pb.GetRevisionResponse | None:
    return await anext(states, None)


def _run(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
    finally:
        loop.close()


def _stop(
    client: AsyncClient,
    loop: asyncio.AbstractEventLoop,
    thread: threading.Thread,
    process: int,
    submitting: threading.Lock,
) -> None:
    if os.getpid() != process:
        return  # what was forked has no thread to end

    async def end() -> None:
        await client.close()
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)
        await loop.shutdown_asyncgens()

    with submitting:
        ended = asyncio.run_coroutine_threadsafe(end(), loop)
    ended.add_done_callback(lambda _: loop.call_soon_threadsafe(loop.stop))
    if thread is not threading.current_thread():  # as it is where a forgotten client is collected there
        thread.join()
