"""Ways to ask a served engine, and what comes of it."""

from __future__ import annotations

import json
import queue
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import grpc
import httpx
import yaml
from tests.support.served import PATIENCE, write_policies

from doorward_proto.v1 import decision_pb2 as pb
from doorward_proto.v1.decision_pb2_grpc import DecisionServiceStub

WARD = "package p\ngoverns postgres, http\nallow\n"


def configured(folder: Path, settings: dict[str, Any], policies: str = WARD) -> list[str]:
    """The flags for a service with these settings; its policies are beside them."""
    (folder / "doorward.yaml").write_text(yaml.safe_dump(settings))
    write_policies(folder / "policies", {"p.ward": policies})
    return ["--config", str(folder / "doorward.yaml")]


def request(name: str = "shop", **resource: str) -> pb.DecideRequest:
    document = {
        "action": {"name": "query"},
        "resource": {"kind": "postgres", "name": name, **resource},
        "postgres": {"statement": "select 1"},
    }
    return pb.DecideRequest(request_id="1", json=json.dumps(document).encode())


def bearer(token: str) -> list[tuple[str, str]]:
    return [("authorization", f"Bearer {token}")]


def outcome(call: Callable[[], Any]) -> str:
    """`ok`, or the name of the status that a call ends with."""
    try:
        call()
    except grpc.RpcError as error:
        return str(error.code().name)
    return "ok"


def decide(
    stub: DecisionServiceStub, asked: pb.DecideRequest | None = None, metadata: Sequence[Any] | None = None
) -> str:
    return outcome(lambda: stub.Decide(asked or request(), timeout=PATIENCE, metadata=metadata))


class Questions:
    """Messages of a stream, sent one by one."""

    def __init__(self) -> None:
        self._waiting: queue.SimpleQueue[pb.DecideBatchRequest | None] = queue.SimpleQueue()

    def __iter__(self) -> Iterator[pb.DecideBatchRequest]:
        return iter(self._waiting.get, None)

    def ask(self, *requests: pb.DecideRequest) -> None:
        """Send one message."""
        self._waiting.put(pb.DecideBatchRequest(requests=requests or (request(),)))

    def end(self) -> None:
        """Send no more."""
        self._waiting.put(None)


def metrics(address: str) -> dict[str, float]:
    """Every sample by its name and labels, as they are written."""
    text = httpx.get(f"http://{address}/metrics", timeout=PATIENCE).text
    lines = [line.rpartition(" ") for line in text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in lines}


def wait_until(holds: Callable[[], object], what: str = "what was waited for") -> None:
    until = time.monotonic() + PATIENCE
    while not holds():
        if time.monotonic() > until:
            raise AssertionError(f"{what} never came")
        time.sleep(0.02)
