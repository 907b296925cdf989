"""Policies that are switched again and again while many ask: every answer is of one revision, whole, and none is missing."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from pathlib import Path
from typing import Any

import grpc.aio
import pytest
from tests.support.served import PATIENCE, Served, served

from doorward.bundle import build_bundle, read_bundle
from doorward_proto.v1 import decision_pb2 as pb
from doorward_proto.v1.decision_pb2_grpc import DecisionServiceStub

SWITCHES = 12
STREAMS = 6
UNARY = 6
BATCH = 40

DOCUMENT = json.dumps(
    {
        "principal": {"id": "ana"},
        "action": {"name": "query"},
        "resource": {"kind": "postgres"},
        "postgres": {"statement": "select 1"},
    }
).encode()


def revision(number: int) -> bytes:
    """A bundle whose policies allow only with the data that came with them, and say which ones they are."""
    policy = f'package acme\n\ngoverns postgres\n\nallow "number {number}" if data.acme.number == {number}\n'
    more = {
        f"more/m{i}.rego": f"package more.m{i}\n\nx := data.acme.number + {i}\n".encode() for i in range(40)
    }
    data = json.dumps({"acme": {"number": number}}).encode()
    return build_bundle({"acme.ward": policy.encode(), "data.json": data, **more})


class Load:
    """Callers, and what they were told."""

    def __init__(self, names: dict[str, str]) -> None:
        self.stop = asyncio.Event()
        self.seen: Counter[str] = Counter()
        self._names = names

    def take(self, answers: list[pb.DecideResponse], asked: list[str]) -> None:
        """Hold one message of answers to what it says itself."""
        assert [one.request_id for one in answers] == asked
        (revision_of_all,) = {one.decision.revision for one in answers}
        for one in answers:
            assert not one.HasField("failure"), one.failure.message
            assert one.decision.verdict == pb.VERDICT_ALLOW
            assert [reason.text for reason in one.decision.reasons] == [self._names[revision_of_all]]
        self.seen[self._names[revision_of_all]] += len(answers)

    async def stream(self, stub: Any) -> None:
        """One message after the other, on one stream."""
        call = stub.DecideStream(wait_for_ready=True)
        number = 0
        while not self.stop.is_set():
            number += 1
            asked = [f"{number}.{i}" for i in range(BATCH)]
            await call.write(
                pb.DecideBatchRequest(requests=[pb.DecideRequest(request_id=i, json=DOCUMENT) for i in asked])
            )
            self.take(list((await call.read()).responses), asked)
        await call.done_writing()
        assert await call.read() is grpc.aio.EOF

    async def unary(self, stub: Any) -> None:
        """One call after the other."""
        while not self.stop.is_set():
            answer = await stub.Decide(pb.DecideRequest(request_id="1", json=DOCUMENT), timeout=PATIENCE)
            self.take([answer], ["1"])


def put(path: Path, content: bytes) -> None:
    half = path.with_suffix(".new")
    half.write_bytes(content)
    half.replace(path)


@pytest.mark.parametrize("shadow", [False, True], ids=["alone", "with a shadow"])
async def test_every_answer_is_of_one_revision_and_none_is_missing(tmp_path: Path, shadow: bool) -> None:
    bundles = {number: revision(number) for number in range(SWITCHES + 1)}
    names = {
        read_bundle(content).policies.revision: f"number {number}" for number, content in bundles.items()
    }
    path = tmp_path / "bundle.tar.gz"
    put(path, bundles[0])
    flags = ("--set", f"shadow.policies={path}") if shadow else ()
    with served(path, *flags) as service:
        load = Load(names)
        async with grpc.aio.insecure_channel(service.target) as channel:
            stub = DecisionServiceStub(channel)  # type: ignore[no-untyped-call]
            callers = [asyncio.create_task(load.stream(stub)) for _ in range(STREAMS)]
            callers += [asyncio.create_task(load.unary(stub)) for _ in range(UNARY)]
            switching = asyncio.create_task(switched(service, path, bundles, names, load))
            done, _ = await asyncio.wait([*callers, switching], return_when=asyncio.FIRST_COMPLETED)
            load.stop.set()
            for task in done:
                task.result()
            await asyncio.gather(*callers, switching)
    assert load.seen.keys() == set(names.values())


async def switched(
    service: Served, path: Path, bundles: dict[int, bytes], names: dict[str, str], load: Load
) -> None:
    """Every revision in turn, each until it is in force and has answered somebody."""
    for number in range(1, SWITCHES + 1):
        await asyncio.to_thread(put, path, bundles[number])
        wanted = f"number {number}"
        await asyncio.to_thread(
            service.revision_when, lambda one, wanted=wanted: names[one.revision] == wanted
        )
        async with asyncio.timeout(PATIENCE):
            while not load.seen[wanted]:  # noqa: ASYNC110 - ask those who are asking anyway
                await asyncio.sleep(0.005)
