"""The gateway's way to the engine: against a real engine, and against engines that break or lie."""

from __future__ import annotations

import asyncio
import json
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
from tests.support.asking import until, until_true
from tests.support.postgres import free_port
from tests.support.served import PATIENCE, served, write_policies

from doorward_gateway.client import AsyncClient, EngineUnavailable
from doorward_proto.v1 import decision_pb2 as pb
from doorward_proto.v1.decision_pb2_grpc import DecisionServiceServicer, add_DecisionServiceServicer_to_server

WARD = "package p\ngoverns postgres\nallow if sql.read_only\n"
CATALOGUE = json.dumps(
    {
        "server_version": 180000,
        "database": "shop",
        "relations": [["public", "customers", 100, "r", [["id", 1, "text"]]]],
        "functions": [],
    }
).encode()


def document(statement: str = "select 1") -> dict[str, Any]:
    return {
        "action": {"name": "query"},
        "resource": {"kind": "postgres"},
        "postgres": {"statement": statement},
    }


# --- a real engine ---


async def test_it_asks_a_real_engine(tmp_path: Path) -> None:
    with served(write_policies(tmp_path, {"p.ward": WARD})) as engine:
        async with AsyncClient(engine.target, timeout=PATIENCE) as client:
            allowed, blocked = await asyncio.gather(
                client.decide(document()), client.decide(json.dumps(document("drop table x")).encode())
            )
            assert (allowed.verdict, blocked.verdict) == ("allow", "block")
            assert allowed.message.revision == (await client.revision()).revision == engine.ready["revision"]
            assert client.connected
            facts = (await client.decide(document(), want_facts=True)).message.facts
            assert json.loads(facts)["sql"]["read_only"] is True


async def test_a_thousand_callers_get_their_own_answers(tmp_path: Path) -> None:
    with served(write_policies(tmp_path, {"p.ward": WARD})) as engine:
        async with AsyncClient(engine.target, timeout=PATIENCE) as client:
            asked = [document("select 1" if n % 3 else "create table x (y int)") for n in range(1000)]
            answers = await asyncio.gather(*[client.decide(one) for one in asked])
    expected = ["allow" if n % 3 else "block" for n in range(1000)]
    assert [answer.verdict for answer in answers] == expected
    assert len({answer.message.decision_id for answer in answers}) == 1000


async def test_an_engine_killed_refuses_at_once_and_recovers_when_it_returns(tmp_path: Path) -> None:
    policies = write_policies(tmp_path, {"p.ward": WARD})
    listen = f"127.0.0.1:{free_port()}"
    async with AsyncClient(listen, timeout=PATIENCE) as client:
        with served(policies, listen=listen) as engine:
            await until_true(lambda: allowed(client))
            digest = await client.describe("postgres", CATALOGUE)
            question = document("select id from customers")
            assert (await client.decide(question, digest)).verdict == "allow"
            engine.stop(signal.SIGKILL)
        started = time.monotonic()
        for _ in range(20):
            with pytest.raises(EngineUnavailable):
                await client.decide(document())
        assert time.monotonic() - started < PATIENCE / 2  # refused at once, not each after the time-out
        await until_true(lambda: refused(client, "cannot be reached"))
        assert not client.connected
        with served(policies, listen=listen):
            await until_true(lambda: allowed(client))
            # the new process was never told of the catalogue
            answers = await asyncio.gather(*[client.decide(question, digest) for _ in range(50)])
            assert {answer.verdict for answer in answers} == {"allow"}


async def allowed(client: AsyncClient) -> bool:
    try:
        return (await client.decide(document())).verdict == "allow"
    except EngineUnavailable:
        return False


async def refused(client: AsyncClient, why: str) -> bool:
    try:
        await client.decide(document())
    except EngineUnavailable as error:
        return why in error.reason
    return False


async def test_an_engine_that_stands_still_runs_into_the_deadline(tmp_path: Path) -> None:
    with served(write_policies(tmp_path, {"p.ward": WARD})) as engine:
        async with AsyncClient(engine.target, timeout=PATIENCE) as client:
            assert await allowed(client)
            engine.process.send_signal(signal.SIGSTOP)
            try:
                with pytest.raises(EngineUnavailable, match=r"did not answer within 0\.1 s"):
                    await client.decide(document(), timeout=0.1)
            finally:
                engine.process.send_signal(signal.SIGCONT)
            assert await allowed(client)


# --- engines that break or lie ---

Answer = Callable[[pb.DecideBatchRequest], AsyncIterator[pb.DecideBatchResponse]]


class Liar(DecisionServiceServicer):
    """Answers streams as it is told, and counts the messages it got."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.messages: list[int] = []

    async def DecideStream(  # noqa: N802 - the name of the method on the wire
        self, request_iterator: AsyncIterator[pb.DecideBatchRequest], context: Any
    ) -> AsyncIterator[pb.DecideBatchResponse]:
        await context.send_initial_metadata(())
        async for message in request_iterator:
            self.messages.append(len(message.requests))
            async for response in self.answer(message):
                yield response


@asynccontextmanager
async def lying(answer: Answer) -> AsyncIterator[tuple[AsyncClient, Liar]]:
    liar = Liar(answer)
    server = grpc.aio.server()
    add_DecisionServiceServicer_to_server(liar, server)  # type: ignore[no-untyped-call]
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with AsyncClient(f"127.0.0.1:{port}", timeout=0.5) as client:
            yield client, liar
    finally:
        await server.stop(None)


def yes(request: pb.DecideRequest, name: str | None = None) -> pb.DecideResponse:
    decision = pb.Decision(verdict=pb.VERDICT_ALLOW, decision_id=request.json.decode())
    return pb.DecideResponse(request_id=request.request_id if name is None else name, decision=decision)


async def honest(message: pb.DecideBatchRequest) -> AsyncIterator[pb.DecideBatchResponse]:
    yield pb.DecideBatchResponse(responses=[yes(request) for request in message.requests])


async def silent(message: pb.DecideBatchRequest) -> AsyncIterator[pb.DecideBatchResponse]:
    return
    yield


async def strangers(message: pb.DecideBatchRequest) -> AsyncIterator[pb.DecideBatchResponse]:
    yield pb.DecideBatchResponse(responses=[yes(request, "not yours") for request in message.requests])


async def empty(message: pb.DecideBatchRequest) -> AsyncIterator[pb.DecideBatchResponse]:
    ids = [request.request_id for request in message.requests]
    yield pb.DecideBatchResponse(responses=[pb.DecideResponse(request_id=name) for name in ids])


async def breaks(message: pb.DecideBatchRequest) -> AsyncIterator[pb.DecideBatchResponse]:
    raise RuntimeError("broken")
    yield


def failing(code: pb.Failure.Code) -> Answer:
    async def answer(message: pb.DecideBatchRequest) -> AsyncIterator[pb.DecideBatchResponse]:
        failure = pb.Failure(code=code, message="because")
        ids = [request.request_id for request in message.requests]
        yield pb.DecideBatchResponse(
            responses=[pb.DecideResponse(request_id=i, failure=failure) for i in ids]
        )

    return answer


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (silent, "did not answer within 0.5 s"),
        (strangers, "did not answer within 0.5 s"),
        (empty, "the engine could not decide: empty answer"),
        (breaks, "refused: Unexpected <class 'RuntimeError'>"),
        (failing(pb.Failure.CODE_INVALID_REQUEST), "the engine could not decide: because"),
        (failing(pb.Failure.CODE_UNKNOWN_CATALOGUE), "the engine could not decide: because"),
        (failing(pb.Failure.CODE_UNSPECIFIED), "the engine could not decide: because"),
    ],
)
async def test_whatever_is_not_a_decision_is_none(answer: Answer, why: str) -> None:
    async with lying(answer) as (client, _):
        with pytest.raises(EngineUnavailable) as caught:
            await client.decide(document())
    assert why in caught.value.reason


async def test_an_unset_verdict_is_handed_on_as_it_came() -> None:
    async def unset(message: pb.DecideBatchRequest) -> AsyncIterator[pb.DecideBatchResponse]:
        (request,) = message.requests
        yield pb.DecideBatchResponse(
            responses=[pb.DecideResponse(request_id=request.request_id, decision=pb.Decision())]
        )

    async with lying(unset) as (client, _):
        decision = await client.decide(document())
    assert decision.message.verdict == pb.VERDICT_UNSPECIFIED
    assert decision.verdict == "block"
    assert not decision


async def test_answers_find_their_callers_in_any_order() -> None:
    async def backwards(message: pb.DecideBatchRequest) -> AsyncIterator[pb.DecideBatchResponse]:
        for request in reversed(message.requests):
            yield pb.DecideBatchResponse(responses=[yes(request), yes(request, "nobody"), yes(request)])

    async with lying(backwards) as (client, _):
        answers = await asyncio.gather(*[client.decide(b"%d" % n) for n in range(100)])
    assert [answer.message.decision_id for answer in answers] == [str(n) for n in range(100)]


async def test_what_waits_together_leaves_together() -> None:
    async with lying(honest) as (client, liar):
        await asyncio.gather(*[client.decide(b"%d" % n) for n in range(200)])
        assert liar.messages == [100, 100]  # in two, so that one is decided while the other is on its way
        await client.decide(b"alone")
        assert liar.messages == [100, 100, 1]


async def test_what_waits_for_an_engine_that_is_busy_leaves_together_and_does_not_wait_for_long() -> None:
    owed: list[pb.DecideRequest] = []

    async def from_the_third_on(message: pb.DecideBatchRequest) -> AsyncIterator[pb.DecideBatchResponse]:
        owed.extend(message.requests)
        if len(owed) > 2:
            yield pb.DecideBatchResponse(responses=[yes(request) for request in owed])

    async with lying(from_the_third_on) as (client, liar), asyncio.timeout(PATIENCE):
        asked = []
        for number in (1, 2):
            asked.append(asyncio.create_task(client.decide(b"%d" % number)))
            await until(lambda sent=number: len(liar.messages) >= sent)  # type: ignore[misc]
        answers = await asyncio.gather(*asked, *[client.decide(b"%d" % n) for n in range(3, 40)])
    assert [answer.message.decision_id for answer in answers] == [str(n) for n in range(1, 40)]
    assert liar.messages == [1, 1, 37]


async def test_each_request_carries_what_it_was_asked_with() -> None:
    came: list[pb.DecideRequest] = []

    async def noting(message: pb.DecideBatchRequest) -> AsyncIterator[pb.DecideBatchResponse]:
        came.extend(message.requests)
        async for response in honest(message):
            yield response

    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    async with lying(noting) as (client, _):
        await asyncio.gather(
            client.decide(b"1"),
            client.decide(b"2", "c", want_facts=True),
            client.decide(b"3", traceparent=trace),
        )
    assert [(one.json, one.catalogue, one.want_facts, one.traceparent) for one in came] == [
        (b"1", "", False, ""),
        (b"2", "c", True, ""),
        (b"3", "", False, trace),
    ]


async def test_large_requests_do_not_leave_in_one_message() -> None:
    async with lying(honest) as (client, liar):
        # what is as large as a single request may be goes out two at a time, far below what an engine takes
        big = b'"' + b"x" * 1_000_000 + b'"'
        await asyncio.gather(*[client.decide(big, timeout=PATIENCE) for _ in range(7)])
    assert sum(liar.messages) == 7
    assert max(liar.messages) <= 3


async def test_what_is_too_large_never_leaves() -> None:
    async with lying(honest) as (client, liar):
        with pytest.raises(EngineUnavailable, match="over the limit"):
            await client.decide(document("x" * (1 << 20)))
        with pytest.raises(EngineUnavailable, match="cannot be written as JSON"):
            await client.decide({"a": object()})
        assert liar.messages == []


async def test_who_gave_up_is_not_asked_for() -> None:
    async with lying(honest) as (client, liar):
        task = asyncio.create_task(client.decide(b"1"))
        await asyncio.sleep(0)
        assert not client.connected
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (await client.decide(b"2")).message.decision_id == "2"
    assert liar.messages == [1]


async def ready(client: AsyncClient) -> bool:
    await asyncio.sleep(0.01)
    return client.connected


async def test_waiting_is_bounded() -> None:
    async with lying(silent) as (quiet, _):
        client = AsyncClient(quiet.target, timeout=0.3, max_waiting=3)
        async with client:
            answers = await asyncio.gather(*[client.decide(b"1") for _ in range(10)], return_exceptions=True)
    reasons = [answer.reason for answer in answers if isinstance(answer, EngineUnavailable)]
    assert len(reasons) == 10
    assert sum("are waiting for the engine already" in reason for reason in reasons) == 7


async def test_a_stream_that_breaks_is_opened_anew() -> None:
    async def moody(message: pb.DecideBatchRequest) -> AsyncIterator[pb.DecideBatchResponse]:
        if any(request.json == b"1" for request in message.requests):
            raise RuntimeError("broken")
        async for response in honest(message):
            yield response

    async with lying(moody) as (client, _):
        with pytest.raises(EngineUnavailable):
            await client.decide(b"1")

        async def again() -> bool:
            try:
                return (await client.decide(b"2")).verdict == "allow"
            except EngineUnavailable:
                return False

        await until_true(again)


async def test_closing_ends_calls_under_way() -> None:
    async with lying(silent) as (client, _):
        task = asyncio.create_task(client.decide(b"1", timeout=PATIENCE))
        await until_true(lambda: ready(client))
        await client.close()
        with pytest.raises(EngineUnavailable, match="closed"):
            await task
        with pytest.raises(EngineUnavailable, match="closed"):
            await client.decide(b"2")
        with pytest.raises(EngineUnavailable, match="closed"):
            await client.revision()


async def test_nobody_there() -> None:
    async with AsyncClient(f"127.0.0.1:{free_port()}", timeout=PATIENCE) as client:
        with pytest.raises(EngineUnavailable, match="cannot be reached"):
            await client.decide(document())
        with pytest.raises(EngineUnavailable, match="cannot be reached"):
            await client.describe("postgres", b"{}")
