"""Whoever wants to know of changes of the policies, and is told until the service stops."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

__all__ = ["Changes"]


class Changes:
    """Tells any number of watchers that something has changed. For one event loop.

    A watcher that is slow is told of many changes once: what it then looks at is the latest state.
    """

    def __init__(self) -> None:
        self._next: asyncio.Future[None] | None = None
        self._ended = False

    def tell(self) -> None:
        """Something has changed."""
        told, self._next = self._next, None
        if told is not None and not told.done():
            told.set_result(None)

    def end(self) -> None:
        """There will be no more changes: everybody who watches is done."""
        self._ended = True
        self.tell()

    async def watch(self) -> AsyncIterator[None]:
        """At once, and after each change."""
        while not self._ended:
            # taken before the state is looked at, so that no change falls between
            if self._next is None:
                self._next = asyncio.get_running_loop().create_future()
            following = self._next
            yield
            await asyncio.shield(following)
