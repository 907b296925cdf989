"""Work that takes its time, done aside, in threads, so that no decision waits with it: decisions that may have to wait for
another host, explanations, queries.

Only engines that were granted the network have such decisions (`Engine.waits`). All others are made on the event loop.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

__all__ = ["Aside", "Overloaded", "as_they_come"]

_Done = TypeVar("_Done")
_Question = TypeVar("_Question")
_Answer = TypeVar("_Answer")

_UNDER_WAY: Final = 64
"""Messages of one stream that are worked on at once; the next is read when one of them is answered."""


class Overloaded(Exception):
    """As much is under way as may be; the message is one sentence."""


class Aside:
    """Does work in threads, so much at once; the rest takes its turn.

    `waiting` bounds how much may wait for its turn, more is refused; where it is None, that is bounded by how many calls
    are taken at once. Whoever stops waiting, because the call was cancelled or its deadline has passed, gives its turn to
    the next; what was begun goes on to its end, and counts until then.
    """

    def __init__(self, most: int, *, waiting: int | None = None) -> None:
        self._threads = ThreadPoolExecutor(most, thread_name_prefix="aside")
        self._room = None if waiting is None else threading.Semaphore(most + waiting)

    async def run(self, work: Callable[[], _Done]) -> _Done:
        """What `work` gives, and raises. Raises Overloaded."""
        room = self._room
        if room is None:
            return await asyncio.wrap_future(self._threads.submit(work))
        if not room.acquire(blocking=False):
            raise Overloaded("as many requests of this kind as may be are under way already")
        begun = self._threads.submit(work)
        begun.add_done_callback(lambda _: room.release())
        return await asyncio.wrap_future(begun)

    def close(self) -> None:
        """Begin nothing any more. What is under way is left to end by itself."""
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
