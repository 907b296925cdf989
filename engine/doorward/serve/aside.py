"""Decisions that may have to wait for another host: made aside, in threads, so that no other one waits with them.

Only engines that were granted the network have such decisions (`Engine.waits`). All others are made on the event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Final, TypeVar

from doorward.decide.decision import Decision
from doorward.engine import Engine
from doorward.facts.postgres import Catalogue

__all__ = ["Aside", "as_they_come"]

_Question = TypeVar("_Question")
_Answer = TypeVar("_Answer")

_UNDER_WAY: Final = 64
"""Messages of one stream that are worked on at once; the next is read when one of them is answered."""


class Aside:
    """Makes decisions in threads, so many at once; the others take their turn.

    How many can be waiting for theirs is bounded by how many calls are taken at once. Whoever stops waiting, because
    the call was cancelled or its deadline has passed, gives its turn to the next.
    """

    def __init__(self, most: int) -> None:
        self._threads = ThreadPoolExecutor(most, thread_name_prefix="aside")

    async def decide(
        self, engine: Engine, document: Any, catalogue: Catalogue | None, now_ns: int
    ) -> Decision:
        """What `engine.decide` gives, and raises."""
        work = partial(engine.decide, document, catalogue=catalogue, now_ns=now_ns)
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    def close(self) -> None:
        """Begin no decision any more. Those under way are left to end by themselves."""
        self._threads.shutdown(wait=False, cancel_futures=True)


async def as_they_come(
    questions: AsyncIterator[_Question], answer: Callable[[_Question], Awaitable[_Answer]]
) -> AsyncIterator[_Answer]:
    """The answers to questions as soon as each is there, in whatever order that is. Raises what `answer` raises."""
    done: asyncio.Queue[asyncio.Task[_Answer] | None] = asyncio.Queue()
    room = asyncio.Semaphore(_UNDER_WAY)
    under_way: set[asyncio.Task[_Answer]] = set()

    async def read() -> None:
        async for question in questions:
            await room.acquire()
            task = asyncio.ensure_future(answer(question))
            under_way.add(task)
            task.add_done_callback(done.put_nowait)

    reader = asyncio.ensure_future(read())
    reader.add_done_callback(lambda _: done.put_nowait(None))
    try:
        while not reader.done() or under_way:
            ended = await done.get()
            if ended is None:
                reader.result()
                continue
            under_way.discard(ended)
            room.release()
            yield ended.result()
    finally:
        reader.cancel()
        for task in under_way:
            task.cancel()
