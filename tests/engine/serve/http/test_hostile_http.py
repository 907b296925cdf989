"""Whatever is sent over HTTP, by the service's own description and against it: what comes back is as described, nothing
breaks, and nothing is permitted that the policies do not.

`DOORWARD_HOSTILE_REQUESTS=10000` sends as many; by default it is some hundreds.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, Final

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import CHECKS, load_all_checks
from tests.support.http import http_of
from tests.support.served import PATIENCE

from doorward.run.budget import Limits
from doorward.serve.http.openapi import openapi

REQUESTS: Final = int(os.environ.get("DOORWARD_HOSTILE_REQUESTS", "480"))

POLICIES = {
    "todo.kind.json": '{"type": "object", "properties": {"owner": {"type": "string"}}}',
    "todo.ward": 'package todos\n\ngoverns todo\n\nallow if principal.id == "ana"',
    "data.json": '{"d": {"a": [1, {"b": null}]}}',
    "p.rego": "package p\n\nx := input.x\n\ny[k] := v if some k, v in input",
}

load_all_checks()
ALWAYS = [
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "missing_required_header",
    "allow_header_conformance",
    "unsupported_method",
]
VALID = ["negative_data_rejection", "positive_data_acceptance"]
"""Where a description says all that there is to be said about a request; a text that is no query is wrong too."""

ASKED = [
    pytest.param(operation, mode, id=f"{operation.label}-{mode.value}")
    for operation in (each.ok() for each in schemathesis.openapi.from_dict(openapi()).get_all_operations())
    for mode in GenerationMode
    # of a path that takes nothing there is nothing that could be wrong
    if mode is GenerationMode.POSITIVE or operation.body or operation.query or operation.path_parameters
]


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where the service is, which runs in another thread."""
    loop = asyncio.new_event_loop()
    found: list[str] = []
    ready, stop = threading.Event(), asyncio.Event()

    async def serve() -> None:
        limits = Limits(steps=200_000, wall_ms=200)
        async with http_of(tmp_path_factory.mktemp("hostile"), POLICIES, limits=limits) as http:
            found.append(f"http://{http.address}")
            ready.set()
            await stop.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    assert ready.wait(PATIENCE)
    try:
        yield found[0]
        answer = requests.get(f"{found[0]}/health", timeout=PATIENCE)
        assert answer.status_code == 200
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(PATIENCE)
        loop.close()


def permits(asked: Any, answer: Any) -> bool:
    """Whether something is permitted to somebody else than who may."""
    several = answer.get("evaluations") if isinstance(answer, dict) else None
    if several is None:
        answers, whole = [answer], [asked]
    else:
        answers, whole = several, [{**asked, **each} for each in asked["evaluations"]]
    return any(
        each.get("decision") and not (one["subject"]["id"] == "ana" and one["resource"]["type"] == "todo")
        for each, one in zip(answers, whole, strict=False)
        if isinstance(each, dict)
    )


@pytest.mark.parametrize(("operation", "mode"), ASKED)
def test_what_is_sent_is_answered_as_described(operation: Any, mode: GenerationMode, address: str) -> None:
    described = operation.path.startswith("/access")
    checks = CHECKS.get_by_names(ALWAYS + (VALID if described else []))
    with requests.Session() as session:

        @settings(
            max_examples=max(1, REQUESTS // len(ASKED)),
            deadline=None,
            database=None,
            derandomize="DOORWARD_HOSTILE_REQUESTS" not in os.environ,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy(generation_mode=mode))
        def send(case: schemathesis.Case) -> None:
            response = case.call(base_url=address, session=session, timeout=PATIENCE)
            case.validate_response(response, checks=checks)
            if response.status_code >= 500:
                assert response.status_code == 500
                assert operation.path.startswith(("/v1/", "/"))
                assert response.json()["errors"], response.text
            elif described and response.status_code == 200:
                assert not permits(json.loads(response.request.body), response.json())

        send()


@settings(max_examples=max(1, REQUESTS // 10), deadline=None, suppress_health_check=list(HealthCheck))
@given(
    sent=st.binary(max_size=300)
    | st.builds(
        lambda method, path, head, body: b"%b %b HTTP/1.1\r\n%b\r\n\r\n%b" % (method, path, head, body),
        st.sampled_from([b"GET", b"POST", b"PUT", b"get", b"P\xff", b""]),
        st.sampled_from(
            [
                b"/v1/data/%zz",
                b"/v1/data/\xff",
                b"/v1/data/..",
                b"*",
                b"http://x/health",
                b"/v1/data/%ff",
                b"",
            ]
        ),
        st.sampled_from(
            [b"host: x", b"host: x\r\nhost: y", b"content-length: 9", b"transfer-encoding: x", b": ", b"\0"]
        ),
        st.binary(max_size=40),
    )
)
def test_bytes_that_are_no_requests_end_nothing(address: str, sent: bytes) -> None:
    host, _, port = address.removeprefix("http://").rpartition(":")
    with socket.create_connection((host, int(port)), PATIENCE) as connection:
        connection.sendall(sent)
        connection.shutdown(socket.SHUT_WR)
        came = b""
        with suppress(ConnectionResetError):
            while part := connection.recv(1 << 16):
                came += part
    assert came == b"" or came.startswith((b"HTTP/1.1 2", b"HTTP/1.1 4")), came
    assert requests.get(f"{address}/health", timeout=PATIENCE).status_code == 200
