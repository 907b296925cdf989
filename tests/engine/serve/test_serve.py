"""The service as a caller meets it: a process of its own, over a real channel."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.struct_pb2 import Struct
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from tests.support.served import PATIENCE, Served, served, write_policies

from doorward_proto.v1 import decision_pb2 as pb

WARD = """package acme

governs postgres

allow "everybody reads" if sql.read_only
mask customers.ssn with partial(4)
allow "dba writes" if { principal.id == "dba"; sql.writes }
approve "writes wait" by "dba" within 90s if sql.writes
credential "agents come and go" ttl 60s single_use as "readonly" if principal.kind == "agent"
allow "agents may have one" if { action.name == "issue_credential"; principal.kind == "agent" }
"""

CATALOGUE = json.dumps(
    {
        "server_version": 180000,
        "database": "shop",
        "relations": [["public", "customers", 100, "r", [["id", 1, "text"], ["ssn", 2, "text"]]]],
        "functions": [],
    }
).encode()


def document(statement: str = "select 1", **sections: Any) -> dict[str, Any]:
    return {
        "principal": {"id": "ann", "kind": "human"},
        "action": {"name": "query"},
        "resource": {"kind": "postgres", "name": "shop"},
        "postgres": {"statement": statement},
        **sections,
    }


def request(
    statement: str = "select 1", name: str = "1", *, catalogue: str = "", **sections: Any
) -> pb.DecideRequest:
    body = json.dumps(document(statement, **sections)).encode()
    return pb.DecideRequest(request_id=name, json=body, catalogue=catalogue)


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(write_policies(tmp_path_factory.mktemp("policies"), {"acme.ward": WARD})) as engine:
        yield engine


@pytest.fixture(scope="module")
def stub(engine: Served) -> Iterator[Any]:
    with engine.stub() as stub:
        yield stub


@pytest.fixture(scope="module")
def catalogue(stub: Any) -> str:
    described = stub.DescribeResource(
        pb.DescribeResourceRequest(kind="postgres", catalogue=CATALOGUE), timeout=PATIENCE
    )
    return str(described.catalogue)


def test_it_says_where_it_listens_and_what_it_decides_by(engine: Served, stub: Any) -> None:
    revision = stub.GetRevision(pb.GetRevisionRequest(), timeout=PATIENCE)
    assert engine.ready["revision"] == revision.revision
    assert (revision.modules, revision.statements, revision.rejected) == (1, 6, "")
    assert revision.loaded_at.endswith("+00:00")


def test_one_request_one_decision(engine: Served, stub: Any) -> None:
    answer = stub.Decide(request(name="abc"), timeout=PATIENCE)
    assert answer.request_id == "abc"
    decision = answer.decision
    assert decision.verdict == pb.VERDICT_ALLOW
    assert decision.revision == engine.ready["revision"]
    (reason,) = decision.reasons
    assert (reason.id, reason.verb, reason.text, reason.place) == (
        "acme:5",
        "allow",
        "everybody reads",
        "acme.ward:5:1",
    )
    assert decision.facts == b""


def test_facts_come_when_asked_for(stub: Any) -> None:
    asked = request()
    asked.want_facts = True
    assert json.loads(stub.Decide(asked, timeout=PATIENCE).decision.facts)["sql"]["statements"] == ["select"]


def test_a_struct_says_what_json_says(stub: Any) -> None:
    struct = Struct()
    struct.update(document())
    answer = stub.Decide(pb.DecideRequest(struct=struct), timeout=PATIENCE)
    assert answer.decision.verdict == pb.VERDICT_ALLOW


def test_masks_name_outputs_and_origins(stub: Any, catalogue: str) -> None:
    answer = stub.Decide(request("select id, ssn from customers", catalogue=catalogue), timeout=PATIENCE)
    (mask,) = answer.decision.masks
    assert (mask.target, mask.method, mask.keep_last) == ("customers.ssn", pb.MASK_METHOD_PARTIAL, 4)
    assert list(mask.outputs) == [pb.Output(statement=0, column=1, whole=False)]
    assert list(mask.origins) == [pb.Origin(table_oid=100, column_number=2)]


def test_an_approval_names_who_and_how_long_and_what_for(stub: Any, catalogue: str) -> None:
    asked = request("delete from customers", catalogue=catalogue, principal={"id": "dba"})
    decision = stub.Decide(asked, timeout=PATIENCE).decision
    assert decision.verdict == pb.VERDICT_APPROVE
    (approval,) = decision.approvals
    assert (list(approval.groups), approval.within.seconds, approval.statement_id) == (["dba"], 90, "acme:8")
    assert len(decision.operation_hash) == 64
    assert json.loads(decision.facts)["sql"]["tables_written"] == ["customers"]


def test_a_credential_is_granted(stub: Any) -> None:
    asked = request("", action={"name": "issue_credential"}, principal={"id": "bot", "kind": "agent"})
    credential = stub.Decide(asked, timeout=PATIENCE).decision.credential
    assert (credential.ttl.seconds, credential.single_use, credential.role) == (60, True, "readonly")


def test_a_batch_is_answered_in_order(stub: Any, catalogue: str) -> None:
    statements = ["select 1", "drop table customers", "select ssn from customers", "nonsense"]
    asked = [request(s, str(n), catalogue=catalogue) for n, s in enumerate(statements)]
    answers = stub.DecideBatch(pb.DecideBatchRequest(requests=asked), timeout=PATIENCE).responses
    assert [a.request_id for a in answers] == ["0", "1", "2", "3"]
    allow, block = pb.VERDICT_ALLOW, pb.VERDICT_BLOCK
    assert [a.decision.verdict for a in answers] == [allow, block, allow, block]
    assert len({a.decision.revision for a in answers}) == 1
    assert len({a.decision.decision_id for a in answers}) == 4


BAD_REQUESTS = {
    "no document": pb.DecideRequest(),
    "no json": pb.DecideRequest(json=b"\xff{"),
    "not an object": pb.DecideRequest(json=b"[1]"),
    "unknown field": pb.DecideRequest(json=b'{"resource": {"kind": "postgres"}, "princpal": {}}'),
    "too deep": pb.DecideRequest(json=b"[" * 900 + b"]" * 900),
    "too many digits": pb.DecideRequest(
        json=b'{"resource": {"kind": "postgres"}, "x": ' + b"1" * 9000 + b"}"
    ),
}


@pytest.mark.parametrize("name", BAD_REQUESTS)
def test_a_bad_request_fails_alone(stub: Any, name: str) -> None:
    bad = pb.DecideRequest()
    bad.CopyFrom(BAD_REQUESTS[name])
    bad.request_id = "bad"
    batch = pb.DecideBatchRequest(requests=[request(name="a"), bad, request(name="b")])
    a, failed, b = stub.DecideBatch(batch, timeout=PATIENCE).responses
    assert failed.request_id == "bad"
    assert failed.failure.code == pb.Failure.CODE_INVALID_REQUEST
    assert failed.failure.message
    assert a.decision.verdict == b.decision.verdict == pb.VERDICT_ALLOW


def test_a_stream_answers_every_message(stub: Any) -> None:
    messages = [
        pb.DecideBatchRequest(requests=[request(name=f"{n}.{m}") for m in range(n)]) for n in range(5)
    ]
    answers = list(stub.DecideStream(iter(messages), timeout=PATIENCE))
    assert [[r.request_id for r in a.responses] for a in answers] == [
        [f"{n}.{m}" for m in range(n)] for n in range(5)
    ]


def test_a_catalogue_nobody_described_is_unknown(stub: Any) -> None:
    failure = stub.Decide(request(catalogue="0" * 64), timeout=PATIENCE).failure
    assert failure.code == pb.Failure.CODE_UNKNOWN_CATALOGUE


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("gopher", CATALOGUE),
        ("postgres", b""),
        ("postgres", b"\x00\xff"),
        ("postgres", b"[" * 100_000),
        ("postgres", b'{"server_version": 1}'),
    ],
)
def test_a_bad_catalogue_is_refused(stub: Any, kind: str, content: bytes) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        stub.DescribeResource(pb.DescribeResourceRequest(kind=kind, catalogue=content), timeout=PATIENCE)
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize("method", ["Decide", "DecideBatch", "DescribeResource", "GetRevision"])
@pytest.mark.parametrize("content", [b"\xff" * 50, b"\x0a\xff\xff\xff\xff\x0f", b"\x08\x01" * 1000])
def test_bytes_that_are_no_message_harm_nobody(
    engine: Served, stub: Any, method: str, content: bytes
) -> None:
    with engine.channel() as channel:
        call = channel.unary_unary(f"/doorward.v1.DecisionService/{method}")
        try:
            call(content, timeout=PATIENCE)
        except grpc.RpcError as error:
            assert error.code() in (grpc.StatusCode.UNKNOWN, grpc.StatusCode.INVALID_ARGUMENT)  # noqa: PT017
    assert stub.Decide(request(), timeout=PATIENCE).decision.verdict == pb.VERDICT_ALLOW


def test_a_stream_of_garbage_harms_nobody(engine: Served, stub: Any) -> None:
    with engine.channel() as channel:
        call = channel.stream_stream("/doorward.v1.DecisionService/DecideStream")
        with pytest.raises(grpc.RpcError):
            list(call(iter([b"\xff" * 50]), timeout=PATIENCE))
    assert stub.Decide(request(), timeout=PATIENCE).decision.verdict == pb.VERDICT_ALLOW


def test_a_message_over_the_limit_is_refused(tmp_path: Path) -> None:
    with (
        served(write_policies(tmp_path, {"a.ward": WARD}), "--max-message-bytes", "10000") as engine,
        engine.stub() as stub,
    ):
        with pytest.raises(grpc.RpcError) as caught:
            stub.Decide(request("select '" + "x" * 10_000 + "'"), timeout=PATIENCE)
        assert caught.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
        assert stub.Decide(request(), timeout=PATIENCE).decision.verdict == pb.VERDICT_ALLOW


def test_more_calls_than_agreed_are_answered_at_once(tmp_path: Path) -> None:
    with (
        served(write_policies(tmp_path, {"a.ward": WARD}), "--max-concurrent", "1") as engine,
        engine.stub() as stub,
    ):
        import queue

        messages: queue.Queue[pb.DecideBatchRequest | None] = queue.Queue()
        messages.put(pb.DecideBatchRequest(requests=[request()]))
        stream = stub.DecideStream(iter(messages.get, None))
        assert next(stream).responses[0].decision.verdict == pb.VERDICT_ALLOW
        with pytest.raises(grpc.RpcError) as caught:
            stub.Decide(request(), timeout=PATIENCE)
        assert caught.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
        messages.put(None)
        assert list(stream) == []


def test_an_evaluation_over_its_budget_is_a_block_and_soon(tmp_path: Path) -> None:
    pairs = "some i in numbers.range(1, 3000); some j in numbers.range(1, 3000); i == j"
    heavy = f"package p\ngoverns postgres\nallow if count([1 | {pairs}]) > 0\n"
    with (
        served(write_policies(tmp_path, {"p.ward": heavy}), "--evaluation-steps", "10000") as engine,
        engine.stub() as stub,
    ):
        decision = stub.Decide(request(), timeout=PATIENCE).decision
        assert decision.verdict == pb.VERDICT_BLOCK
        assert {e.code for e in decision.errors} == {"eval_budget_error"}


def test_a_batch_out_of_time_is_given_up(tmp_path: Path) -> None:
    loop = "count([1 | some i in numbers.range(1, 1000); i % 2 == 0]) > 0"
    with (
        served(
            write_policies(tmp_path, {"p.ward": f"package p\ngoverns postgres\nallow if {loop}\n"})
        ) as engine,
        engine.stub() as stub,
    ):
        batch = pb.DecideBatchRequest(requests=[request() for _ in range(4000)])
        with pytest.raises(grpc.RpcError) as caught:
            stub.DecideBatch(batch, timeout=0.1)
        assert caught.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
        assert stub.Decide(request(), timeout=PATIENCE).decision.verdict == pb.VERDICT_ALLOW
        too_many = pb.DecideBatchRequest(requests=[pb.DecideRequest()] * 5000)
        with pytest.raises(grpc.RpcError) as caught:
            stub.DecideBatch(too_many, timeout=PATIENCE)
        assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT


def health_of(channel: grpc.Channel, service: str) -> int:
    checks = health_pb2_grpc.HealthStub(channel)  # type: ignore[no-untyped-call]
    return int(checks.Check(health_pb2.HealthCheckRequest(service=service), timeout=PATIENCE).status)


def test_health_and_reflection(engine: Served) -> None:
    with engine.channel() as channel:
        for service in ("", "doorward.v1.DecisionService", "live", "policies"):
            assert health_of(channel, service) == health_pb2.HealthCheckResponse.SERVING
        reflection = reflection_pb2_grpc.ServerReflectionStub(channel)  # type: ignore[no-untyped-call]
        asked = reflection_pb2.ServerReflectionRequest(list_services="")
        (answer,) = reflection.ServerReflectionInfo(iter([asked]), timeout=PATIENCE)
    names = {service.name for service in answer.list_services_response.service}
    assert {"doorward.v1.DecisionService", "grpc.health.v1.Health"} <= names


def test_a_changed_file_is_in_force_for_the_next_decision(tmp_path: Path) -> None:
    head = "package p\ngoverns postgres\n"
    policies = write_policies(tmp_path, {"p.ward": head + "allow\n"})
    with served(policies) as engine, engine.stub() as stub:
        first = engine.revision_when(lambda r: bool(r.revision)).revision

        (policies / "p.ward").write_text(
            head + 'allow\nblock "closed" if resource.name in data.shops.closed\n'
        )
        write_policies(policies, {"shops/closed.yaml": "closed: [shop]\n"})
        second = engine.revision_when(lambda r: r.revision != first and r.statements == 2)
        engine.revision_when(lambda r: r.revision != second.revision or not r.rejected)
        decision = stub.Decide(request(), timeout=PATIENCE).decision
        while decision.verdict != pb.VERDICT_BLOCK:  # the data file may come a moment after the policy
            second = engine.revision_when(lambda r, seen=decision.revision: r.revision != seen)  # type: ignore[misc]
            decision = stub.Decide(request(), timeout=PATIENCE).decision
        assert [r.text for r in decision.reasons] == ["closed"]

        (policies / "p.ward").unlink()
        engine.revision_when(lambda r: r.statements == 0)
        decision = stub.Decide(request(), timeout=PATIENCE).decision
        assert [r.text for r in decision.reasons] == ["no statement allows this"]


def test_a_broken_change_keeps_the_last_good_revision_and_says_where(tmp_path: Path) -> None:
    good = "package p\n\ngoverns postgres\n\nallow if sql.read_only\n"
    policies = write_policies(tmp_path, {"p.ward": good})
    serving, not_serving = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING
    with served(policies) as engine, engine.channel() as channel, engine.stub() as stub:
        first = engine.revision_when(lambda r: bool(r.revision)).revision

        (policies / "p.ward").write_text(good + 'block "x" if sql.raed_only\n')
        told = engine.revision_when(lambda r: bool(r.rejected))
        assert told.revision == first
        assert "p.ward:6:" in told.rejected
        assert "raed_only" in told.rejected
        assert stub.Decide(request(), timeout=PATIENCE).decision.revision == first
        assert health_of(channel, "") == serving
        assert health_of(channel, "policies") == not_serving

        (policies / "p.ward").write_text(good + 'block "x" if sql.writes\n')
        told = engine.revision_when(lambda r: not r.rejected)
        assert told.revision != first
        assert health_of(channel, "policies") == serving
        assert engine.stop() == 0
        logged = [json.loads(line) for line in engine.stderr]
    rejected = [line for line in logged if line["event"] == "policies rejected"]
    assert rejected
    assert rejected[0]["kept"] == first


def test_policies_that_vanish_and_come_back(tmp_path: Path) -> None:
    policies = write_policies(tmp_path / "here", {"p.ward": "package p\ngoverns postgres\nallow\n"})
    with served(policies) as engine, engine.stub() as stub:
        first = engine.revision_when(lambda r: bool(r.revision)).revision
        policies.rename(tmp_path / "away")
        engine.revision_when(lambda r: bool(r.rejected) and r.revision == first)
        assert stub.Decide(request(), timeout=PATIENCE).decision.revision == first
        (tmp_path / "away" / "p.ward").write_text("package p\ngoverns postgres\nblock\n")
        (tmp_path / "away").rename(policies)
        engine.revision_when(lambda r: not r.rejected and r.revision != first)
        assert stub.Decide(request(), timeout=PATIENCE).decision.verdict == pb.VERDICT_BLOCK


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_stops_when_told_with_a_stream_open(tmp_path: Path, number: int) -> None:
    policies = write_policies(tmp_path, {"p.ward": WARD})
    with served(policies, "--grace-seconds", "0.2") as engine, engine.stub() as stub:
        import queue

        messages: queue.Queue[pb.DecideBatchRequest | None] = queue.Queue()
        messages.put(pb.DecideBatchRequest(requests=[request()]))
        stream = stub.DecideStream(iter(messages.get, None))
        next(stream)
        assert engine.stop(number) == 0
        assert list(stream) == []  # ended in order, for the caller to open another, not broken off
        messages.put(None)


@pytest.mark.parametrize(
    ("files", "flags", "listen", "status", "said"),
    [
        ({"a.ward": "package a\ngoverns postgres\nallow if {\n"}, [], "127.0.0.1:0", 1, "a.ward:3:"),
        (
            {"a.rego": "package a\np := x\n", "b.rego": "package b\nq := )\n"},
            [],
            "127.0.0.1:0",
            1,
            "b.rego:2:",
        ),
        ({"data.json": "{"}, [], "127.0.0.1:0", 1, "data.json:1:"),
        ({"data.yaml": "a: [\n"}, [], "127.0.0.1:0", 1, "data.yaml:2:"),
        (
            {"x/a.json": '{"b": 1}', "x.json": '{"x": {"b": 2}}'},
            [],
            "127.0.0.1:0",
            1,
            "`data.x.b` is given twice",
        ),
        ({}, [], "unix:/nowhere/at/all.sock", 3, "cannot listen on `unix:/nowhere/at/all.sock`"),
        ({}, ["--tls-cert", __file__], "127.0.0.1:0", 2, "`tls_cert` and `tls_key` go together"),
        ({}, ["--tls-cert", "no.pem", "--tls-key", "no.pem"], "127.0.0.1:0", 2, "no.pem"),
        ({}, [], "0.0.0.0:0", 2, "would answer anybody"),
        ({}, ["--evaluation-ms", "0"], "127.0.0.1:0", 2, "--evaluation-ms"),
    ],
)
def test_it_does_not_start_by_halves(
    tmp_path: Path, files: dict[str, str], flags: list[str], listen: str, status: int, said: str
) -> None:
    import subprocess
    import sys

    policies = write_policies(tmp_path, files)
    command = [sys.executable, "-m", "doorward", "serve", str(policies), "--listen", listen, *flags]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE * 2, check=False)
    assert (ran.returncode, ran.stdout) == (status, "")
    assert said in ran.stderr
    assert "Traceback" not in ran.stderr


def test_policies_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="no such file"):
        Served(tmp_path / "nowhere")
