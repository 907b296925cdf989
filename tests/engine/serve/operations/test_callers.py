"""Who may call for what: by token, by certificate, by both; over gRPC and HTTP alike."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from cryptography import x509
from grpc_health.v1 import health_pb2, health_pb2_grpc
from tests.support.certificates import Authority
from tests.support.served import PATIENCE, Served, served

from doorward.serve.configuration.tree import SettingsError
from doorward.serve.operations.asking import Bounds
from doorward.serve.operations.callers import Callers, Refused
from doorward.serve.operations.settings import CallerSettings, LimitSettings, ResourceScope
from doorward_proto.v1 import decision_pb2 as pb
from doorward_proto.v1.decision_pb2_grpc import DecisionServiceStub

from .asking import Questions, bearer, configured, decide, outcome, request, wait_until

GATEWAY, NARROW, TOOL = "the gateway's own token", "a token of narrow bounds", "a token of a developer's"


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("callers")
    (folder / "gateway.token").write_text(f"{GATEWAY}\n")
    flags = configured(
        folder,
        {
            "http": "127.0.0.1:0",
            "callers": {
                "gateway": {"token_file": "gateway.token"},
                "narrow": {
                    "token_sha256": sha256(NARROW.encode()).hexdigest(),
                    "may": ["decide", "explain"],
                    "resources": [{"kind": "postgres", "name": "shop-*", "environment": "test"}],
                },
                "tool": {"token_sha256": [sha256(TOOL.encode()).hexdigest()], "may": "explain query metrics"},
            },
        },
    )
    with served(folder / "policies", *flags) as engine:
        yield engine


@pytest.fixture(scope="module")
def stub(engine: Served) -> Iterator[DecisionServiceStub]:
    with engine.stub() as stub:
        yield stub


@pytest.mark.parametrize(
    ("metadata", "status"),
    [
        (None, "UNAUTHENTICATED"),
        (bearer("a token that nobody gave"), "UNAUTHENTICATED"),
        (bearer(""), "UNAUTHENTICATED"),
        ([("authorization", f"Basic {GATEWAY}")], "UNAUTHENTICATED"),
        ([("authorization", GATEWAY)], "UNAUTHENTICATED"),
        (bearer(sha256(GATEWAY.encode()).hexdigest()), "UNAUTHENTICATED"),
        (bearer(GATEWAY), "ok"),
        ([("authorization", f"bearer {GATEWAY}")], "ok"),
        (bearer(TOOL), "PERMISSION_DENIED"),
    ],
)
def test_who_may_decide(stub: DecisionServiceStub, metadata: Any, status: str) -> None:
    assert decide(stub, metadata=metadata) == status


@pytest.mark.parametrize(
    ("method", "message", "gateway", "tool"),
    [
        ("DecideBatch", pb.DecideBatchRequest(requests=[request()]), "ok", "PERMISSION_DENIED"),
        ("Explain", pb.ExplainRequest(request=request()), "PERMISSION_DENIED", "ok"),
        ("Query", pb.QueryRequest(query="x = 1"), "PERMISSION_DENIED", "ok"),
        ("GetRevision", pb.GetRevisionRequest(), "ok", "PERMISSION_DENIED"),
        ("DescribeResource", pb.DescribeResourceRequest(kind="x"), "INVALID_ARGUMENT", "PERMISSION_DENIED"),
    ],
)
def test_each_method_is_allowed_by_itself(
    stub: DecisionServiceStub, method: str, message: Any, gateway: str, tool: str
) -> None:
    def called(token: str) -> str:
        return outcome(lambda: getattr(stub, method)(message, timeout=PATIENCE, metadata=bearer(token)))

    assert (called(GATEWAY), called(TOOL)) == (gateway, tool)
    assert outcome(lambda: getattr(stub, method)(message, timeout=PATIENCE)) == "UNAUTHENTICATED"


def test_every_method_of_the_service_is_guarded(stub: DecisionServiceStub) -> None:
    for method in pb.DESCRIPTOR.services_by_name["DecisionService"].methods:
        asked = getattr(pb, method.input_type.name)()
        call = getattr(stub, method.name)

        def ask(call: Any = call, asked: Any = asked, method: Any = method) -> None:
            answers = call(iter([asked]) if method.client_streaming else asked, timeout=PATIENCE)
            if method.server_streaming:
                next(answers)

        assert outcome(ask) == "UNAUTHENTICATED", method.name


def test_beyond_its_bounds_a_caller_gets_nothing(stub: DecisionServiceStub) -> None:
    within, beyond = request("shop-1", environment="test"), request("shop-1", environment="prod")
    metadata = bearer(NARROW)
    assert decide(stub, within, metadata) == "ok"
    assert decide(stub, beyond, metadata) == "PERMISSION_DENIED"
    answer = stub.DecideBatch(
        pb.DecideBatchRequest(requests=[within, beyond]), metadata=metadata, timeout=PATIENCE
    )
    assert answer.responses[0].decision.verdict == pb.VERDICT_ALLOW
    assert answer.responses[1].failure.code == pb.Failure.CODE_FORBIDDEN
    explained = stub.Explain(pb.ExplainRequest(request=beyond), metadata=metadata, timeout=PATIENCE)
    assert explained.failure.code == pb.Failure.CODE_FORBIDDEN
    assert explained.WhichOneof("outcome") == "failure"


def test_health_is_told_to_everybody(engine: Served) -> None:
    with engine.channel() as channel:
        health = health_pb2_grpc.HealthStub(channel)
        for name in ("", "live", "ready"):
            answer = health.Check(health_pb2.HealthCheckRequest(service=name), timeout=PATIENCE)
            assert answer.status == health_pb2.HealthCheckResponse.SERVING
    http = f"http://{engine.ready['http'][0]}"  # type: ignore[index]
    assert httpx.get(f"{http}/livez").json() == {"status": "live"}
    assert httpx.get(f"{http}/readyz").json() == {"status": "ready", "policies": "newest"}


def test_http_asks_the_same(engine: Served) -> None:
    http = f"http://{engine.ready['http'][0]}"  # type: ignore[index]
    evaluation = {
        "subject": {"type": "user", "id": "ann"},
        "action": {"name": "query"},
        "resource": {
            "type": "postgres",
            "id": "shop-1",
            "properties": {"environment": "test"},
        },
        "context": {"statement": "select 1"},
    }

    def asked(token: str, path: str = "/access/v1/evaluation", body: Any = evaluation) -> int:
        headers = {"authorization": f"Bearer {token}"} if token else {}
        answer = httpx.post(http + path, json=body, headers=headers, timeout=PATIENCE)
        assert answer.json().get("decision") in (True, None)
        return answer.status_code

    assert [asked(token) for token in ("", "no such token here", TOOL, GATEWAY, NARROW)] == [
        401,
        401,
        403,
        200,
        200,
    ]
    data = {"input": {}}
    assert [asked(token, "/v1/data/p", data) for token in ("", GATEWAY, NARROW, TOOL)] == [401, 403, 403, 200]
    refused = httpx.post(f"{http}/access/v1/evaluation", json=evaluation)
    assert refused.headers["www-authenticate"] == "Bearer"
    headers = {"authorization": f"Bearer {TOOL}"}
    assert httpx.get(f"{http}/metrics").status_code == 401
    counted = httpx.get(f"{http}/metrics", headers=headers).text
    assert 'doorward_decisions_total{caller="gateway",kind="postgres",verdict="allow"}' in counted


def test_a_token_that_is_taken_back_is_good_no_more_also_on_streams_that_it_began(tmp_path: Path) -> None:
    old, new = "the token until now", "the token from now on"
    file = tmp_path / "a.token"
    file.write_text(f"{old}\n")
    flags = configured(tmp_path, {"callers": {"a": {"token_file": "a.token"}}})
    with served(tmp_path / "policies", *flags) as engine, engine.stub() as stub:
        asking = Questions()
        stream = stub.DecideStream(iter(asking), metadata=bearer(old))
        asking.ask()
        assert next(stream).responses[0].decision.verdict == pb.VERDICT_ALLOW

        file.write_text(f"{old}\n{new}\n")
        wait_until(lambda: decide(stub, metadata=bearer(new)) == "ok")
        assert decide(stub, metadata=bearer(old)) == "ok"
        asking.ask()
        assert next(stream).responses[0].decision.verdict == pb.VERDICT_ALLOW

        file.write_text(f"{new}\n")
        wait_until(lambda: decide(stub, metadata=bearer(old)) == "UNAUTHENTICATED")
        asking.ask()
        assert next(stream).responses[0].failure.code == pb.Failure.CODE_FORBIDDEN

        file.unlink()
        wait_until(lambda: decide(stub, metadata=bearer(new)) == "UNAUTHENTICATED")
        asking.end()
        assert old not in b"".join(engine.stderr).decode()


def test_certificates_name_callers(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    cert, key = authority.issue("engine")
    shown = {
        "gateway": authority.issue("gateway", x509.UniformResourceIdentifier("spiffe://acme/gateway")),
        "dns": authority.issue("dns", x509.DNSName("other.acme"), x509.DNSName("tool.acme")),
        "common": authority.issue("common", common="plain.acme"),
        # the common name of one that has other names does not count
        "posing": authority.issue("plain.acme", x509.DNSName("stranger.acme")),
        "both": authority.issue("both", x509.DNSName("both.acme")),
    }
    flags = configured(
        tmp_path,
        {
            "http": "127.0.0.1:0",
            "tls_cert": str(cert),
            "tls_key": str(key),
            "tls_client_ca": str(authority.file),
            "callers": {
                "gateway": {"certificate": "spiffe://acme/gateway"},
                "tool": {"certificate": "tool.acme", "may": ["metrics"]},
                "plain": {"certificate": "plain.acme"},
                "both": {"certificate": "both.acme", "token_sha256": sha256(GATEWAY.encode()).hexdigest()},
            },
        },
    )

    def called(name: str, token: str = "") -> str:
        chain, private = shown[name]
        credentials = grpc.ssl_channel_credentials(
            authority.file.read_bytes(), private.read_bytes(), chain.read_bytes()
        )
        with grpc.secure_channel(engine.target, credentials) as channel:
            stub = DecisionServiceStub(channel)  # type: ignore[no-untyped-call]
            return decide(stub, metadata=bearer(token) if token else None)

    def over_http(name: str) -> int:
        context = ssl.create_default_context(cafile=str(authority.file))
        context.load_cert_chain(*shown[name])
        with httpx.Client(verify=context) as client:
            return client.get(f"https://{engine.ready['http'][0]}/metrics").status_code  # type: ignore[index]

    with served(tmp_path / "policies", *flags) as engine:
        assert called("gateway") == "ok"
        assert called("dns") == "PERMISSION_DENIED"
        assert called("common") == "ok"
        assert called("posing") == "UNAUTHENTICATED"
        assert called("both") == "UNAUTHENTICATED"
        assert called("both", GATEWAY) == "ok"
        assert called("gateway", GATEWAY) == "UNAUTHENTICATED"
        assert (over_http("dns"), over_http("gateway"), over_http("posing")) == (200, 403, 401)


def test_a_certificate_is_read_again_when_it_changes(tmp_path: Path) -> None:
    first, second = Authority(tmp_path, "first"), Authority(tmp_path, "second")
    cert, key = first.issue("engine")
    flags = configured(tmp_path, {"http": "127.0.0.1:0", "tls_cert": str(cert), "tls_key": str(key)})

    def known(authority: Authority) -> tuple[bool, bool]:
        """Whether the service is believed by those who trust an authority, over gRPC and HTTP."""
        roots = authority.file.read_bytes()
        with grpc.secure_channel(engine.target, grpc.ssl_channel_credentials(roots)) as channel:
            stub = DecisionServiceStub(channel)  # type: ignore[no-untyped-call]
            over_grpc = decide(stub) == "ok"
        try:
            context = ssl.create_default_context(cafile=str(authority.file))
            httpx.get(f"https://{engine.ready['http'][0]}/livez", verify=context)  # type: ignore[index]
        except httpx.ConnectError:
            return over_grpc, False
        return over_grpc, True

    with served(tmp_path / "policies", *flags) as engine:
        assert (known(first), known(second)) == ((True, True), (False, False))
        key.write_text("half of a change, or less")
        assert known(first) == (True, True)
        second.issue("engine")
        assert (known(first), known(second)) == ((False, False), (True, True))


@pytest.mark.parametrize(
    ("scope", "resource", "held"),
    [
        ({"kind": "http"}, {"kind": "http"}, True),
        ({"kind": "http"}, {"kind": "http", "name": "x", "environment": "prod"}, True),
        ({"kind": "http"}, {"kind": "https"}, False),
        ({"name": "a*c"}, {"kind": "k", "name": "abbbc"}, True),
        ({"name": "a*c"}, {"kind": "k", "name": "abbbcd"}, False),
        ({"name": "a.c"}, {"kind": "k", "name": "abc"}, False),
        ({"name": "a*"}, {"kind": "k"}, False),
        ({"name": "*"}, {"kind": "k"}, True),
        ({"name": "a*"}, {"kind": "k", "name": "a\nb"}, True),
        ({"environment": "test"}, {"kind": "k", "environment": ["test"]}, False),
        ({"environment": "test"}, "test", False),
        ({"name": "****************b"}, {"kind": "k", "name": "a" * 10_000}, False),
    ],
)
def test_bounds(scope: dict[str, str], resource: Any, held: bool) -> None:
    bounds = Bounds([ResourceScope(**scope), ResourceScope(kind="never")])
    assert bounds.hold({"resource": resource}) is held
    assert not bounds.hold([])
    assert not bounds.hold({})


def _settings(folder: Path, **callers: str) -> dict[str, CallerSettings]:
    found = {}
    for name, tokens in callers.items():
        file = folder / f"{name}.token"
        file.write_text(tokens)
        found[name] = CallerSettings(token_file=file)
    return found


@pytest.mark.parametrize(
    ("callers", "said"),
    [
        ({"a": ""}, "holds no token"),
        ({"a": "\n  \n"}, "holds no token"),
        ({"a": "short"}, "of less than 16 characters"),
        ({"a": "x" * 100_000}, "larger than"),
        ({"a": "one and the same token", "b": "one and the same token"}, "`a` and `b` have the same token"),
    ],
)
def test_tokens_that_are_of_no_use(tmp_path: Path, callers: dict[str, str], said: str) -> None:
    with pytest.raises(SettingsError, match=said) as error:
        Callers(_settings(tmp_path, **callers), LimitSettings())
    assert "same token" not in str(error.value) or "one and" not in str(error.value)


def test_a_token_that_two_callers_come_to_have_is_good_for_nobody(tmp_path: Path) -> None:
    shared = "a token that is copied"
    callers = Callers(_settings(tmp_path, a=shared, b="another token, of its own"), LimitSettings())
    asking = callers.call("decide", f"Bearer {shared}", ())
    assert (asking.caller.name, asking.good) == ("a", True)
    (tmp_path / "b.token").write_text(shared)
    callers.refresh()
    assert not asking.good
    with pytest.raises(Refused):
        callers.call("decide", f"Bearer {shared}", ())
    (tmp_path / "a.token").write_text("a token for a alone")
    callers.refresh()
    assert callers.call("decide", f"Bearer {shared}", ()).caller.name == "b"
    assert not asking.good


def test_without_callers_a_certificate_still_gives_a_name() -> None:
    callers = Callers({}, LimitSettings(calls=1))
    assert callers.call("query", "Bearer whatever it may be", ()).caller.name == ""
    first = callers.call("query", "", ("gateway.acme", "also.acme")).caller
    assert first.name == "gateway.acme"
    assert callers.call("decide", "", ("gateway.acme",)).caller is first
