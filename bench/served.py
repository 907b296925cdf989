"""Decisions over the wire, from another process: streamed through the client library, and one call at a time."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import orjson

from bench.measure import Contestant, Question, Settings
from doorward_gateway.demo.embedded_postgres import free_port
from doorward_gateway.engine_client import EngineClient
from doorward_proto.v1 import decision_pb2 as pb
from doorward_proto.v1.decision_pb2_grpc import DecisionServiceStub

__all__ = ["engine_process", "questions"]

_POLICY = """
package bench.served

governs ssh

allow "editors" if "editor" in principal.groups

block "closed" if resource.name == "host-closed"
"""
_REQUEST: dict[str, Any] = {
    "principal": {"id": "ana", "kind": "human", "groups": ["guests", "editor"]},
    "action": {"name": "exec"},
    "resource": {"kind": "ssh", "name": "host-7", "environment": "production"},
    "ssh_request": {"request": "exec", "command": "uptime"},
}
_DECISIONS = 4_000


@contextmanager
def engine_process(policies: Path) -> Iterator[str]:
    """`doorward serve` on a free port, ready to decide; gives its address."""
    target = f"127.0.0.1:{free_port()}"
    command = [sys.executable, "-m", "doorward", "serve", str(policies), "--listen", target]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        with grpc.insecure_channel(target) as channel:
            DecisionServiceStub(channel).GetRevision(  # type: ignore[no-untyped-call]
                pb.GetRevisionRequest(), timeout=30, wait_for_ready=True
            )
        yield target
    finally:
        process.terminate()
        process.wait(10)


@contextmanager
def questions(settings: Settings) -> Iterator[Sequence[Question]]:
    """Decisions a second by the number of callers."""
    with tempfile.TemporaryDirectory(prefix="doorward-bench-") as directory:
        (Path(directory) / "served.ward").write_text(_POLICY)
        with engine_process(Path(directory)) as target:
            yield [
                Question(
                    "decisions served",
                    "/s",
                    [
                        Contestant("unary, 1 caller", _unary(target)),
                        Contestant("stream, 1 caller", _streamed(target, 1)),
                        Contestant("stream, 64 callers", _streamed(target, 64)),
                        Contestant("stream, 256 callers", _streamed(target, 256)),
                    ],
                    "closed loop, client and engine on one machine; the client encodes each request anew",
                )
            ]


def _unary(target: str) -> Callable[[], float]:
    def one_round() -> float:
        request = pb.DecideRequest(request_id="1", json=orjson.dumps(_REQUEST))
        with grpc.insecure_channel(target) as channel:
            stub = DecisionServiceStub(channel)  # type: ignore[no-untyped-call]
            stub.Decide(request)
            begin = time.perf_counter()
            for _ in range(_DECISIONS // 4):
                stub.Decide(request)
            return _DECISIONS / 4 / (time.perf_counter() - begin)

    return one_round


def _streamed(target: str, callers: int) -> Callable[[], float]:
    async def measure() -> float:
        async with EngineClient(target) as engine:
            await engine.decide(_REQUEST)

            async def caller() -> None:
                for _ in range(_DECISIONS // callers):
                    await engine.decide(_REQUEST)

            begin = time.perf_counter()
            await asyncio.gather(*[caller() for _ in range(callers)])
            return _DECISIONS / (time.perf_counter() - begin)

    return lambda: asyncio.run(measure())
