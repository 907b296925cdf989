"""The log as OpenTelemetry's: each line a log record, sent to a collector by OTLP over gRPC or HTTP."""

from __future__ import annotations

import socket
import time
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlsplit

import grpc
import httpx
import orjson
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (
    ExportLogsServiceRequest,
    ExportLogsServiceResponse,
)
from opentelemetry.proto.collector.logs.v1.logs_service_pb2_grpc import LogsServiceStub
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import SEVERITY_NUMBER_INFO, SEVERITY_NUMBER_WARN, LogRecord
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from doorward.serve.decision_log.settings import OtlpSettings
from doorward.serve.decision_log.sink import LinesRefused, SinkUnavailable

__all__ = ["OtlpGrpc", "OtlpHttp", "export_request", "otlp_sink"]

_SERVICE: Final = "doorward"
_ATTRIBUTES: Final = (
    ("doorward.verdict", ("decision", "verdict")),
    ("doorward.revision", ("revision",)),
    ("doorward.caller", ("caller",)),
    ("doorward.principal", ("request", "principal", "id")),
    ("doorward.action", ("request", "action", "name")),
    ("doorward.resource.kind", ("request", "resource", "kind")),
    ("doorward.resource.name", ("request", "resource", "name")),
)
_NEVER: Final = (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.OUT_OF_RANGE)
_NEVER_HTTP: Final = (400, 413, 422)


def otlp_sink(settings: OtlpSettings) -> OtlpGrpc | OtlpHttp:
    """The sink for a collector. Raises OSError."""
    return OtlpGrpc(settings) if settings.protocol == "grpc" else OtlpHttp(settings)


class OtlpGrpc:
    """A collector that speaks gRPC."""

    def __init__(self, settings: OtlpSettings) -> None:
        self._settings = settings
        self._channel: grpc.Channel | None = None

    def send(self, lines: Sequence[bytes]) -> int:
        """See `Sink`."""
        try:
            channel = self._connected()
            answer = LogsServiceStub(channel).Export(  # type: ignore[no-untyped-call]
                export_request(lines), timeout=self._settings.timeout_seconds, metadata=self._metadata()
            )
        except grpc.RpcError as error:
            code = error.code()
            # what the collector says may quote what it was sent
            said = f"the collector answers {code.name}"
            too_large = code is grpc.StatusCode.RESOURCE_EXHAUSTED and "larger than max" in (
                error.details() or ""
            )
            if code in _NEVER or too_large:
                raise LinesRefused(said) from None
            self.close()
            raise SinkUnavailable(said) from None
        except OSError as error:
            raise SinkUnavailable(f"the collector cannot be asked: {error}") from None
        return int(answer.partial_success.rejected_log_records)

    def close(self) -> None:
        """See `Sink`."""
        if self._channel is not None:
            self._channel.close()
            self._channel = None

    def _connected(self) -> grpc.Channel:
        if self._channel is None:
            settings, parts = self._settings, urlsplit(self._settings.endpoint)
            target = f"{parts.hostname if ':' not in str(parts.hostname) else f'[{parts.hostname}]'}:{parts.port or 4317}"
            if parts.scheme == "https":
                authorities = None if settings.ca is None else settings.ca.read_bytes()
                self._channel = grpc.secure_channel(target, grpc.ssl_channel_credentials(authorities))
            else:
                self._channel = grpc.insecure_channel(target)
        return self._channel

    def _metadata(self) -> tuple[tuple[str, str], ...]:
        token = _token(self._settings)
        return (("authorization", f"Bearer {token}"),) if token else ()


class OtlpHttp:
    """A collector that speaks HTTP."""

    def __init__(self, settings: OtlpSettings) -> None:
        self._settings = settings
        self._url = settings.endpoint.rstrip("/") + "/v1/logs"
        self._client: httpx.Client | None = None

    def send(self, lines: Sequence[bytes]) -> int:
        """See `Sink`."""
        headers = {"content-type": "application/x-protobuf"}
        try:
            token = _token(self._settings)
            if token:
                headers["authorization"] = f"Bearer {token}"
            body = export_request(lines).SerializeToString()
            answer = self._connected().post(self._url, content=body, headers=headers)
        except (httpx.HTTPError, OSError) as error:
            self.close()
            raise SinkUnavailable(f"the collector cannot be asked: {type(error).__name__}") from None
        said = f"the collector answers {answer.status_code}"
        if answer.status_code in _NEVER_HTTP:
            raise LinesRefused(said)
        if answer.status_code != httpx.codes.OK:
            raise SinkUnavailable(said)
        try:
            taken = ExportLogsServiceResponse.FromString(answer.content)
        except DecodeError:
            raise SinkUnavailable("what answers is no collector") from None
        return int(taken.partial_success.rejected_log_records)

    def close(self) -> None:
        """See `Sink`."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def _connected(self) -> httpx.Client:
        if self._client is None:
            settings = self._settings
            verify: Any = True if settings.ca is None else str(settings.ca)
            # the environment's proxies are not looked at: decisions must not go where nobody meant them to
            self._client = httpx.Client(verify=verify, timeout=settings.timeout_seconds, trust_env=False)
        return self._client


def export_request(lines: Sequence[bytes]) -> ExportLogsServiceRequest:
    """The message for some lines."""
    request = ExportLogsServiceRequest()
    resource = request.resource_logs.add(
        resource=Resource(
            attributes=[_text("service.name", _SERVICE), _text("host.name", socket.gethostname())]
        )
    )
    scope = resource.scope_logs.add(scope=InstrumentationScope(name="doorward.decision_log"))
    now = time.time_ns()
    scope.log_records.extend(_record(line, now) for line in lines)
    return request


def _record(line: bytes, now_ns: int) -> LogRecord:
    entry = orjson.loads(line)
    kind = entry.get("kind", "decision")
    verdict = _at(entry, ("decision", "verdict"))
    quiet = kind == "catalogue" or verdict == "allow"
    record = LogRecord(
        time_unix_nano=_instant(entry.get("time"), now_ns),
        observed_time_unix_nano=now_ns,
        severity_number=SEVERITY_NUMBER_INFO if quiet else SEVERITY_NUMBER_WARN,
        severity_text="INFO" if quiet else "WARN",
        event_name=f"doorward.{kind}",
        body=AnyValue(string_value=line.decode().rstrip("\n")),
    )
    name = entry.get("id") or entry.get("catalogue")
    record.attributes.append(_text("doorward.id", str(name)))
    for attribute, way in _ATTRIBUTES:
        value = _at(entry, way)
        if type(value) is str and value:
            record.attributes.append(_text(attribute, value))
    _, trace, span, *_ = (*str(entry.get("trace", "")).split("-"), "", "", "")
    if len(trace) == 32 and len(span) == 16:
        try:
            record.trace_id, record.span_id = bytes.fromhex(trace), bytes.fromhex(span)
        except ValueError:
            record.ClearField("trace_id")
    return record


def _at(entry: Any, way: tuple[str, ...]) -> Any:
    for step in way:
        if type(entry) is not dict:
            return None
        entry = entry.get(step)
    return entry


def _instant(text: Any, now_ns: int) -> int:
    """Nanoseconds since 1970 of the time in a line."""
    if type(text) is not str:
        return now_ns
    moment = datetime.fromisoformat(text[:19] + "+00:00")
    return int(moment.timestamp()) * 1_000_000_000 + int(text[20:29])


def _text(key: str, value: str) -> KeyValue:
    return KeyValue(key=key, value=AnyValue(string_value=value))


def _token(settings: OtlpSettings) -> str:
    return "" if settings.token_file is None else settings.token_file.read_text("ascii").strip()
