"""What the service tells of itself: health, metrics, traces, its log."""

from __future__ import annotations

import json
import re
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from tests.support.served import PATIENCE, served, write_policies

from doorward.decide.decision import Decision, DecisionError
from doorward.serve.operations.metrics import Metrics
from doorward.serve.point import Made, Question
from doorward_proto.v1 import decision_pb2 as pb

from .asking import WARD, Questions, bearer, configured, decide, metrics, request, wait_until

TRACE = "0af7651916cd43dd8448eb211c80319c"
OTHER = "1bf7651916cd43dd8448eb211c80319c"
PARENT = "b7ad6b7169203331"

METRICS = {"telemetry": {"metrics": "127.0.0.1:0"}}


def test_readiness_follows_the_policies_and_the_end(tmp_path: Path) -> None:
    flags = configured(tmp_path, {**METRICS, "drain_seconds": 2, "grace_seconds": 20})
    status = health_pb2.HealthCheckResponse
    with served(tmp_path / "policies", *flags) as engine, engine.channel() as channel, engine.stub() as stub:
        at = f"http://{engine.ready['metrics'][0]}"  # type: ignore[index]

        def ready() -> tuple[int, Any]:
            answer = httpx.get(f"{at}/readyz", timeout=PATIENCE)
            return answer.status_code, answer.json()

        def healthy(name: str) -> int:
            return int(
                health_pb2_grpc.HealthStub(channel)
                .Check(health_pb2.HealthCheckRequest(service=name), timeout=PATIENCE)
                .status
            )

        assert ready() == (200, {"status": "ready", "policies": "newest"})
        write_policies(tmp_path / "policies", {"p.ward": "package p\nallow if {\n"})
        wait_until(lambda: healthy("policies") == status.NOT_SERVING)
        assert ready() == (200, {"status": "ready", "policies": "stale"})
        assert healthy("ready") == healthy("") == status.SERVING
        write_policies(tmp_path / "policies", {"p.ward": WARD})
        wait_until(lambda: healthy("policies") == status.SERVING)

        questions = Questions()
        stream = stub.DecideStream(iter(questions), timeout=PATIENCE)
        questions.ask()
        assert next(stream).responses
        engine.process.send_signal(signal.SIGTERM)
        # nobody should begin anything, and whoever does all the same is served
        wait_until(lambda: healthy("ready") == status.NOT_SERVING)
        assert healthy("live") == status.SERVING
        assert ready() == (503, {"status": "not ready", "reason": "the service is about to stop"})
        assert httpx.get(f"{at}/livez", timeout=PATIENCE).status_code == 200
        assert decide(stub) == "ok"
        questions.ask()
        assert next(stream).responses[0].decision.verdict == pb.VERDICT_ALLOW
        assert list(stream) == []
        questions.end()
        begun = time.monotonic()
        assert engine.stop() == 0
        assert time.monotonic() - begun < 15  # nothing was under way, so the grace was not needed


def test_the_address_of_metrics_answers_nothing_else(tmp_path: Path) -> None:
    flags = configured(tmp_path, METRICS)
    with served(tmp_path / "policies", *flags) as engine:
        at = f"http://{engine.ready['metrics'][0]}"  # type: ignore[index]
        assert httpx.get(f"{at}/v1/data").status_code == 404
        assert httpx.post(f"{at}/metrics").status_code == 405
        assert httpx.post(f"{at}/access/v1/evaluation").status_code == 404
        answer = httpx.get(f"{at}/metrics", headers={"accept": "application/openmetrics-text; version=1.0.0"})
        families = {family.name: family for family in text_string_to_metric_families(answer.text)}
        assert {
            "doorward_decisions",
            "doorward_decision_seconds",
            "doorward_calls",
            "process_open_fds",
        } <= set(families)


def test_everything_is_counted(tmp_path: Path) -> None:
    flags = configured(
        tmp_path, {**METRICS, "http": "127.0.0.1:0"}, "package p\ngoverns postgres\nallow if sql.read_only\n"
    )
    with served(tmp_path / "policies", *flags) as engine, engine.stub() as stub:
        nonsense = pb.DecideRequest(json=b"{")
        writes = request()
        writes.json = writes.json.replace(b"select 1", b"delete from t")
        stub.DecideBatch(
            pb.DecideBatchRequest(requests=[request(), writes, nonsense, request()]), timeout=PATIENCE
        )
        decide(stub, nonsense)
        decide(stub, pb.DecideRequest(json=request().json, catalogue="unheard of"))
        with pytest.raises(grpc.RpcError):
            stub.DescribeResource(pb.DescribeResourceRequest(kind="x"), timeout=PATIENCE)
        at = f"http://{engine.ready['http'][0]}"  # type: ignore[index]
        httpx.get(f"{at}/{'x' * 1000}", timeout=PATIENCE)
        httpx.get(f"{at}/v1/data/p/allow", timeout=PATIENCE)
        httpx.post(f"{at}/access/v1/evaluation", content=b"{", timeout=PATIENCE)
        counted = metrics(engine.ready["metrics"][0])  # type: ignore[index]
    expected = {
        'doorward_calls_total{method="other",status="404"}': 1,
        'doorward_calls_total{method="/v1/data",status="200"}': 1,
        'doorward_calls_total{method="/access/v1/evaluation",status="400"}': 1,
        'doorward_decisions_total{caller="",kind="postgres",verdict="allow"}': 2,
        'doorward_decisions_total{caller="",kind="postgres",verdict="block"}': 1,
        'doorward_decision_seconds_count{kind="postgres"}': 3,
        'doorward_decision_seconds_bucket{kind="postgres",le="+Inf"}': 3,
        'doorward_unanswered_total{code="invalid_request"}': 2,
        'doorward_unanswered_total{code="unknown_catalogue"}': 1,
        'doorward_calls_total{method="DecideBatch",status="OK"}': 1,
        'doorward_calls_total{method="Decide",status="OK"}': 2,
        'doorward_calls_total{method="DescribeResource",status="INVALID_ARGUMENT"}': 1,
        'doorward_policy_fetches_total{outcome="taken"}': 1,
        f'doorward_revision{{revision="{engine.ready["revision"]}"}}': 1,
        "doorward_policies_rejected": 0,
        "doorward_calls_under_way": 0,
        "doorward_batch_decisions_count": 1,
        'doorward_batch_decisions_bucket{le="2.0"}': 0,
        'doorward_batch_decisions_bucket{le="4.0"}': 1,
    }
    assert {name: counted.get(name) for name in expected} == expected


class _NoRevision:
    in_force = None
    rejected = ""
    answered_at = 0.0
    outcomes: dict[str, int] = {}  # noqa: RUF012


def test_times_fall_into_their_buckets_and_what_requests_say_cannot_fill_the_memory() -> None:
    counted = Metrics(_NoRevision())  # type: ignore[arg-type]

    def made(kind: Any, took: int, errors: tuple[DecisionError, ...] = ()) -> Made:
        decision = Decision(
            decision_id="id",
            revision="revision",
            verdict="block",
            reasons=(),
            determining=(),
            errors=errors,
            masks=(),
            approvals=(),
            credential=None,
            operation_hash="",
            cacheable=False,
            facts={},
        )
        return Made(Question({"resource": {"kind": kind}}), None, decision, 0, took)

    counted.saw([])
    counted.saw([made("a", took) for took in (0, 1023, 1024, 1 << 20, 1 << 40)])
    counted.saw([made("a", 1, (DecisionError("", "eval_budget_error", "", ""),))])
    samples = {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in counted.collect()
        for sample in family.samples
    }

    def at_most(end: str) -> float:
        return samples["doorward_decision_seconds_bucket", ("kind", "a"), ("le", end)]

    assert [
        at_most(end)
        for end in ("1.024e-06", "2.048e-06", "0.001048576", "0.002097152", "1.073741824", "+Inf")
    ] == [
        3,
        4,
        4,
        5,
        5,
        6,
    ]
    assert samples["doorward_evaluation_errors_total", ("code", "eval_budget_error")] == 1
    for at in range(5000):
        counted.saw([made(f"kind {at}", 1), made("x" * 100_000, 1), made(["no", "text"], 1), made({}, 1)])
    (decisions,) = (family for family in counted.collect() if family.name == "doorward_decisions")
    assert len(decisions.samples) <= 1002
    assert sum(sample.value for sample in decisions.samples) == 20_006
    assert max(len(sample.labels["kind"]) for sample in decisions.samples) < 100


@contextmanager
def collector() -> Iterator[tuple[str, list[Any]]]:
    """A collector of OpenTelemetry's: its endpoint, and the spans that came."""
    from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as otlp
    from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc as service

    spans: list[Any] = []

    class Collector(service.TraceServiceServicer):
        def Export(self, request: Any, context: Any) -> Any:  # noqa: N802
            for resource in request.resource_spans:
                for scope in resource.scope_spans:
                    spans.extend(scope.spans)
            return otlp.ExportTraceServiceResponse()

    with ThreadPoolExecutor(4) as threads:
        server = grpc.server(threads)
        service.add_TraceServiceServicer_to_server(Collector(), server)
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        try:
            yield f"http://127.0.0.1:{port}", spans
        finally:
            server.stop(0).wait()


def test_spans_join_the_trace_of_the_caller_where_that_is_kept(tmp_path: Path) -> None:
    pytest.importorskip("opentelemetry.sdk", reason="the extra `otel` is not installed")
    with collector() as (endpoint, spans):
        flags = configured(tmp_path, {"http": "127.0.0.1:0", "telemetry": {"traces": {"endpoint": endpoint}}})
        with served(tmp_path / "policies", *flags) as engine, engine.stub() as stub:

            def traced(flag: str) -> list[tuple[str, str]]:
                return [("traceparent", f"00-{TRACE}-{PARENT}-{flag}")]

            answer = stub.Decide(request(), timeout=PATIENCE, metadata=traced("01"))
            for metadata in (
                traced("00"),
                None,
                [("traceparent", "nonsense")],
                [("traceparent", f"ff-{TRACE}-{PARENT}-01")],
            ):
                assert decide(stub, metadata=metadata) == "ok"
            batch = pb.DecideBatchRequest(requests=[request()] * 3)
            stub.DecideBatch(batch, timeout=PATIENCE, metadata=traced("03"))
            # of many who share a message, each has its own
            others = [request(), request(), request()]
            others[1].traceparent = f"00-{OTHER}-{PARENT}-01"
            stub.DecideBatch(pb.DecideBatchRequest(requests=others), timeout=PATIENCE, metadata=traced("00"))
            httpx.post(
                f"http://{engine.ready['http'][0]}/access/v1/evaluation",  # type: ignore[index]
                json={
                    "subject": {"type": "user", "id": "ann"},
                    "action": {"name": "query"},
                    "resource": {"type": "postgres", "id": "shop"},
                    "context": {"statement": "select 1"},
                },
                headers=dict(traced("01")),
                timeout=PATIENCE,
            )
            assert engine.stop() == 0  # what was not yet sent is sent now
        (other,) = (span for span in spans if span.trace_id.hex() == OTHER)
        spans.remove(other)
        assert {(span.trace_id.hex(), span.parent_span_id.hex()) for span in spans} == {(TRACE, PARENT)}
        assert [span.name for span in spans] == ["doorward.decide"] * 3
        one, many, _ = (
            {item.key: item.value.string_value or item.value.int_value for item in span.attributes}
            for span in sorted(spans, key=lambda span: span.start_time_unix_nano)
        )
        assert one["doorward.decision_id"] == answer.decision.decision_id
        assert (one["doorward.verdict"], one["doorward.resource.kind"]) == ("allow", "postgres")
        assert (many["doorward.decisions"], many["doorward.verdicts.allow"]) == (3, 3)
        assert all(span.start_time_unix_nano < span.end_time_unix_nano for span in spans)


def test_a_collector_that_is_not_there_holds_nobody_up(tmp_path: Path) -> None:
    pytest.importorskip("opentelemetry.sdk", reason="the extra `otel` is not installed")
    traces = {"endpoint": "http://127.0.0.1:1", "ratio": 1.0}
    flags = configured(tmp_path, {"telemetry": {"traces": traces}})
    with served(tmp_path / "policies", *flags) as engine, engine.stub() as stub:
        assert [decide(stub) for _ in range(20)] == ["ok"] * 20
        assert engine.stop() == 0


SECRET = "hunter2-is-a-secret-that-nobody-must-log"


def test_no_secret_comes_into_the_log(tmp_path: Path) -> None:
    """Tokens good and bad, bodies whole and torn, over every way in; policies that fail; everything that is logged."""
    good = "a token that is good, and secret"
    (tmp_path / "a.token").write_text(good)
    flags = configured(
        tmp_path,
        {
            "http": "127.0.0.1:0",
            "callers": {"a": {"token_file": "a.token", "may": "decide query explain describe"}},
        },
        "package p\ngoverns postgres, http\nallow if to_number(resource.name) > 1\n",
    )
    with served(tmp_path / "policies", *flags) as engine, engine.stub() as stub, engine.channel() as channel:
        at = f"http://{engine.ready['http'][0]}"  # type: ignore[index]
        asked = request(SECRET)
        for metadata in (
            bearer(good),
            bearer(SECRET),
            [("authorization", f"Basic {SECRET}"), ("cookie", SECRET)],
        ):
            decide(stub, asked, metadata)
            decide(stub, pb.DecideRequest(json=asked.json[:-3], catalogue=SECRET), metadata)
            decide(stub, pb.DecideRequest(json=json.dumps({SECRET: SECRET}).encode()), metadata)
            with pytest.raises(grpc.RpcError):
                stub.DescribeResource(
                    pb.DescribeResourceRequest(kind="postgres", catalogue=SECRET.encode()),
                    metadata=metadata,
                    timeout=PATIENCE,
                )
            torn = channel.unary_unary("/doorward.v1.DecisionService/Decide")
            with pytest.raises(grpc.RpcError):
                torn(b"\x12\xff" + SECRET.encode(), metadata=metadata, timeout=PATIENCE)
            for path in ("/access/v1/evaluation", "/v1/data/p", f"/v1/data/{SECRET}", f"/{SECRET}"):
                for body in (asked.json, asked.json[:-3], SECRET.encode()):
                    headers = {**dict(metadata), "content-type": "application/json", "x-request-id": SECRET}
                    httpx.post(f"{at}{path}?q={SECRET}", content=body, headers=headers, timeout=PATIENCE)
        (tmp_path / "a.token").write_text(SECRET)
        wait_until(lambda: decide(stub, asked, bearer(SECRET)) == "ok")
        (tmp_path / "a.token").write_text("short")
        wait_until(lambda: decide(stub, asked, bearer(SECRET)) != "ok")
        engine.process.send_signal(signal.SIGHUP)
        assert engine.stop() == 0
        logged = b"".join(engine.stderr).decode()
    assert "policies in force" in logged
    assert "locked out" in logged
    assert SECRET not in logged
    assert good not in logged
    assert not re.search(r"hunter2|select 1", logged)
    assert "Traceback" not in logged
    for line in logged.splitlines():
        assert {"event", "level", "timestamp"} <= set(json.loads(line))
