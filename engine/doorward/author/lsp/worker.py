"""Work beside the event loop, one piece after another, that never keeps the process from ending."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from queue import SimpleQueue
from threading import Thread
from typing import Any, TypeVar

__all__ = ["Worker"]

Result = TypeVar("Result")


class Worker:
    """A daemon thread that runs what it is handed, in order. A caller that is cancelled meanwhile just gets no answer."""

    def __init__(self, name: str) -> None:
        self._waiting: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._thread = Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    async def run(self, function: Callable[..., Result], *args: Any) -> Result:
        """What the function gives back, or raises."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Result] = loop.create_future()

        def settle(result: Result | None, error: BaseException | None) -> None:
            if answer.done():
                return
            if error is not None:
                answer.set_exception(error)
            else:
                answer.set_result(result)  # type: ignore[arg-type] # it is the function's own

        def work() -> None:
            if answer.cancelled():
                return
            try:
                result, error = function(*args), None
            except Exception as raised:
                result, error = None, raised
            if not loop.is_closed():
                loop.call_soon_threadsafe(settle, result, error)

        self._waiting.put(work)
        return await answer

    def _work(self) -> None:
        while True:
            self._waiting.get()()
