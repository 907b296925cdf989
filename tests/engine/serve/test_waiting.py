"""Policies that ask other hosts: nobody else waits with them, and what they were answered is part of the decision."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import grpc
import pytest
from tests.support.served import PATIENCE, Served, served, write_policies

from doorward import Engine
from doorward_dsl.capabilities import capabilities_document, read_capabilities
from doorward_proto.v1 import decision_pb2 as pb

WARD = """package acme

governs postgres

allow "everybody reads" if sql.read_only
block "the registry says no" if {{
    principal.kind == "agent"
    answer := http.send({{"method": "get", "url": "{url}", "timeout": "20s"}})
    answer.body.blocked
}}
"""


class Registry(ThreadingHTTPServer):
    """Answers when it is released; `asked` tells how many wait."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked = threading.Semaphore(0)
        self.released = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/agents"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A caller that has gone is what one of the tests is about."""


class Handler(BaseHTTPRequestHandler):
    server: Registry

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name it has there
        """Say nothing."""

    def do_GET(self) -> None:
        self.server.asked.release()
        self.server.released.wait(PATIENCE)
        content = b'{"blocked": true}'
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


@pytest.fixture
def registry() -> Iterator[Registry]:
    with Registry() as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.released.set()
        server.shutdown()
        thread.join()


@pytest.fixture
def engine(registry: Registry, tmp_path: Path) -> Iterator[Served]:
    policies = write_policies(tmp_path / "policies", {"acme.ward": WARD.format(url=registry.url)})
    capabilities = tmp_path / "capabilities.json"
    capabilities.write_text(json.dumps({**capabilities_document(), "allow_net": ["127.0.0.1"]}))
    flags = ("--capabilities", str(capabilities), "--max-waiting", "4", "--evaluation-ms", "60000")
    with served(policies, *flags) as engine:
        yield engine


def question(kind: str, name: str) -> pb.DecideRequest:
    document = {
        "principal": {"id": name, "kind": kind},
        "action": {"name": "query"},
        "resource": {"kind": "postgres", "name": "shop"},
        "postgres": {"statement": "select 1"},
    }
    return pb.DecideRequest(request_id=name, json=json.dumps(document).encode())


def test_others_are_decided_while_one_waits(engine: Served, registry: Registry) -> None:
    with engine.stub() as stub:
        waiting = stub.Decide.future(question("agent", "bot"), timeout=PATIENCE)
        assert registry.asked.acquire(timeout=PATIENCE)
        for turn in range(20):
            answer = stub.Decide(question("human", str(turn)), timeout=PATIENCE)
            assert (answer.request_id, answer.decision.verdict) == (str(turn), pb.VERDICT_ALLOW)
        assert not waiting.done()
        registry.released.set()
        decision = waiting.result(timeout=PATIENCE).decision
    assert decision.verdict == pb.VERDICT_BLOCK
    assert "the registry says no" in [reason.text for reason in decision.determining]


def test_others_of_the_same_stream_are_answered_first(engine: Served, registry: Registry) -> None:
    more = threading.Event()

    def messages() -> Iterator[pb.DecideBatchRequest]:
        yield pb.DecideBatchRequest(requests=[question("agent", "bot")])
        registry.asked.acquire(timeout=PATIENCE)
        yield pb.DecideBatchRequest(requests=[question("human", "ann"), question("human", "bo")])
        more.wait(PATIENCE)

    with engine.stub() as stub:
        stream = stub.DecideStream(messages(), timeout=PATIENCE)
        first = next(stream)
        assert [one.request_id for one in first.responses] == ["ann", "bo"]
        registry.released.set()
        second = next(stream)
        more.set()
        assert [one.request_id for one in second.responses] == ["bot"]
        assert second.responses[0].decision.verdict == pb.VERDICT_BLOCK
        assert list(stream) == []


def test_a_deadline_is_kept_and_gives_its_turn_back(engine: Served, registry: Registry) -> None:
    with engine.stub() as stub:
        # more than there are turns: some wait for the registry, some for their turn
        late = [stub.Decide.future(question("agent", f"bot{turn}"), timeout=1.0) for turn in range(8)]
        for one in late:
            with pytest.raises(grpc.RpcError) as raised:
                one.result(timeout=PATIENCE)
            assert raised.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
        registry.released.set()
        answer = stub.Decide(question("agent", "patient"), timeout=PATIENCE)
    assert answer.decision.verdict == pb.VERDICT_BLOCK


def test_the_answer_is_an_effect_of_the_decision(registry: Registry) -> None:
    registry.released.set()
    document = {**capabilities_document(), "allow_net": ["127.0.0.1"]}
    engine = Engine.from_sources(
        {"acme.ward": WARD.format(url=registry.url)}, capabilities=read_capabilities(json.dumps(document))
    )
    asked = json.loads(question("agent", "bot").json)
    decision = engine.decide(asked, now_ns=1)
    assert [effect.name for effect in decision.effects] == ["http.send"]
    registry.shutdown()
    again = engine.decide(asked, now_ns=1, replaying=decision.effects)
    assert (again.verdict, again.determining) == (decision.verdict, decision.determining)
