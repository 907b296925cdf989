"""A node's control API with everything behind it real, but for the engine: a decision point that is told what to say."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc.aio

from doorward_gateway.approvals import ApprovalStore
from doorward_gateway.client import AsyncClient
from doorward_gateway.config import Config, load
from doorward_gateway.control import ControlParts, ControlServer, Endpoint, control_api
from doorward_gateway.credentials import CredentialStore
from doorward_gateway.identity import Identities, StaticIdentities, StaticIdentity
from doorward_gateway.recording import Recorder
from doorward_gateway.recording.chain import Record
from doorward_gateway.recording.reader import records
from doorward_gateway.sessions import SessionRegistry
from doorward_proto.v1 import decision_pb2 as pb
from doorward_proto.v1.decision_pb2_grpc import DecisionServiceServicer, add_DecisionServiceServicer_to_server

__all__ = ["PEOPLE", "ControlNode", "running_node", "token_of"]

PEOPLE = {
    "ana": ("human", ["analysts"]),
    "dora": ("human", ["dba"]),
    "omar": ("human", ["dba"]),
    "agent-refunds": ("agent", ["agents"]),
    "sec": ("human", ["security"]),
}

Rule = Callable[[dict[str, Any]], pb.Decision]


def token_of(name: str) -> str:
    """The token of one of `PEOPLE`."""
    return f"token-of-{name}"


class _ToldDecisions(DecisionServiceServicer):
    def __init__(self, node: ControlNode) -> None:
        self._node = node

    async def DecideStream(  # noqa: N802 - gRPC's name
        self, requests: Any, context: Any
    ) -> AsyncIterator[pb.DecideBatchResponse]:
        async for batch in requests:
            responses = []
            for request in batch.requests:
                document = json.loads(request.json)
                self._node.asked.append(document)
                responses.append(
                    pb.DecideResponse(request_id=request.request_id, decision=self._node.rule(document))
                )
            yield pb.DecideBatchResponse(responses=responses)


@dataclass
class ControlNode:
    """What runs; `rule` answers every access request, `asked` are the requests that came."""

    directory: Path
    config: Config
    rule: Rule = lambda _document: pb.Decision(verdict=pb.VERDICT_ALLOW)
    asked: list[dict[str, Any]] = field(default_factory=list)
    sessions: SessionRegistry = field(default_factory=SessionRegistry)
    url: str = ""
    engine_server: Any = None
    engine_port: int = 0
    credentials: Any = None
    approvals: Any = None
    recorder: Any = None

    def records(self, kind: str) -> list[Record]:
        """The records of that kind."""
        return [record for record in records(self.directory / "record") if record.kind == kind]


@contextlib.asynccontextmanager
async def running_node(directory: Path) -> AsyncIterator[ControlNode]:
    """Starts it all on free loopback ports."""
    (directory / "secret").write_text("s3cret")
    lines = [
        "node: gateway-1",
        "postgres: {listen: '127.0.0.1:6432', allow_plaintext: true}",
        "engine: {target: 'unused:1'}",
        "control: {listen: '127.0.0.1:0', operators: [security]}",
        "state: {directory: state}",
        "recording: {directory: record}",
        "credentials: {default_ttl: 90s, max_ttl: 1h}",
        "resources:",
        "  warehouse:",
        "    kind: postgres",
        "    environment: prod",
        "    labels: {team: data}",
        "    upstream:",
        "      {host: db, database: app, user: app, password_file: secret, roles: {reader: {user: r}}}",
    ]
    (directory / "gateway.yaml").write_text("\n".join(lines))
    node = ControlNode(directory, load(directory / "gateway.yaml", {}))
    node.engine_server = grpc.aio.server()
    add_DecisionServiceServicer_to_server(_ToldDecisions(node), node.engine_server)  # type: ignore[no-untyped-call]
    node.engine_port = node.engine_server.add_insecure_port("127.0.0.1:0")
    await node.engine_server.start()
    async with AsyncClient(f"127.0.0.1:{node.engine_port}", timeout=2.0) as engine:
        state = node.config.state.directory / "state.db"
        node.credentials = await CredentialStore.open(state)
        node.approvals = await ApprovalStore.open(state, node="gateway-1")
        node.recorder = await Recorder.open(node.config.recording.directory, node="gateway-1")
        people = [
            StaticIdentity(name, kind, frozenset(groups), token_of(name))  # type: ignore[arg-type]
            for name, (kind, groups) in PEOPLE.items()
        ]
        parts = ControlParts(
            config=node.config,
            identities=Identities([StaticIdentities(people)]),
            engine=engine,
            credentials=node.credentials,
            approvals=node.approvals,
            recorder=node.recorder,
            sessions=node.sessions,
            endpoint=lambda _resource: Endpoint("127.0.0.1", 6432, True),
        )
        server = await ControlServer.start(control_api(parts), node.config.control.listen)
        node.url = f"http://{server.address}"
        try:
            yield node
        finally:
            await server.close()
            await node.recorder.close()
            await node.credentials.close()
            await node.approvals.close()
            await node.engine_server.stop(None)
