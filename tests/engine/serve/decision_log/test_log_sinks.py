"""Sinks get every line, in order, whatever becomes of them meanwhile; tried on real receivers."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import grpc
import psycopg
import pytest
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2 as otlp
from opentelemetry.proto.collector.logs.v1.logs_service_pb2_grpc import (
    LogsServiceServicer,
    add_LogsServiceServicer_to_server,
)
from tests.support.certificates import Authority
from tests.support.decision_log import PATIENCE, entries, log_of, made, opened, postgres_request, until
from tests.support.postgres import PostgresServer, free_port
from typer.testing import CliRunner

from doorward.cli.main import build
from doorward.serve.decision_log.counts import SinkCounts
from doorward.serve.decision_log.names import take
from doorward.serve.decision_log.otlp import OtlpGrpc, OtlpHttp
from doorward.serve.decision_log.postgres import PostgresSink
from doorward.serve.decision_log.settings import (
    OtlpSettings,
    PostgresSettings,
)
from doorward.serve.decision_log.shipping import Shipper
from doorward.serve.decision_log.sink import LinesRefused, SinkUnavailable
from doorward.serve.decision_log.spool import Spool

# --- from the files ---


class Collected:
    """Takes lines, or not."""

    def __init__(self) -> None:
        self.lines: list[dict[str, Any]] = []
        self.up = True
        self.poison = ""

    def send(self, lines: Sequence[bytes]) -> int:
        if not self.up:
            raise SinkUnavailable("it is down")
        if self.poison and any(self.poison.encode() in line for line in lines):
            raise LinesRefused("it is poison")
        self.lines += map(json.loads, lines)
        return 0

    def close(self) -> None:
        pass

    @property
    def ids(self) -> list[str]:
        return [line["id"] for line in self.lines if "kind" not in line]


@pytest.fixture
def collected(monkeypatch: pytest.MonkeyPatch) -> Collected:
    """In place of a collector."""
    sink = Collected()
    monkeypatch.setattr("doorward.serve.decision_log.otlp.otlp_sink", lambda settings: sink)
    return sink


FED: dict[str, Any] = {"required": True, "otlp": {"endpoint": "http://127.0.0.1:1"}}


def full(folder: Path) -> list[Path]:
    return list(folder.glob("log-*"))


async def keep(log: Any, count: int) -> list[str]:
    kept = []
    for _ in range(count):
        decided = made()
        assert await log.keep([decided]) == ""
        kept.append(decided.decision.decision_id)
    return kept


@pytest.mark.parametrize("compress", [True, False])
async def test_a_sink_gets_everything_once_and_in_order(
    tmp_path: Path, collected: Collected, compress: bool
) -> None:
    rotation = {"max_bytes": 8_000, "compress": compress}
    async with opened(tmp_path / "log.jsonl", rotation=rotation, **FED) as log:
        kept = await keep(log, 30)
        await until(lambda: len(collected.ids) == 30)
        assert log.counts.rotations > 2
        await until(lambda: log.counts.sinks["otlp"].behind_bytes == 0)
        assert log.counts.sinks["otlp"].missed == 0
    assert collected.ids == kept
    assert {line["catalogue"] for line in collected.lines if line.get("kind") == "catalogue"}


async def test_what_a_sink_missed_it_gets_later_across_restarts(tmp_path: Path, collected: Collected) -> None:
    file, told = tmp_path / "log.jsonl", {**FED, "rotation": {"max_bytes": 8_000}}
    async with opened(file, **told) as log:
        kept = await keep(log, 3)
        await until(lambda: len(collected.ids) == 3)
        collected.up = False
        kept += await keep(log, 20)
        await until(lambda: log.sink_problems == {"otlp": "it is down"})
        await until(lambda: log.counts.sinks["otlp"].behind_bytes > 0)
    async with opened(file, **told) as log:
        kept += await keep(log, 3)
        collected.up = True
        await until(lambda: len(collected.ids) == len(kept))
        await until(lambda: not log.sink_problems)
    assert collected.ids == kept


async def test_required_files_are_given_up_only_when_the_sink_has_them(
    tmp_path: Path, collected: Collected
) -> None:
    rotation = {"max_bytes": 4_000, "keep_files": 1}
    collected.up = False
    async with opened(tmp_path / "log.jsonl", rotation=rotation, **FED) as log:
        kept = await keep(log, 30)
        assert len(full(tmp_path)) == log.counts.rotations > 6
        collected.up = True
        await until(lambda: len(collected.ids) == 30)
        kept += await keep(log, 10)  # full files are looked at when there is another
        await until(lambda: len(full(tmp_path)) < 6)
        await until(lambda: len(collected.ids) == 40)
    assert collected.ids == kept


async def test_a_line_that_is_refused_holds_up_no_other(tmp_path: Path, collected: Collected) -> None:
    collected.up = False
    async with opened(tmp_path / "log.jsonl", **FED) as log:
        kept = await keep(log, 10)
        collected.poison, collected.up = kept[6], True
        await until(lambda: len(collected.ids) == 9)
        await until(lambda: log.counts.sinks["otlp"].behind_bytes == 0)
        assert log.counts.sinks["otlp"].refused == 1
    assert collected.ids == [one for one in kept if one != kept[6]]


async def test_what_earlier_workers_left_is_sent_too(tmp_path: Path, collected: Collected) -> None:
    file = tmp_path / "log.jsonl"
    collected.up = False
    logs = [log_of(file, workers=2, **FED) for _ in range(2)]
    kept = [one for log in logs for one in await keep(log, 4)]
    for log in logs:
        await log.close()
    collected.up = True
    async with opened(file, workers=1, **FED):
        await until(lambda: len(collected.ids) == 8)
    assert sorted(collected.ids) == sorted(kept)


def test_a_cursor_survives_what_a_crash_of_the_machine_took(tmp_path: Path) -> None:
    taken = take(tmp_path / "log.jsonl")
    first = b'{"kind":"file","id":"a","time":"2026-11-20T00:00:00.0Z"}\n'
    taken.path.write_bytes(first + b'{"id":1}\n{"id":2}\n')
    size = taken.path.stat().st_size
    spool = Spool(taken, "x", lambda: ("a", size))
    lines, cursor = spool.read()
    assert lines[1:] == [b'{"id":1}\n', b'{"id":2}\n']
    spool.keep(cursor)
    spool.close()
    taken.path.write_bytes(first + b'{"id":1}\n')  # the last was not on the disk
    spool = Spool(taken, "x", lambda: ("a", taken.path.stat().st_size))
    assert spool.read() == ([], spool.cursor)
    taken.path.write_bytes(first + b'{"id":1}\n{"id":3}\n')
    assert spool.read()[0] == [b'{"id":3}\n']
    spool.close()
    taken.close()


def test_files_that_are_gone_are_counted(tmp_path: Path) -> None:
    taken = take(tmp_path / "log.jsonl")
    line = '{{"kind":"file","id":"{}","time":"2026-11-20T00:00:00.0Z"}}\n{{"id":1}}\n'
    taken.path.write_text(line.format("b"))
    taken.beside("x.cursor").write_text('{"file":"a","offset":7}')
    sink, counts = Collected(), SinkCounts()
    shipper = Shipper("x", Spool(taken, "x", lambda: None), sink, counts)
    shipper.stop()
    shipper.join(PATIENCE)
    assert (counts.missed, counts.sent, sink.ids) == (1, 1, [1])
    taken.close()


# --- OTLP ---


class Receiver(LogsServiceServicer):
    """A collector's own service."""

    def __init__(self) -> None:
        self.requests: list[otlp.ExportLogsServiceRequest] = []
        self.metadata: dict[str, str] = {}
        self.answer: grpc.StatusCode | None = None
        self.rejected = 0

    def Export(self, request: Any, context: Any) -> Any:  # noqa: N802 - the name of the service
        self.metadata = dict(context.invocation_metadata())
        if self.answer is not None:
            context.abort(self.answer, "because")
        self.requests.append(request)
        answer = otlp.ExportLogsServiceResponse()
        answer.partial_success.rejected_log_records = self.rejected
        return answer

    @property
    def records(self) -> list[Any]:
        return [
            record
            for request in self.requests
            for resource in request.resource_logs
            for scope in resource.scope_logs
            for record in scope.log_records
        ]


@pytest.fixture
def receiver() -> Iterator[tuple[Receiver, str]]:
    with ThreadPoolExecutor(2) as threads:
        server = grpc.server(threads)
        service = Receiver()
        add_LogsServiceServicer_to_server(service, server)  # type: ignore[no-untyped-call]
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        yield service, f"http://127.0.0.1:{port}"
        server.stop(0).wait(PATIENCE)


async def test_a_collector_gets_log_records(tmp_path: Path, receiver: tuple[Receiver, str]) -> None:
    service, endpoint = receiver
    file = tmp_path / "log.jsonl"
    async with opened(file, required=True, otlp={"endpoint": endpoint}) as log:
        trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
        decided = [made(trace=trace, caller="gate"), made(postgres_request(groups=[]))]
        assert await log.keep(decided) == ""
        await until(lambda: len(service.records) == 3)
    _, allowed, blocked = service.records
    line = file.read_bytes().splitlines()[2].decode()
    assert allowed.body.string_value == line
    assert allowed.time_unix_nano == decided[0].now_ns
    assert (allowed.trace_id.hex(), allowed.span_id.hex()) == (trace[3:35], trace[36:52])
    assert (allowed.event_name, allowed.severity_text) == ("doorward.decision", "INFO")
    assert (blocked.severity_text, blocked.trace_id) == ("WARN", b"")
    attributes = {one.key: one.value.string_value for one in allowed.attributes}
    assert attributes == {
        "doorward.id": decided[0].decision.decision_id,
        "doorward.verdict": "block",
        "doorward.revision": decided[0].decision.revision,
        "doorward.caller": "gate",
        "doorward.principal": "ana",
        "doorward.action": "query",
        "doorward.resource.kind": "postgres",
        "doorward.resource.name": "shop",
    } | {"doorward.verdict": decided[0].decision.verdict}
    resource = service.requests[0].resource_logs[0].resource
    assert {one.key for one in resource.attributes} == {"service.name", "host.name"}


LINES = [b'{"id":"1","time":"2026-11-20T00:00:00.000000001Z"}\n', b'{"kind":"other","id":"2"}\n']


@pytest.mark.parametrize(
    ("code", "raised"),
    [
        (grpc.StatusCode.UNAVAILABLE, SinkUnavailable),
        (grpc.StatusCode.UNAUTHENTICATED, SinkUnavailable),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, SinkUnavailable),
        (grpc.StatusCode.INVALID_ARGUMENT, LinesRefused),
    ],
)
def test_what_a_collector_says_by_grpc(
    receiver: tuple[Receiver, str], code: grpc.StatusCode, raised: type[Exception]
) -> None:
    service, endpoint = receiver
    sink = OtlpGrpc(OtlpSettings(endpoint=endpoint))
    service.answer = code
    with pytest.raises(raised, match=code.name):
        sink.send(LINES)
    service.answer, service.rejected = None, 1
    assert sink.send(LINES) == 1
    sink.close()


def test_a_line_larger_than_a_collector_takes_is_refused(receiver: tuple[Receiver, str]) -> None:
    sink = OtlpGrpc(OtlpSettings(endpoint=receiver[1]))
    with pytest.raises(LinesRefused):
        sink.send([b'{"id":"%b"}' % (b"x" * (5 << 20))])
    sink.close()


def test_a_collector_that_is_not_there_is_unavailable() -> None:
    for protocol, sink in (("grpc", OtlpGrpc), ("http/protobuf", OtlpHttp)):
        settings = OtlpSettings(
            endpoint=f"http://127.0.0.1:{free_port()}", protocol=protocol, timeout_seconds=2
        )
        with pytest.raises(SinkUnavailable):
            sink(settings).send(LINES)


def test_a_collector_by_http(tmp_path: Path) -> None:
    got: list[tuple[str, str | None, bytes]] = []
    status = [200]

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            got.append((self.path, self.headers["authorization"], body))
            answer = otlp.ExportLogsServiceResponse()
            answer.partial_success.rejected_log_records = 1
            content = answer.SerializeToString()
            self.send_response(status[0])
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            pass

    (tmp_path / "token").write_text("s3cret\n")
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        endpoint = f"http://127.0.0.1:{server.server_address[1]}/base/"
        sink = OtlpHttp(
            OtlpSettings(endpoint=endpoint, protocol="http/protobuf", token_file=tmp_path / "token")
        )
        try:
            assert sink.send(LINES) == 1
            for code, raised in (
                (429, SinkUnavailable),
                (503, SinkUnavailable),
                (401, SinkUnavailable),
                (400, LinesRefused),
            ):
                status[0] = code
                with pytest.raises(raised, match=str(code)):
                    sink.send(LINES)
        finally:
            sink.close()
            server.shutdown()
    path, authorization, body = got[0]
    assert (path, authorization) == ("/base/v1/logs", "Bearer s3cret")
    (record, other) = (
        otlp.ExportLogsServiceRequest.FromString(body).resource_logs[0].scope_logs[0].log_records
    )
    assert (record.time_unix_nano, other.event_name) == (1_795_132_800_000_000_001, "doorward.other")


def test_a_collector_by_tls(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    certificate, key = authority.issue("collector")
    with ThreadPoolExecutor(1) as threads:
        server = grpc.server(threads)
        service = Receiver()
        add_LogsServiceServicer_to_server(service, server)  # type: ignore[no-untyped-call]
        credentials = grpc.ssl_server_credentials([(key.read_bytes(), certificate.read_bytes())])
        port = server.add_secure_port("127.0.0.1:0", credentials)
        server.start()
        (tmp_path / "token").write_text("s3cret\n")
        endpoint = f"https://127.0.0.1:{port}"
        sink = OtlpGrpc(OtlpSettings(endpoint=endpoint, ca=authority.file, token_file=tmp_path / "token"))
        assert sink.send(LINES) == 0
        assert service.metadata["authorization"] == "Bearer s3cret"
        stranger = OtlpGrpc(OtlpSettings(endpoint=endpoint, timeout_seconds=5))
        with pytest.raises(SinkUnavailable):
            stranger.send(LINES)
        sink.close()
        stranger.close()
        server.stop(0).wait(PATIENCE)


# --- PostgreSQL ---


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    with PostgresServer.start() as server:
        with psycopg.connect(server.dsn(), autocommit=True) as connection:
            connection.execute("create role writer login password 'w'")
            connection.execute("create schema audit")
            for table in ("doorward_decisions", "audit.decisions"):
                printed = CliRunner().invoke(build(), ["log", "schema", "--table", table])
                assert printed.exit_code == 0
                connection.execute(printed.stdout)
            connection.execute("grant usage on schema audit to writer")
            connection.execute("grant insert on audit.decisions, doorward_decisions to writer")
        yield server


def conninfo(server: PostgresServer) -> str:
    return f"host={server.host} port={server.port} user=writer dbname=postgres"


@pytest.fixture
def password(tmp_path: Path) -> Path:
    (tmp_path / "password").write_text("w\n")
    return tmp_path / "password"


def rows(server: PostgresServer, query: str) -> list[Any]:
    with psycopg.connect(server.dsn()) as connection:
        return connection.execute(query).fetchall()


async def test_postgres_gets_every_line_by_a_role_that_may_only_insert(
    tmp_path: Path, postgres: PostgresServer, password: Path
) -> None:
    file = tmp_path / "log.jsonl"
    told = {"conninfo": conninfo(postgres), "password_file": password, "table": "audit.decisions"}
    async with opened(file, required=True, rotation={"max_bytes": 20_000}, postgres=told) as log:
        for number in range(30):
            assert (
                await log.keep(
                    [made(postgres_request(f"select id from customers where id = '{number}'"))] * 1
                )
                == ""
            )
        await until(lambda: log.counts.sinks["postgres"].behind_bytes == 0)
        await until(
            lambda: rows(postgres, "select count(*) from audit.decisions where kind = 'decision'") == [(30,)]
        )
    ((line, verdict, principal, resource),) = rows(
        postgres,
        "select line, verdict, principal, resource from audit.decisions where line::text like '%id = ''7''%'",
    )
    (entry,) = [one for one in entries(file, *_unpacked(tmp_path)) if "id = '7'" in str(one["request"])]
    assert line == entry
    assert (verdict, principal, resource) == (entry["decision"]["verdict"], "ana", "shop")
    ((catalogue,),) = rows(postgres, "select id from audit.decisions where kind = 'catalogue'")
    assert catalogue == entry["catalogue"]


def _unpacked(folder: Path) -> list[Path]:
    import gzip

    found = []
    for packed in folder.glob("log-*.gz"):
        plain = folder / f"{packed.name}.plain"
        plain.write_bytes(gzip.decompress(packed.read_bytes()))
        found.append(plain)
    return [*found, *folder.glob("log-*.jsonl")]


def test_lines_may_come_twice_and_hold_what_postgres_cannot(postgres: PostgresServer, password: Path) -> None:
    sink = PostgresSink(PostgresSettings(conninfo=conninfo(postgres), password_file=password))
    line = (
        b'{"id":"nul","time":"2026-11-20T00:00:00.123456789Z","request":{"a\\u0000":"\\\\u0000 \\u0000"}}\n'
    )
    assert sink.send([line, line]) == 0
    assert sink.send([line]) == 0
    assert rows(postgres, "select line->'request' from doorward_decisions where id = 'nul'") == [
        ({"a\ufffd": "\\u0000 \ufffd"},)
    ]
    with pytest.raises(LinesRefused, match="22P02") as refused:
        sink.send([b'{"id":"canary-7f3a"'])
    assert "canary" not in str(refused.value)
    sink.close()


def test_a_server_that_is_not_as_it_should_be_is_waited_for(
    tmp_path: Path, postgres: PostgresServer, password: Path
) -> None:
    good = {"conninfo": conninfo(postgres), "password_file": password}
    (tmp_path / "wrong").write_text("canary-7f3a")
    for told, said in (
        ({**good, "table": "nowhere"}, "there is no table `nowhere`: `doorward log schema` prints it"),
        ({**good, "password_file": tmp_path / "wrong"}, "password authentication failed"),
        ({"conninfo": f"host=127.0.0.1 port={free_port()}"}, "refused"),
        ({**good, "table": "pg_catalog.pg_class"}, "42"),
    ):
        sink = PostgresSink(PostgresSettings.model_validate(told))
        with pytest.raises(SinkUnavailable, match=said) as failed:
            sink.send(LINES)
        assert "canary" not in str(failed.value)
        sink.close()


async def test_a_server_that_is_restarted_misses_nothing(
    tmp_path: Path, postgres: PostgresServer, password: Path
) -> None:
    told = {"conninfo": conninfo(postgres), "password_file": password}
    async with opened(tmp_path / "log.jsonl", required=True, postgres=told) as log:
        kept = await keep(log, 3)
        await until(lambda: log.counts.sinks["postgres"].sent >= 3)
        with psycopg.connect(postgres.dsn(), autocommit=True) as connection:
            connection.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'writer'"
            )
        kept += await keep(log, 3)
        await until(lambda: log.counts.sinks["postgres"].sent >= 6)
        assert log.counts.sinks["postgres"].failures >= 1
    found = {row[0] for row in rows(postgres, "select id from doorward_decisions")}
    assert set(kept) <= found
