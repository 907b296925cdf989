"""A real Envoy in front of a real HTTP server, with the service beside it: alive, dead, slow and lying."""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import httpx
import pytest
import pytest_asyncio
import uvicorn
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from joserfc import jwt
from joserfc.jwk import ECKey
from starlette.requests import Request
from starlette.responses import JSONResponse
from tests.support.envoy import Listener, cluster, envoy
from tests.support.points import point_of
from tests.support.served import PATIENCE

from doorward.serve.envoy.service import SERVICE, EnvoyAuthorization
from doorward.serve.envoy.settings import EnvoySettings, HeaderIdentity, JwtIdentity, PeerIdentity
from doorward_proto.envoy import authorization_pb2 as pb

pytestmark = pytest.mark.asyncio(loop_scope="module")

POLICIES = """
package shop

governs http

allow "ana may read orders" if {
    principal.id == "ana"
    http.method == "GET"
    startswith(http.path, "/orders")
}

allow "the shop's own service may read orders" if {
    principal.id == "spiffe://shop.example/till"
    principal.kind == "service"
    principal.issuer == "mesh"
}

allow "small orders" if {
    http.method == "POST"
    http.body.amount <= 100
    resource.name == "orders"
    resource.environment == "prod"
    resource.labels.team == "shop"
}

allow "status is no secret" if http.path == "/status"

allow "customers" if startswith(http.path, "/customers")

allow "headers" if http.headers["x-said"] == "a, b"

block "not on Mars" if http.headers["x-planet"] == "mars"

block "only of this host" if {
    http.path == "/host"
    http.host != "shop.example:80"
}

approve "exports are looked at" by "dpo" within 10m if http.path == "/customers/export"

mask "mail stays here" $.email with redact if http.path == "/customers/1"
"""

RBAC = {
    "name": "envoy.filters.http.rbac",
    "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC",
        "rules": {
            "action": "ALLOW",
            "policies": {
                "decided": {
                    "permissions": [{"any": True}],
                    "principals": [
                        {
                            "metadata": {
                                "filter": "envoy.filters.http.ext_authz",
                                "path": [{"key": "verdict"}],
                                "value": {"string_match": {"exact": "allow"}},
                            }
                        }
                    ],
                }
            },
        },
    },
}
"""Lets through only what a decision says is allowed, whatever else the answer may be."""

KEY = ECKey.generate_key("P-256", parameters={"kid": "1"})
ISSUER = "https://login.example"


def jwt_authn() -> dict[str, Any]:
    keys = {"keys": [{**KEY.as_dict(private=False), "alg": "ES256"}]}
    return {
        "name": "envoy.filters.http.jwt_authn",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication",
            "providers": {
                "login": {
                    "issuer": ISSUER,
                    "local_jwks": {"inline_string": json.dumps(keys)},
                    "payload_in_metadata": "jwt_payload",
                }
            },
            "rules": [
                {
                    "match": {"prefix": "/"},
                    "requires": {
                        "requires_any": {"requirements": [{"provider_name": "login"}, {"allow_missing": {}}]}
                    },
                }
            ],
        },
    }


def self_signed(folder: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 and for a service, and its key, as PEM files."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.oid.NameOID.COMMON_NAME, "till")])
    now = datetime.datetime.now(datetime.UTC)
    names = [
        x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
        x509.UniformResourceIdentifier("spiffe://shop.example/till"),
    ]
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (folder / "cert.pem").write_bytes(made.public_bytes(pem))
    (folder / "key.pem").write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return folder / "cert.pem", folder / "key.pem"


def mutual_tls(certificate: Path, key: Path) -> dict[str, Any]:
    """Envoy's side of TLS, with callers that may show a certificate."""
    return {
        "name": "envoy.transport_sockets.tls",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
            "common_tls_context": {
                "tls_certificates": [
                    {
                        "certificate_chain": {"filename": str(certificate)},
                        "private_key": {"filename": str(key)},
                    }
                ],
                "validation_context": {"trusted_ca": {"filename": str(certificate)}},
            },
        },
    }


def token(name: str) -> str:
    return jwt.encode({"alg": "ES256", "kid": "1"}, {"iss": ISSUER, "sub": name, "groups": ["staff"]}, KEY)


@dataclass
class House:
    """Where everything is."""

    ports: dict[str, int]
    folder: Path
    client: httpx.AsyncClient
    seen: list[Request]
    """What came through to the upstream."""
    certificate: tuple[Path, Path]
    """By which both sides of TLS know each other, and its key."""

    async def ask(self, listener: str, method: str, path: str, **more: Any) -> httpx.Response:
        """Through Envoy."""
        return await self.client.request(method, f"http://127.0.0.1:{self.ports[listener]}{path}", **more)

    async def logged(self, listener: str, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The line of Envoy's access log for which something holds."""
        log = self.folder / f"{listener}.log"
        async with asyncio.timeout(PATIENCE):
            while True:
                lines = log.read_text().splitlines(keepends=True) if log.exists() else []
                for line in lines:
                    if line.endswith("\n") and holds(said := json.loads(line)):
                        return dict(said)
                await asyncio.sleep(0.02)


@asynccontextmanager
async def serving(application: Any) -> AsyncIterator[int]:
    server = uvicorn.Server(uvicorn.Config(application, port=0, log_level="critical", lifespan="off"))
    server.config.load()
    server.lifespan = server.config.lifespan_class(server.config)
    await server.startup()
    try:
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        await server.shutdown()


@asynccontextmanager
async def calls(answer: Callable[[bytes, Any], Awaitable[Any]] | EnvoyAuthorization) -> AsyncIterator[int]:
    """A gRPC server that answers Envoy."""
    server = grpc.aio.server()
    if isinstance(answer, EnvoyAuthorization):
        answer.add_to(server)
    else:
        check = grpc.unary_unary_rpc_method_handler(answer)
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, {"Check": check}),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield port
    finally:
        await server.stop(None)


async def says_nothing(message: bytes, context: Any) -> bytes:
    return b""


async def says_no_status(message: bytes, context: Any) -> bytes:
    return pb.CheckResponse(status=pb.Status(message="fine")).SerializeToString()


async def says_garbage(message: bytes, context: Any) -> bytes:
    return b"\xff\xfe\x00garbage"


async def says_it_late(message: bytes, context: Any) -> bytes:
    await asyncio.Event().wait()
    return b""


LIARS = {"nothing": says_nothing, "no_status": says_no_status, "garbage": says_garbage, "late": says_it_late}


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    folder = tmp_path_factory.mktemp("envoy")
    seen: list[Request] = []

    async def upstream(scope: Any, receive: Any, send: Any) -> None:
        request = Request(scope, receive)
        await request.body()
        seen.append(request)
        await JSONResponse({"email": "ana@example.org"})(scope, receive, send)

    async with AsyncExitStack() as stack:
        point = await point_of(folder / "policies", {"shop.ward": POLICIES})
        ours = {
            "ours": EnvoySettings(
                identity=JwtIdentity(kind="human"), consent_help="see https://consent.example"
            ),
            "masking": EnvoySettings(upstream_masks=True),
            "headers": EnvoySettings(identity=HeaderIdentity(id="x-user", groups="x-groups")),
            "mtls": EnvoySettings(identity=PeerIdentity(issuer="mesh")),
        }
        certificate, key = self_signed(folder)
        ports = {
            name: await stack.enter_async_context(calls(EnvoyAuthorization(point, settings)))
            for name, settings in ours.items()
        }
        for name, lie in LIARS.items():
            ports[name] = await stack.enter_async_context(calls(lie))
        async with calls(says_nothing) as gone:
            ports["dead"] = gone
        clusters = [cluster(name, port, http2=True) for name, port in ports.items()]
        clusters.append(cluster("upstream", await stack.enter_async_context(serving(upstream)), http2=False))
        body = {"max_request_bytes": 2000, "pack_as_bytes": True}
        listeners = {
            "ours": Listener(
                "ours",
                before=[jwt_authn()],
                after=[RBAC],
                ext_authz={
                    "metadata_context_namespaces": ["envoy.filters.http.jwt_authn"],
                    "with_request_body": body,
                    "encode_raw_headers": True,
                },
                extensions={
                    "resource.name": "orders",
                    "resource.environment": "prod",
                    "resource.labels.team": "shop",
                },
            ),
            "partial": Listener(
                "ours", ext_authz={"with_request_body": {**body, "allow_partial_message": True}}
            ),
            "partial_raw": Listener(
                "ours",
                ext_authz={
                    "with_request_body": {**body, "allow_partial_message": True},
                    "encode_raw_headers": True,
                },
            ),
            "mtls": Listener("mtls", after=[RBAC], transport_socket=mutual_tls(certificate, key)),
            "masking": Listener("masking", after=[RBAC]),
            "headers": Listener("headers", after=[RBAC]),
            "misspelt": Listener("ours", extensions={"resource.enviroment": "prod"}),
            "dead": Listener("dead"),
            "trusting": Listener("nothing"),
            **{
                name: Listener(name, after=[RBAC], timeout="0.2s" if name == "late" else "10s")
                for name in LIARS
            },
        }
        bound = await stack.enter_async_context(envoy(folder, listeners, clusters))
        client = await stack.enter_async_context(httpx.AsyncClient(timeout=PATIENCE))
        yield House(bound, folder, client, seen, (certificate, key))


async def test_what_is_allowed_goes_on_with_the_id_of_its_decision(house: House) -> None:
    house.seen.clear()
    forged = {"x-doorward-decision": "forged", "x-doorward-obligations": "[]"}
    answer = await house.ask(
        "ours", "GET", "/orders/7?full=1", headers={"authorization": f"Bearer {token('ana')}", **forged}
    )
    assert answer.status_code == 200
    assert answer.json() == {"email": "ana@example.org"}
    (request,) = house.seen
    (decision,) = request.headers.getlist("x-doorward-decision")
    assert decision not in ("", "forged")
    assert "x-doorward-obligations" not in request.headers
    metadata = (await house.logged("ours", lambda line: line["status"] == 200))["metadata"]
    assert metadata["decision_id"] == decision
    assert metadata["verdict"] == "allow"
    assert len(metadata["revision"]) == 64
    assert [each["text"] for each in metadata["determining"]] == ["ana may read orders"]


async def test_a_block_says_why_in_body_and_headers(house: House) -> None:
    house.seen.clear()
    answer = await house.ask("ours", "GET", "/orders/7", headers={"authorization": f"Bearer {token('eve')}"})
    assert answer.status_code == 403
    assert answer.headers["content-type"] == "application/json"
    body = answer.json()
    assert (body["code"], body["message"]) == ("blocked", "no statement allows this")
    assert body["decision_id"] == answer.headers["x-doorward-decision"]
    assert house.seen == []
    metadata = (
        await house.logged(
            "ours", lambda line: (line["metadata"] or {}).get("decision_id") == body["decision_id"]
        )
    )["metadata"]
    assert metadata["verdict"] == "block"


async def test_a_block_by_a_statement_names_it(house: House) -> None:
    answer = await house.ask("ours", "GET", "/status", headers={"x-planet": "mars"})
    assert answer.status_code == 403
    assert answer.json()["message"] == "not on Mars"
    assert [each["text"] for each in answer.json()["reasons"]] == ["not on Mars"]


async def test_a_consent_is_said_to_be_needed_and_how_to_ask(house: House) -> None:
    answer = await house.ask("ours", "GET", "/customers/export")
    assert answer.status_code == 403
    body = answer.json()
    assert body["code"] == "consent_needed"
    assert body["message"].endswith("for which Envoy cannot wait: see https://consent.example")
    assert body["approvals"] == [{"groups": ["dpo"], "within_ms": 600_000, "reason": "exports are looked at"}]


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        ({"json": {"amount": 100}}, 200),
        ({"json": {"amount": 101}}, 403),
        ({"content": b'{"amount": 1, "amount": 1000}', "headers": {"content-type": "application/json"}}, 403),
        ({"content": b'{"amount": 1, "x": "\xff"}', "headers": {"content-type": "application/json"}}, 403),
        ({"json": {"amount": 1, "fill": "x" * 3000}}, 413),
        (
            {
                "content": b'{"amount": 1}',
                "headers": [("content-type", "application/json"), ("content-type", "text/plain")],
            },
            403,
        ),
    ],
)
async def test_bodies_are_looked_at(house: House, sent: dict[str, Any], status: int) -> None:
    assert (await house.ask("ours", "POST", "/orders", **sent)).status_code == status


@pytest.mark.parametrize("listener", ["partial", "partial_raw"])
async def test_a_part_of_a_body_is_not_taken_for_the_whole(house: House, listener: str) -> None:
    answer = await house.ask(listener, "POST", "/status", content=b"x" * 1000)
    assert answer.status_code == 200
    house.seen.clear()
    forged = {"x-envoy-auth-partial-body": "false"}
    answer = await house.ask(listener, "POST", "/status", content=b"x" * 3000, headers=forged)
    assert answer.status_code == 403
    assert answer.json()["code"] == "invalid_request"
    assert house.seen == []


async def test_who_says_who_he_is_in_a_header_is_not_believed(house: House) -> None:
    answer = await house.ask("ours", "GET", "/orders/7", headers={"x-user": "ana"})
    assert answer.status_code == 403
    answer = await house.ask("headers", "GET", "/orders/7", headers={"x-user": "ana"})
    assert answer.status_code == 200
    answer = await house.ask("headers", "GET", "/orders/7", headers=[("x-user", "ana"), ("x-user", "eve")])
    assert answer.status_code == 403


async def test_the_peer_of_tls_is_who_asks(house: House) -> None:
    certificate, key = house.certificate
    context = ssl.create_default_context(cafile=certificate)
    anonymous = f"https://127.0.0.1:{house.ports['mtls']}/orders/7"
    async with httpx.AsyncClient(verify=context, timeout=PATIENCE) as client:
        assert (await client.get(anonymous)).status_code == 403
    context.load_cert_chain(certificate, key)
    async with httpx.AsyncClient(verify=context, timeout=PATIENCE) as client:
        assert (await client.get(anonymous)).status_code == 200


async def test_paths_that_servers_read_differently_are_blocked(house: House) -> None:
    answer = await house.ask("ours", "GET", "/status/%2e%2e/orders")
    assert answer.status_code == 403
    assert "goes up" in answer.json()["message"]


async def test_policies_see_the_host_and_the_scheme(house: House) -> None:
    answer = await house.ask("ours", "GET", "/host", headers={"host": "other.example"})
    assert answer.json()["message"] == "only of this host"


async def test_masks_are_for_upstreams_that_carry_them_out_and_else_a_block(house: House) -> None:
    house.seen.clear()
    answer = await house.ask("ours", "GET", "/customers/1")
    assert answer.status_code == 403
    assert house.seen == []
    answer = await house.ask("masking", "GET", "/customers/1", headers={"x-doorward-obligations": "[]"})
    assert answer.status_code == 200
    (obligations,) = house.seen[0].headers.getlist("x-doorward-obligations")
    assert json.loads(obligations) == [
        {"target": "$.email", "method": "redact", "keep_last": 0, "replacement": ""}
    ]


async def test_a_misspelt_extension_is_refused(house: House) -> None:
    answer = await house.ask("misspelt", "GET", "/status")
    assert answer.status_code == 403
    assert "resource.enviroment" in answer.json()["message"]


@pytest.mark.parametrize("listener", ["dead", *LIARS])
async def test_a_service_that_is_dead_slow_or_lying_lets_nothing_through(house: House, listener: str) -> None:
    house.seen.clear()
    answer = await house.ask(listener, "GET", "/status")
    assert answer.status_code == 403
    assert house.seen == []


async def test_envoy_by_itself_takes_an_empty_message_for_consent(house: House) -> None:
    """Which is why the documentation asks for the filter that comes after, and why no answer of ours is empty."""
    assert (await house.ask("trusting", "GET", "/status")).status_code == 200
