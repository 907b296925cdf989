"""The served engine against those who mean it harm, and for as long as it has to run: whole processes, real lines."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator
from random import Random
from typing import Any, Final

import grpc
import httpx
import orjson
import psutil
import pytest
from google.protobuf.message import DecodeError
from tests.support.served import PATIENCE, Served, served, write_policies

from doorward import Engine
from doorward.decide.document import InvalidRequest, parse_document
from doorward_proto.v1 import decision_pb2 as pb
from doorward_proto.v1.decision_pb2_grpc import DecisionServiceStub

from .fuzz import corpus
from .fuzz.mutate import BytesMutator, TextMutator

_MESSAGES: Final = int(os.environ.get("DOORWARD_HOSTILE_MESSAGES", "10000"))
_DECISIONS: Final = int(os.environ.get("DOORWARD_LEAK_DECISIONS", "100000"))

POLICY = """package p

governs postgres, http

allow "those who are known read" if { principal.id == "ana"; sql.read_only }
allow "and get what is open" if { principal.id == "ana"; http.method == "GET"; startswith(http.path, "/open/") }
block "but nothing that is closed" if resource.labels.closed
"""

_UNDER_WAY: Final = 200
"""Calls at once."""

_NOISE: Final = frozenset(
    {
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNKNOWN,
        grpc.StatusCode.UNIMPLEMENTED,
    }
)
"""How the library and the service end calls whose bytes are no message."""


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = write_policies(tmp_path_factory.mktemp("policies"), {"p.ward": POLICY})
    with served(folder, "--http", "127.0.0.1:0", "--set", "telemetry.metrics=127.0.0.1:0") as engine:
        yield engine


def seeds() -> list[bytes]:
    """Requests that are allowed, and the first ones of fuzzing."""
    allowed: list[dict[str, Any]] = [
        {
            "principal": {"id": "ana"},
            "action": {"name": "query"},
            "resource": {"kind": "postgres", "name": "shop"},
            "postgres": {"statement": "select 1"},
        },
        {
            "principal": {"id": "ana"},
            "action": {"name": "call"},
            "resource": {"kind": "http", "name": "api"},
            "http_request": {"method": "GET", "target": "/open/x"},
        },
    ]
    documents = [*allowed, *corpus.requests()]
    return [
        pb.DecideRequest(request_id=str(at), json=json.dumps(document).encode()).SerializeToString()
        for at, document in enumerate(documents)
    ]


def hostile(count: int) -> Iterator[tuple[str, bytes]]:
    """Methods, and what is sent to them: messages torn and twisted, documents twisted in messages that are whole."""
    random = Random(20261120)
    whole = seeds()
    raw = BytesMutator(whole)
    texts = TextMutator(corpus.JSON_WORDS, [json.dumps(one) for one in corpus.requests()])
    for _ in range(count):
        message = random.choice(whole if random.random() < 0.7 else whole[:2])
        if random.random() < 0.4:
            message = raw.mutate(message, random)
        else:
            request = pb.DecideRequest.FromString(message)
            for _ in range(random.randrange(4)):
                text = texts.mutate(request.json.decode("utf-8", "replace"), random)
                request.json = text.encode("utf-8", "surrogatepass")
            message = request.SerializeToString()
        chance = random.random()
        if chance < 0.7:
            yield "Decide", message
        elif chance < 0.85:
            batch = pb.DecideBatchRequest()
            for _ in range(random.randrange(4)):
                inner = batch.requests.add()
                try:
                    inner.ParseFromString(raw.mutate(random.choice(whole), random))
                except DecodeError:
                    inner.Clear()
            yield "DecideBatch", batch.SerializeToString()
        else:
            yield random.choice(("Explain", "Query", "DescribeResource", "GetRevision", "Nothing")), message


def test_hostile_messages_are_never_allowed_what_they_should_not_be(engine: Served) -> None:
    """Whatever is allowed is allowed by the library too, for the same bytes; nothing crashes, and nothing is lost."""
    oracle = Engine.from_sources({"p.ward": POLICY})
    kinds: Counter[str] = Counter()

    def judge(request: pb.DecideRequest, response: pb.DecideResponse) -> None:
        outcome = response.WhichOneof("outcome")
        assert outcome is not None
        kinds[outcome] += 1
        if outcome == "failure":
            assert response.failure.code not in (pb.Failure.CODE_UNSPECIFIED, pb.Failure.CODE_INTERNAL), (
                response
            )
            return
        assert response.decision.verdict in (pb.VERDICT_BLOCK, pb.VERDICT_ALLOW)
        if response.decision.verdict == pb.VERDICT_ALLOW:
            kinds["allowed"] += 1
            assert request.WhichOneof("document") == "json"
            decided = oracle.decide(parse_document(request.json))
            assert decided.verdict == "allow", request.json

    def check(method: str, sent: bytes, call: Any) -> None:
        try:
            answer = call.result()
        except grpc.RpcError as error:
            code = error.code()
        else:
            code = grpc.StatusCode.OK
        kinds[code.name] += 1
        if code != grpc.StatusCode.OK:
            assert code in _NOISE, (method, code)
            return
        if method == "Decide":
            judge(pb.DecideRequest.FromString(sent), pb.DecideResponse.FromString(answer))
        elif method == "DecideBatch":
            asked = pb.DecideBatchRequest.FromString(sent).requests
            answered = pb.DecideBatchResponse.FromString(answer).responses
            for request, response in zip(asked, answered, strict=True):
                judge(request, response)

    with engine.channel() as channel:
        methods = {
            name: channel.unary_unary(f"/doorward.v1.DecisionService/{name}")
            for name in (
                "Decide",
                "DecideBatch",
                "Explain",
                "Query",
                "DescribeResource",
                "GetRevision",
                "Nothing",
            )
        }
        under_way: list[tuple[str, bytes, Any]] = []
        for method, sent in hostile(_MESSAGES):
            under_way.append((method, sent, methods[method].future(sent, timeout=PATIENCE * 2)))
            if len(under_way) == _UNDER_WAY:
                for one in under_way:
                    check(*one)
                under_way.clear()
        for one in under_way:
            check(*one)
        assert engine.process.poll() is None
        fine = pb.DecideResponse.FromString(methods["Decide"](seeds()[0], timeout=PATIENCE))
        assert fine.decision.verdict == pb.VERDICT_ALLOW
    # it was worth trying: enough came through to be judged, of every sort
    print(dict(kinds))
    torn = sum(kinds[code.name] for code in _NOISE)
    assert min(kinds["allowed"], kinds["decision"], kinds["failure"], torn) > _MESSAGES // 100
    assert "Traceback" not in b"".join(engine.stderr).decode()


def test_the_judge_knows_a_wrong_allow() -> None:
    oracle = Engine.from_sources({"p.ward": POLICY})
    (first, *_) = seeds()
    document = orjson.loads(pb.DecideRequest.FromString(first).json)
    assert oracle.decide(document).verdict == "allow"
    assert oracle.decide({**document, "principal": {"id": "bo"}}).verdict == "block"
    with pytest.raises(InvalidRequest):
        parse_document(b"{")


class _Hour:
    """What an hour brings, in a part: decisions in batches, alone and on streams, callers who come and go, who are
    refused, who break off, who look at metrics.
    """

    def __init__(self, engine: Served) -> None:
        self._engine = engine
        self._random = Random(1)
        statements = [f"select {at}, name from t{at % 50} where id = {at}" for at in range(2000)]
        self._requests = [
            pb.DecideRequest(
                request_id=str(at),
                json=json.dumps(
                    {
                        "principal": {"id": "ana" if at % 3 else "bo", "groups": [f"g{at % 7}"]},
                        "action": {"name": "query"},
                        "resource": {"kind": "postgres", "name": "shop"},
                        "postgres": {"statement": statement},
                    }
                ).encode(),
            )
            for at, statement in enumerate(statements)
        ]

    def part(self, decisions: int) -> None:
        """So many decisions, and everything else with them."""
        size = 500
        with self._engine.stub() as stub:
            for _ in range(decisions // size):
                batch = pb.DecideBatchRequest(requests=self._random.choices(self._requests, k=size))
                assert len(stub.DecideBatch(batch, timeout=PATIENCE * 2).responses) == size
        for _ in range(max(1, decisions // 5000)):
            self._come_and_go()

    def _come_and_go(self) -> None:
        http = self._engine.ready["http"][0]  # type: ignore[index]
        with grpc.insecure_channel(self._engine.target, [("grpc.use_local_subchannel_pool", 1)]) as channel:
            stub = DecisionServiceStub(channel)  # type: ignore[no-untyped-call]
            for request in self._random.choices(self._requests, k=10):
                stub.Decide(request, timeout=PATIENCE)
            message = pb.DecideBatchRequest(requests=self._requests[:3])
            assert len(list(stub.DecideStream(iter([message] * 3), timeout=PATIENCE))) == 3
            broken = stub.DecideStream(iter([message]), timeout=PATIENCE)
            next(broken)
            broken.cancel()
            stub.Explain(pb.ExplainRequest(request=self._requests[0]), timeout=PATIENCE)
            stub.Decide(pb.DecideRequest(json=b"{" * 1000), timeout=PATIENCE)
            late = stub.Decide.future(self._requests[0], timeout=0.0001)
            assert late.exception(PATIENCE) is None or late.code() == grpc.StatusCode.DEADLINE_EXCEEDED
        with httpx.Client() as client:
            client.get(f"http://{http}/metrics", timeout=PATIENCE)
            client.get(f"http://{http}/readyz", timeout=PATIENCE)
            client.post(f"http://{http}/access/v1/evaluation", content=b"{", timeout=PATIENCE)


def test_an_hour_leaves_nothing_behind(engine: Served) -> None:
    """Half an hour at sixty decisions a second, in seconds: neither memory nor open files are more than after the beginning."""
    process = psutil.Process(engine.process.pid)
    hour = _Hour(engine)
    hour.part(_DECISIONS // 10)  # what is remembered has to be remembered first
    hour.part(_DECISIONS // 10)
    memory, files, threads = process.memory_info().rss, process.num_fds(), process.num_threads()
    hour.part(_DECISIONS * 8 // 10)
    grown = process.memory_info().rss - memory
    print(
        f"{_DECISIONS * 8 // 10} decisions: {grown / (1 << 20):+.1f} MiB, {process.num_fds() - files:+} files"
    )
    assert grown < 16 << 20
    # the last connections may not have been let go yet
    assert process.num_fds() <= files + 4
    assert process.num_threads() <= threads + 4
