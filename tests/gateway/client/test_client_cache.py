"""Decisions that a client gives again: only such as may be, only while it is known by what the engine decides."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc.aio
import pytest
from tests.support.asking import until_true
from tests.support.served import PATIENCE

from doorward_gateway.client import AsyncClient
from doorward_gateway.client.cache import DecisionCache
from doorward_proto.v1 import decision_pb2 as pb
from doorward_proto.v1.decision_pb2_grpc import DecisionServiceServicer, add_DecisionServiceServicer_to_server

KEY = (b"{}", "", False)


def decision(**more: Any) -> pb.Decision:
    return pb.Decision(
        **{"decision_id": "d", "revision": "r1", "verdict": pb.VERDICT_ALLOW, "cacheable": True, **more}
    )


def test_what_is_kept_is_given_again_as_a_copy() -> None:
    cache = DecisionCache(2)
    cache.watched("r1")
    cache.keep(KEY, decision())
    first = cache.get(KEY)
    assert first == decision()
    first.verdict = pb.VERDICT_BLOCK
    assert cache.get(KEY) == decision()


@pytest.mark.parametrize(
    "other",
    [
        {"cacheable": False},
        {"verdict": pb.VERDICT_APPROVE},
        {"verdict": pb.VERDICT_UNSPECIFIED},
        {"approvals": [pb.Approval()]},
        {"credential": pb.Credential()},
        {"errors": [pb.EvaluationError(code="eval_type_error")]},
        {"revision": ""},
        {"revision": "r2"},
        {"facts": b"x" * 70_000},
    ],
)
def test_what_may_not_be_kept_is_not(other: dict[str, Any]) -> None:
    cache = DecisionCache(2)
    cache.watched("r1")
    cache.keep(KEY, decision(**other))
    assert cache.get(KEY) is None


def test_masks_are_kept_with_their_decision() -> None:
    cache = DecisionCache(2)
    cache.watched("r1")
    masked = decision(masks=[pb.Mask(target="a.b")])
    cache.keep(KEY, masked)
    assert cache.get(KEY) == masked


def test_nothing_is_kept_while_nobody_knows_the_revision() -> None:
    cache = DecisionCache(2)
    cache.keep(KEY, decision())
    assert cache.get(KEY) is None
    cache.watched("r1")
    cache.keep(KEY, decision())
    cache.watched("")
    cache.watched("r1")
    assert cache.get(KEY) is None


def test_an_answer_of_another_revision_drops_all_of_it() -> None:
    cache = DecisionCache(2)
    cache.watched("r1")
    cache.keep(KEY, decision())
    cache.keep((b"[]", "", False), decision(revision="r2"))
    assert cache.get(KEY) is None


def test_it_is_bounded_and_tells_questions_apart() -> None:
    cache = DecisionCache(2)
    cache.watched("r1")
    keys = [(b"{}", "", False), (b"{}", "c", False), (b"{}", "", True)]
    for number, key in enumerate(keys):
        cache.keep(key, decision(decision_id=str(number)))
    kept = [cache.get(key) for key in keys]
    assert kept[0] is None
    assert [one.decision_id for one in kept[1:] if one is not None] == ["1", "2"]


# --- with an engine ---


class Told(DecisionServiceServicer):
    """An engine of one revision, which it is told; allows everything, and counts what it is asked."""

    def __init__(self) -> None:
        self.revision = "r1"
        self.asked = 0
        self.changed = asyncio.Event()
        self.watchable = True

    def becomes(self, revision: str) -> None:
        self.revision = revision
        self.changed.set()
        self.changed = asyncio.Event()

    async def DecideStream(  # noqa: N802 - the name of the method on the wire
        self, request_iterator: AsyncIterator[pb.DecideBatchRequest], context: Any
    ) -> AsyncIterator[pb.DecideBatchResponse]:
        await context.send_initial_metadata(())
        async for message in request_iterator:
            self.asked += len(message.requests)
            yield pb.DecideBatchResponse(
                responses=[
                    pb.DecideResponse(request_id=one.request_id, decision=decision(revision=self.revision))
                    for one in message.requests
                ]
            )

    async def WatchRevision(  # noqa: N802
        self, request: pb.WatchRevisionRequest, context: Any
    ) -> AsyncIterator[pb.WatchRevisionResponse]:
        while self.watchable:
            changed = self.changed
            yield pb.WatchRevisionResponse(state=pb.GetRevisionResponse(revision=self.revision))
            await changed.wait()


@asynccontextmanager
async def told(cache: int) -> AsyncIterator[tuple[Told, AsyncClient]]:
    engine, server = Told(), grpc.aio.server()
    add_DecisionServiceServicer_to_server(engine, server)  # type: ignore[no-untyped-call]
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with AsyncClient(f"127.0.0.1:{port}", timeout=PATIENCE, cache=cache) as client:
            yield engine, client
    finally:
        await server.stop(None)


async def asks(engine: Told, client: AsyncClient) -> bool:
    """Whether the engine is asked for a decision."""
    before = engine.asked
    assert (await client.decide(b"{}")).allowed
    await asyncio.sleep(0)
    return engine.asked > before


async def test_what_is_kept_is_not_asked_again_until_the_revision_changes() -> None:
    async with told(cache=10) as (engine, client):

        async def kept() -> bool:
            return not await asks(engine, client)

        await until_true(kept)
        assert await asks(engine, client) is False
        engine.becomes("r2")
        decided = await client.decide(b"{}")
        while decided.message.revision != "r2":  # until the watch has told: then never again by the old one
            decided = await client.decide(b"{}")
            await asyncio.sleep(0)
        await until_true(kept)
        assert (await client.decide(b"{}")).message.revision == "r2"


async def test_nothing_is_kept_unless_that_is_asked_for() -> None:
    async with told(cache=0) as (engine, client):
        assert [await asks(engine, client) for _ in range(5)] == [True] * 5


async def test_a_watch_that_breaks_drops_all_of_it() -> None:
    async with told(cache=10) as (engine, client):

        async def kept() -> bool:
            return not await asks(engine, client)

        await until_true(kept)
        engine.watchable = False
        engine.becomes("r1")

        async def asked() -> bool:
            return await asks(engine, client)

        await until_true(asked)
        assert [await asks(engine, client) for _ in range(5)] == [True] * 5
