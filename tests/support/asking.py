"""Callers who ask without end and know the right answer to each of their questions: what they are told must be that, or
nothing, and in time.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from tests.support.served import PATIENCE

from doorward_gateway.client import AsyncClient, EngineUnavailable

__all__ = ["POLICY", "Asking", "asking", "until", "until_true"]

POLICY: Final = 'package p\n\ngoverns ssh\n\nallow "harmless" if ssh.argv[0] == "uptime"\n'
"""What the engine that is asked has to decide by."""


async def until(holds: Callable[[], bool], what: str = "it") -> None:
    """Wait until something holds."""
    try:
        async with asyncio.timeout(PATIENCE):
            while not holds():  # noqa: ASYNC110 - what is waited for is in other processes
                await asyncio.sleep(0.005)
    except TimeoutError:
        raise AssertionError(f"{what} never came") from None


async def until_true(holds: Callable[[], Awaitable[bool]]) -> None:
    """The same, of something that has to be asked for."""
    async with asyncio.timeout(PATIENCE):
        while not await holds():  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.005)


@dataclass
class Asking:
    """What became of the questions."""

    answered: int = 0
    refused: int = 0
    wrong: list[str] = field(default_factory=list)
    reasons: set[str] = field(default_factory=set)
    longest: float = 0.0
    """Seconds that the slowest took, answered or refused."""

    async def more(self, answered: int = 0, refused: int = 0) -> None:
        """Wait until there are so many more answers and refusals."""
        answers, refusals = self.answered + answered, self.refused + refused
        await until(
            lambda: self.answered >= answers and self.refused >= refusals,
            f"{answered} answers, {refused} refusals",
        )


@asynccontextmanager
async def asking(client: AsyncClient, callers: int, **options: Any) -> AsyncIterator[Asking]:
    """Callers at work on a client, which takes `options` with each question; each asks on when it is answered."""
    told = Asking()
    numbers = itertools.count()

    async def ask() -> None:
        number = next(numbers)
        command = f"{'uptime' if number % 2 else 'reboot'} {number}"
        question = {
            "principal": {"id": "ana"},
            "action": {"name": "exec"},
            "resource": {"kind": "ssh", "name": "host"},
            "ssh_request": {"request": "exec", "command": command},
        }
        begin = time.monotonic()
        try:
            decision = await client.decide(question, want_facts=True, **options)
        except EngineUnavailable as error:
            told.refused += 1
            told.reasons.add(error.reason)
            await asyncio.sleep(0.001)
        else:
            told.answered += 1
            about = json.loads(decision.message.facts or b"{}").get("ssh", {}).get("command")
            if decision.allowed != bool(number % 2) or about != command:
                told.wrong.append(f"{command}: {decision.verdict} about {about}")
        told.longest = max(told.longest, time.monotonic() - begin)

    async def caller() -> None:
        while True:
            await ask()

    tasks = [asyncio.create_task(caller()) for _ in range(callers)]
    try:
        yield told
    finally:
        for task in tasks:
            task.cancel()
        endings = await asyncio.gather(*tasks, return_exceptions=True)
    # whatever else comes out of a call than an answer or EngineUnavailable is a fault
    assert all(isinstance(ending, asyncio.CancelledError) for ending in endings), endings
    assert told.wrong == []
