"""What the service takes of its callers, and how it says that it takes no more: at once."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import httpx
import pytest
from tests.support.served import PATIENCE, served

from doorward.serve.operations import asking as rates
from doorward_proto.v1 import decision_pb2 as pb
from doorward_proto.v1.decision_pb2_grpc import DecisionServiceStub

from .asking import Questions, configured, decide, metrics, outcome, request, wait_until

SLOW = """package p
governs postgres
allow if resource.name == "quick"
allow if {
    resource.name == "slow"
    some i in numbers.range(1, 5000)
    some j in numbers.range(1, 5000)
    i * j < 0
}
"""
"""A request about `slow` goes on until its time is up."""


def test_a_rate_holds_over_time_whatever_comes_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr(rates, "monotonic", lambda: now)
    rate = rates.Rate(10)
    assert [rate.take(1) for _ in range(11)] == [True] * 10 + [False]
    now = 0.05
    assert not rate.take(1)
    now = 0.1
    assert rate.take(50)  # more than is left: let through, and owed
    now = 4.0
    assert not rate.take(1)
    now = 5.2
    assert rate.take(1)
    now = 1000.0
    assert [rate.take(1) for _ in range(11)] == [True] * 10 + [False]


def test_more_than_the_rate_is_refused_at_once(tmp_path: Path) -> None:
    flags = configured(tmp_path, {"http": "127.0.0.1:0", "limits": {"rate": 3}})
    evaluation = {
        "subject": {"type": "user", "id": "ann"},
        "action": {"name": "query"},
        "resource": {"type": "postgres", "id": "shop"},
        "context": {"statement": "select 1"},
    }
    with served(tmp_path / "policies", *flags) as engine, engine.stub() as stub:
        batch = pb.DecideBatchRequest(requests=[request()] * 100)
        begun = time.monotonic()
        answer = stub.DecideBatch(batch, timeout=PATIENCE)
        assert {one.decision.verdict for one in answer.responses} == {pb.VERDICT_ALLOW}
        assert decide(stub) == "RESOURCE_EXHAUSTED"
        again = stub.DecideBatch(batch, timeout=PATIENCE)
        assert {one.failure.code for one in again.responses} == {pb.Failure.CODE_OVERLOADED}
        url = f"http://{engine.ready['http'][0]}/access/v1/evaluation"  # type: ignore[index]
        refused = httpx.post(url, json=evaluation, timeout=PATIENCE)
        assert refused.status_code == 429
        assert time.monotonic() - begun < 10  # 33 s would have to pass before one more is let through
        counted = metrics(engine.ready["http"][0])  # type: ignore[index]
    assert counted['doorward_unanswered_total{code="overloaded"}'] >= 102


def test_calls_beyond_what_may_be_under_way_are_refused_at_once(tmp_path: Path) -> None:
    flags = configured(tmp_path, {"limits": {"calls": 2}})
    with served(tmp_path / "policies", *flags) as engine, engine.stub() as stub:
        first, second = Questions(), Questions()
        streams = [stub.DecideStream(iter(questions), timeout=PATIENCE) for questions in (first, second)]
        for questions, stream in zip((first, second), streams, strict=True):
            questions.ask()
            assert next(stream).responses
        assert decide(stub) == "RESOURCE_EXHAUSTED"
        first.end()
        assert list(streams[0]) == []
        wait_until(lambda: decide(stub) == "ok")
        second.end()


def test_overload_is_refused_and_not_queued(tmp_path: Path) -> None:
    flags = configured(
        tmp_path, {"max_concurrent": 4, "evaluation_ms": 300, "evaluation_steps": 1 << 40}, SLOW
    )

    def timed(stub: DecisionServiceStub) -> tuple[str, float]:
        begun = time.monotonic()
        return decide(stub, request("slow")), time.monotonic() - begun

    with (
        served(tmp_path / "policies", *flags) as engine,
        engine.stub() as stub,
        ThreadPoolExecutor(64) as threads,
    ):
        outcomes = list(threads.map(timed, [stub] * 64))
        refused = [took for outcome, took in outcomes if outcome != "ok"]
        # it is the library that refuses where decisions keep the event loop busy, and it says no more than this
        assert {outcome for outcome, _ in outcomes} <= {"ok", "RESOURCE_EXHAUSTED", "CANCELLED"}
        # each evaluation takes its whole 0.3 s: sixty-four of them, one after the other, would take 19 s
        assert len(refused) >= 40
        assert max(took for _, took in outcomes) < 10
        assert sorted(refused)[len(refused) // 2] < 0.3
        wait_until(lambda: decide(stub, request("quick")) == "ok")


def test_what_is_too_late_is_not_decided(tmp_path: Path) -> None:
    flags = configured(
        tmp_path,
        {"telemetry": {"metrics": "127.0.0.1:0"}, "evaluation_ms": 1000, "evaluation_steps": 1 << 40},
        SLOW,
    )
    with served(tmp_path / "policies", *flags) as engine, engine.stub() as stub:
        assert decide(stub, request("quick")) == "ok"
        slow = stub.Decide.future(request("slow"), timeout=PATIENCE)
        late = [stub.Decide.future(request("quick"), timeout=0.3) for _ in range(8)]
        statuses = {outcome(call.result) for call in late}
        assert slow.result().decision.verdict == pb.VERDICT_BLOCK
        if statuses == {"ok"}:
            pytest.skip("those that should have come after the slow one came before it")
        assert "DEADLINE_EXCEEDED" in statuses
        missed = sum(outcome(call.result) != "ok" for call in late)
        counted = metrics(engine.ready["metrics"][0])  # type: ignore[index]
        decided = sum(value for name, value in counted.items() if name.startswith("doorward_decisions_total"))
        assert decided == 2 + len(late) - missed


@pytest.mark.parametrize(
    ("json", "said"),
    [
        (b'{"resource":' + b"[" * 100 + b"]" * 100 + b"}", "nested"),
        (b"[" * 1_000_000, "JSON"),
        (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, ""),
    ],
)
def test_depth_is_bounded(tmp_path: Path, json: bytes, said: str) -> None:
    flags = configured(tmp_path, {})
    with served(tmp_path / "policies", *flags) as engine, engine.stub() as stub:
        failure = stub.Decide(pb.DecideRequest(json=json), timeout=PATIENCE).failure
        assert failure.code == pb.Failure.CODE_INVALID_REQUEST
        assert said in failure.message
        assert decide(stub) == "ok"


def test_a_message_that_is_too_large_is_refused(tmp_path: Path) -> None:
    flags = configured(tmp_path, {"max_message_bytes": 4096})
    with served(tmp_path / "policies", *flags) as engine, engine.stub() as stub:
        large = pb.DecideRequest(json=b" " * 5000)
        with pytest.raises(grpc.RpcError) as error:
            stub.Decide(large, timeout=PATIENCE)
        assert error.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
        assert decide(stub) == "ok"
