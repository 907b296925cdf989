"""Engines that die, lines that break, messages that lie: never a wrong allow, never a hang, nothing left behind, and the
stream comes back by itself.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import psutil
import pytest
from tests.support.asking import POLICY, asking, until
from tests.support.faults import BACK, FORTH, Fault, FaultProxy
from tests.support.postgres import free_port
from tests.support.served import PATIENCE, Served, served, write_policies

from doorward_gateway.client import AsyncClient, Client, EngineUnavailable, channel
from doorward_proto.v1 import decision_pb2 as pb

LATE = 10.0
"""Seconds beyond a deadline that a busy machine may take to say that it has passed."""


@pytest.fixture(scope="module")
def policies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_policies(tmp_path_factory.mktemp("policies"), {"p.ward": POLICY})


@pytest.fixture(scope="module")
def engine(policies: Path) -> Iterator[Served]:
    with served(policies) as engine:
        yield engine


# --- engines ---


async def test_an_engine_killed_and_restarted_under_load(policies: Path) -> None:
    listen = f"127.0.0.1:{free_port()}"
    async with AsyncClient(listen, timeout=PATIENCE) as client, asking(client, 64) as told:
        for _ in range(2):
            with served(policies, listen=listen) as engine:
                await told.more(answered=500)
                engine.stop(signal.SIGKILL)
            await told.more(refused=200)
            # no longer than it takes to find that nobody is there: nobody waits for the deadline
            assert told.longest < PATIENCE / 2
        with served(policies, listen=listen):
            await told.more(answered=500)
    assert any("cannot be reached" in reason for reason in told.reasons)


async def test_an_engine_that_stops_costs_nobody_a_decision_where_another_stands_in(policies: Path) -> None:
    with served(policies) as first, served(policies) as second:
        async with (
            FaultProxy(first.target) as proxy,
            AsyncClient(proxy.target, timeout=PATIENCE) as client,
            asking(client, 32) as told,
        ):
            await told.more(answered=500)
            proxy.upstream = second.target
            assert await asyncio.to_thread(first.stop) == 0
            await told.more(answered=500)
    assert told.refused == 0


async def test_a_slow_engine_is_refused_in_time_and_asked_no_more(engine: Served) -> None:
    async with AsyncClient(engine.target, timeout=PATIENCE) as client:
        assert (await client.revision()).revision
        async with asking(client, 32, timeout=0.1) as told:
            await told.more(answered=100)
            engine.process.send_signal(signal.SIGSTOP)
            try:
                await told.more(refused=200)
            finally:
                engine.process.send_signal(signal.SIGCONT)
            await told.more(answered=100)
    assert told.longest < 0.1 + LATE


# --- lines ---

CUTS = [*range(0, 120, 9), 200, 333, 777, 1500, 4000, 9000, 20_000]
"""After how many bytes: within the first frames of a connection, within those of a stream, within messages."""

FEW = [0, 30, 333, 4000, 20_001]

GARBAGE = {
    "zeros": bytes(64),
    "noise": random.Random(7).randbytes(500),
    # a frame of HTTP/2 that is well made: DATA on a stream that nobody has opened
    "a frame": b"\x00\x00\x05\x00\x00\x00\x00\x7f\x01hello",
    "text": b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
}


@pytest.fixture
def soon_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A line that has gone silent is noticed within seconds, so that tests need not wait for it as long as people."""
    quick = dict.fromkeys(
        ("grpc.keepalive_time_ms", "grpc.keepalive_timeout_ms", "grpc.http2.ping_timeout_ms"), 500
    )
    options = tuple((name, quick.get(name, value)) for name, value in channel._OPTIONS)
    monkeypatch.setattr(channel, "_OPTIONS", options)


def every_second(faults: Sequence[Fault]) -> Callable[[int], Sequence[Fault]]:
    """Every second connection has the next of the faults; those between get far enough to answer; then all hold."""

    def plan(number: int) -> Sequence[Fault]:
        turn, between = divmod(number, 2)
        if turn >= len(faults):
            return ()
        return [Fault(BACK, 6_000 + 97 * turn, "cut")] if between else [faults[turn]]

    return plan


async def survives(engine: Served, faults: Sequence[Fault], timeout: float) -> None:  # noqa: ASYNC109
    async with (
        FaultProxy(engine.target, every_second(faults)) as proxy,
        AsyncClient(proxy.target, timeout=timeout) as client,
        asking(client, 16) as told,
    ):
        await until(lambda: proxy.connections > 2 * len(faults), "the last of the connections")
        await told.more(answered=500)
        assert client.connected
    assert told.longest < timeout + LATE


@pytest.mark.parametrize("direction", [FORTH, BACK])
@pytest.mark.parametrize("what", ["cut", "half_close"])
async def test_a_line_that_breaks_anywhere(engine: Served, what: Any, direction: Any) -> None:
    await survives(engine, [Fault(direction, at, what) for at in CUTS], 5.0)


@pytest.mark.usefixtures("soon_noticed")
@pytest.mark.parametrize("direction", [FORTH, BACK])
@pytest.mark.parametrize("what", ["stall", *GARBAGE])
async def test_a_line_that_goes_silent_or_mad(engine: Served, what: Any, direction: Any) -> None:
    await survives(engine, [Fault(direction, at, GARBAGE.get(what, what)) for at in FEW], 0.3)


async def test_threads_meet_broken_lines_too(engine: Served) -> None:
    def work(client: Client, turn: int) -> list[str]:
        wrong = []
        for number in range(100):
            command = f"{'uptime' if number % 2 else 'reboot'} {turn}.{number}"
            question = {
                "principal": {"id": "ana"},
                "action": {"name": "exec"},
                "resource": {"kind": "ssh", "name": "host"},
                "ssh_request": {"request": "exec", "command": command},
            }
            try:
                decision = client.decide(question, want_facts=True)
            except EngineUnavailable:
                continue
            about = json.loads(decision.message.facts)["ssh"]["command"]
            if decision.allowed != bool(number % 2) or about != command:
                wrong.append(command)
        return wrong

    def plan(number: int) -> Sequence[Fault]:
        return [Fault(BACK, 15_000, "cut")] if number < 10 else ()

    async with FaultProxy(engine.target, plan) as proxy:
        client = await asyncio.to_thread(Client, proxy.target, timeout=5.0)
        try:
            asked = await asyncio.gather(*[asyncio.to_thread(work, client, turn) for turn in range(4)])
            assert asked == [[]] * 4
            assert proxy.connections > 2
        finally:
            await asyncio.to_thread(client.close)


async def test_nothing_is_left_behind(engine: Served) -> None:
    process = psutil.Process()

    def plan(number: int) -> Sequence[Fault]:
        return [Fault(BACK, 30_000, "cut")] if number < 80 else ()

    async with FaultProxy(engine.target, plan) as proxy, AsyncClient(proxy.target, timeout=5.0) as client:
        async with asking(client, 16):
            await until(lambda: proxy.connections >= 10)
        tasks, files = len(asyncio.all_tasks()), process.num_fds()
        async with asking(client, 16):
            await until(lambda: proxy.connections > 80)
        stream = client._stream
        assert stream is not None
        # of seventy lines not one each: some belong to the line that stands
        await until(lambda: not stream._pending and len(asyncio.all_tasks()) < tasks + 10)
        await until(lambda: process.num_fds() < files + 10)
    await until(lambda: {task.get_name() for task in asyncio.all_tasks()}.isdisjoint({"engine-stream"}))


# --- messages ---

Serve = Callable[[Any, Any], Any]


@asynccontextmanager
async def raw(answer: Callable[[bytes], Sequence[bytes]]) -> AsyncIterator[AsyncClient]:
    """A client of an engine that answers each message with bytes as they are."""

    async def decide_stream(messages: AsyncIterator[bytes], context: Any) -> AsyncIterator[bytes]:
        await context.send_initial_metadata(())
        async for message in messages:
            for one in answer(message):
                yield one

    server = grpc.aio.server(options=(("grpc.max_send_message_length", -1),))
    handler = grpc.stream_stream_rpc_method_handler(decide_stream)
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler("doorward.v1.DecisionService", {"DecideStream": handler}),)
    )
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with AsyncClient(f"127.0.0.1:{port}", timeout=0.5) as client:
            yield client
    finally:
        await server.stop(None)


def allows(message: bytes) -> pb.DecideBatchResponse:
    asked = pb.DecideBatchRequest.FromString(message)
    allow = pb.Decision(verdict=pb.VERDICT_ALLOW, decision_id="x", revision="r")
    return pb.DecideBatchResponse(
        responses=[pb.DecideResponse(request_id=one.request_id, decision=allow) for one in asked.requests]
    )


def torn(message: bytes, at: int) -> bytes:
    return allows(message).SerializeToString()[:at]


def strangers(message: bytes) -> bytes:
    told = allows(message)
    for one in told.responses:
        one.request_id = f"not {one.request_id}"
    return told.SerializeToString()


def unset(message: bytes) -> bytes:
    told = allows(message)
    for one in told.responses:
        one.decision.verdict = pb.VERDICT_UNSPECIFIED
    return told.SerializeToString()


def unknown(message: bytes) -> bytes:
    return allows(message).SerializeToString().replace(b"\x18\x03", b"\x18\x63")


def failed(message: bytes) -> bytes:
    told = allows(message)
    for one in told.responses:
        one.failure.SetInParent()
    return told.SerializeToString()


LIES: dict[str, Callable[[bytes], Sequence[bytes]]] = {
    **{f"torn at {at}": lambda message, at=at: [torn(message, at)] for at in range(15)},
    "no bytes": lambda _: [b""],
    "noise": lambda _: [random.Random(3).randbytes(300)],
    "for somebody else": lambda message: [strangers(message)],
    "no verdict": lambda message: [unset(message)],
    "a verdict from the future": lambda message: [unknown(message)],
    "a decision and a failure": lambda message: [failed(message)],
    "more than is taken": lambda message: [
        (allows(message).SerializeToString() + b"\xa2\x06" + b"\x80\x80\x80\x21" + bytes(66 << 20))
    ],
    "a length that lies": lambda message: [b"\x0a\xff\xff\xff\xff\x07" + torn(message, 40)],
}


@pytest.mark.parametrize("name", LIES)
async def test_a_message_that_lies_allows_nothing(name: str) -> None:
    async with raw(LIES[name]) as client:
        for _ in range(3):
            try:
                decision = await client.decide(b"{}")
            except EngineUnavailable:
                continue
            assert not decision


async def test_answers_that_come_twice_or_unasked_change_nothing() -> None:
    def answer(message: bytes) -> Sequence[bytes]:
        right = allows(message)
        wrong = pb.DecideBatchResponse.FromString(right.SerializeToString())
        for one in right.responses:
            one.decision.verdict = pb.VERDICT_BLOCK
        return [right.SerializeToString(), wrong.SerializeToString(), strangers(message)]

    async with raw(answer) as client:
        decisions = await asyncio.gather(*[client.decide(b"{}", timeout=PATIENCE) for _ in range(200)])
        more = await asyncio.gather(*[client.decide(b"{}", timeout=PATIENCE) for _ in range(200)])
        assert {one.verdict for one in [*decisions, *more]} == {"block"}
        assert client._stream is not None
        assert not client._stream._pending


async def test_random_answers_allow_nothing() -> None:
    """Bytes of an answer changed at random: where a byte makes a verdict of another, the answer is another engine's word,
    so those that keep their blocks are looked at.
    """
    draw = random.Random(int(os.environ.get("DOORWARD_SEED", "11")))

    def answer(message: bytes) -> Sequence[bytes]:
        told = allows(message)
        for one in told.responses:
            one.decision.verdict = pb.VERDICT_BLOCK
        content = bytearray(told.SerializeToString())
        for _ in range(draw.randrange(1, 5)):
            at = draw.randrange(len(content))
            if draw.random() < 0.5:
                del content[at]
            elif content[at] != pb.VERDICT_BLOCK:
                content[at] = draw.choice([0, 2, 127, 255])
        return [bytes(content)]

    async with raw(answer) as client:
        for _ in range(150):
            try:
                decision = await client.decide(b"{}", timeout=0.05)
            except EngineUnavailable:
                continue
            assert not decision
