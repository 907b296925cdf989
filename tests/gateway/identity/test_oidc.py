"""Tokens of OpenID Connect: those of a real provider name their bearers, and no others do."""

from __future__ import annotations

import base64
import hmac
import json
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey
from tests.support.oidc import OpenIdProvider, claims_of, missing, openid_provider

from doorward_gateway.errors import IdentityRefused, IdentityUnavailable
from doorward_gateway.identity import Identities, OidcProvider
from doorward_gateway.identity.issuer import Issuer, is_safe_url

needs_provider = pytest.mark.skipif(bool(missing()), reason=missing() or "-")

SECOND = 1_000_000_000


@asynccontextmanager
async def verifier(issuer: str, **settings: Any) -> AsyncIterator[OidcProvider]:
    keys = Issuer(issuer)
    try:
        yield OidcProvider(keys, **{"audience": "urn:doorward", **settings})
    finally:
        await keys.close()


# --- a real provider ---


@pytest.fixture(scope="module")
def provider() -> Iterator[OpenIdProvider]:
    with openid_provider() as running:
        yield running


@needs_provider
async def test_a_person_is_named_with_groups_and_times(provider: OpenIdProvider) -> None:
    tokens = provider.person_tokens("ada@acme.example")
    async with verifier(provider.issuer, id_claim="email") as oidc:
        identity = await oidc.authenticate(tokens["access_token"])
    assert identity is not None
    claims = claims_of(tokens["access_token"])
    assert (identity.id, identity.kind) == ("ada@acme.example", "human")
    assert identity.groups == {"analysts", "readers"}
    assert identity.issuer == provider.issuer
    assert identity.expires_at_ns == claims["exp"] * SECOND
    assert identity.authenticated_at_ns == claims["iat"] * SECOND
    assert identity.document()["claims"]["client_id"] == "doorward-cli"


@needs_provider
async def test_an_id_token_names_its_bearer_where_it_is_meant_for_us(provider: OpenIdProvider) -> None:
    token = provider.person_tokens("bob@acme.example")["id_token"]
    async with verifier(provider.issuer, audience="doorward-cli") as oidc:
        identity = await oidc.authenticate(token)
    assert identity is not None
    assert (identity.id, identity.groups) == ("bob@acme.example", frozenset())
    async with verifier(provider.issuer) as oidc:
        with pytest.raises(IdentityRefused, match="not meant for this gateway"):
            await oidc.authenticate(token)


@needs_provider
async def test_a_service_account_is_a_service_where_its_token_says_so(provider: OpenIdProvider) -> None:
    token = provider.service_token()
    async with verifier(provider.issuer, kind_claim="doorward_kind") as oidc:
        identity = await oidc.authenticate(token)
    assert identity is not None
    assert (identity.id, identity.kind, identity.groups) == ("billing", "service", {"billing"})
    async with verifier(provider.issuer, kind="ci") as oidc:
        identity = await oidc.authenticate(token)
    assert identity is not None
    assert identity.kind == "ci"


@needs_provider
async def test_keys_change_while_tokens_are_in_use(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr("doorward_gateway.identity.issuer.monotonic", lambda: now[0])
    with openid_provider() as provider:
        old = provider.service_token()
        async with verifier(provider.issuer) as oidc:
            assert await oidc.authenticate(old)
            provider.rotate(keep=True)
            new = provider.service_token()
            now[0] += 11
            assert await oidc.authenticate(new)
            assert await oidc.authenticate(old)
            provider.rotate()
            newest = provider.service_token()
            with pytest.raises(IdentityRefused, match="a key that its issuer does not have"):
                await oidc.authenticate(newest)  # strangers could ask for keys without end
            now[0] += 11
            assert await oidc.authenticate(newest)
            with pytest.raises(IdentityRefused, match="a key that its issuer does not have"):
                await oidc.authenticate(old)


@needs_provider
async def test_keys_are_good_for_a_day_while_the_provider_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr("doorward_gateway.identity.issuer.monotonic", lambda: now[0])
    with openid_provider() as provider:
        token, port = provider.service_token(), provider.port
        async with verifier(provider.issuer) as oidc:
            assert await oidc.authenticate(token)
            provider.stop()
            now[0] += 3600
            assert await oidc.authenticate(token)
            now[0] += 86_400
            with pytest.raises(IdentityUnavailable, match="cannot be reached"):
                await oidc.authenticate(token)
    with openid_provider(port) as provider:
        async with verifier(provider.issuer) as oidc:
            with pytest.raises(
                IdentityRefused, match=r"a key that its issuer does not have|not as its issuer"
            ):
                await oidc.authenticate(token)


# --- an issuer of our own, to say what no good one says ---


class Published:
    """An HTTP server of documents, by path."""

    def __init__(self) -> None:
        documents: dict[str, tuple[int, bytes]] = {}
        self.asked: list[str] = []
        asked = self.asked

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked.append(self.path)
                status, body = documents.get(self.path, (404, b"{}"))
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_arguments: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self.documents = documents
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        self.rsa = RSAKey.generate_key(2048, {"kid": "rsa", "use": "sig"})
        self.ec = ECKey.generate_key("P-256", {"kid": "ec", "use": "sig"})
        self.publish([self.rsa.as_dict(private=False), self.ec.as_dict(private=False)])

    def publish(self, keys: Any, *, issuer: str = "", jwks_uri: str = "") -> None:
        metadata = {"issuer": issuer or self.url, "jwks_uri": jwks_uri or f"{self.url}/keys"}
        self.documents["/.well-known/openid-configuration"] = (200, json.dumps(metadata).encode())
        self.documents["/keys"] = (200, json.dumps({"keys": keys}).encode())

    def token(self, header: dict[str, Any] | None = None, /, **claims: Any) -> str:
        now = int(time.time())
        whole = {"iss": self.url, "sub": "ada", "aud": "urn:doorward", "exp": now + 600, "iat": now, **claims}
        kept = {name: value for name, value in whole.items() if value is not None}
        return jwt.encode({"alg": "RS256", "kid": "rsa", **(header or {})}, kept, self.rsa)

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture(scope="module")
def published() -> Iterator[Published]:
    server = Published()
    yield server
    server.stop()


NOW = int(time.time())

REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"aud": "urn:other"}, "not meant for this gateway"),
    ({"aud": None}, "not meant for this gateway"),
    ({"aud": ["urn:other", "urn:doorward-2"]}, "not meant for this gateway"),
    ({"aud": {"urn:doorward": 1}}, "not meant for this gateway"),
    ({"exp": NOW - 60}, "has expired"),
    ({"exp": None}, "until when"),
    ({"exp": "tomorrow"}, "`exp` is no time"),
    ({"exp": True}, "`exp` is no time"),
    ({"exp": 1e30}, "`exp` is no time"),
    ({"nbf": NOW + 3600}, "not good yet"),
    ({"iat": NOW + 3600}, "not good yet"),
    ({"sub": None}, "who it is"),
    ({"sub": ""}, "who it is"),
    ({"sub": 7}, "who it is"),
    ({"sub": "a\nb"}, "who it is"),
    ({"sub": "a" * 600}, "who it is"),
    ({"groups": "admins"}, "no list of groups"),
    ({"groups": [1]}, "no list of groups"),
    ({"groups": ["g"] * 2001}, "no list of groups"),
    ({"_claim_names": {"groups": "src1"}}, "keeps them elsewhere"),
    ({"kind": "root"}, "no kind of principal"),
    ({"kind": ["human"]}, "no kind of principal"),
]


@pytest.mark.parametrize(("claims", "why"), REFUSED, ids=[str(claims)[:40] for claims, _ in REFUSED])
async def test_a_token_that_says_it_wrong_names_nobody(
    published: Published, claims: dict[str, Any], why: str
) -> None:
    async with verifier(published.url, kind_claim="kind") as oidc:
        assert await oidc.authenticate(published.token())
        with pytest.raises(IdentityRefused, match=why):
            await oidc.authenticate(published.token(**claims))


async def test_clocks_may_differ_by_the_skew(published: Published) -> None:
    async with verifier(published.url, skew=120.0) as oidc:
        assert await oidc.authenticate(published.token(exp=int(time.time()) - 60))
        assert await oidc.authenticate(published.token(nbf=int(time.time()) + 60))
        assert await oidc.authenticate(published.token(aud=["x", "urn:doorward"]))


def _part(value: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


FORGED: list[tuple[str, Callable[[Published], str]]] = [
    ("no signature", lambda p: _with_header(p, {"alg": "none"}, signature="")),
    ("none, signed", lambda p: _with_header(p, {"alg": "none"})),
    ("no algorithm", lambda p: _with_header(p, {"kid": "rsa"})),
    ("the public key as a shared secret", lambda p: _shared_secret(p)),
    (
        "another key",
        lambda p: jwt.encode({"alg": "RS256", "kid": "rsa"}, _claims(p), RSAKey.generate_key(2048)),
    ),
    ("an unknown key", lambda p: p.token({"kid": "nobody"})),
    ("no name of a key, and there are two", lambda p: _without_kid(p)),
    ("a name of a key that is none", lambda p: _with_header(p, {"alg": "RS256", "kid": ["rsa"]})),
    ("another key's name", lambda p: p.token({"kid": "ec"})),
    ("another type", lambda p: p.token({"typ": "logout+jwt"})),
    (
        "a critical extension",
        lambda p: _with_header(p, {"alg": "RS256", "kid": "rsa", "crit": ["x"], "x": 1}),
    ),
    ("changed claims", lambda p: _changed(p.token())),
    ("a cut signature", lambda p: p.token()[:-10]),
]


def _claims(published: Published) -> dict[str, Any]:
    return claims_of(published.token())


def _with_header(published: Published, header: dict[str, Any], signature: str | None = None) -> str:
    _, claims, signed = published.token().split(".")
    return f"{_part(header)}.{claims}.{signed if signature is None else signature}"


def _without_kid(published: Published) -> str:
    return jwt.encode({"alg": "RS256"}, _claims(published), published.rsa)


def _shared_secret(published: Published) -> str:
    signed = f"{_part({'alg': 'HS256', 'kid': 'rsa'})}.{_part(_claims(published))}"
    digest = hmac.digest(published.rsa.as_pem(private=False), signed.encode(), "sha256")
    return f"{signed}.{base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}"


def _changed(token: str) -> str:
    header, _, signature = token.split(".")
    return f"{header}.{_part({**claims_of(token), 'sub': 'root'})}.{signature}"


@pytest.mark.parametrize("forge", [forge for _, forge in FORGED], ids=[name for name, _ in FORGED])
async def test_a_forged_token_names_nobody(published: Published, forge: Callable[[Published], str]) -> None:
    async with verifier(published.url) as oidc:
        with pytest.raises(IdentityRefused):
            await oidc.authenticate(forge(published))


@pytest.mark.parametrize(
    "token", ["", "a", "a.b", "a.b.c", "a.b.c.d", "..", "ey.ey.ey", "bnVsbA.bnVsbA.x", "W10.W10.", "é.é.é"]
)
async def test_what_is_no_token_is_left_to_others(published: Published, token: str) -> None:
    async with verifier(published.url) as oidc:
        assert await oidc.authenticate(token) is None
        with pytest.raises(IdentityRefused, match="not known here"):
            await Identities([oidc]).authenticate(token)


async def test_a_token_of_another_issuer_is_left_to_others(published: Published) -> None:
    async with verifier(published.url) as oidc:
        assert await oidc.authenticate(published.token(iss="https://elsewhere.example")) is None
        assert await oidc.authenticate(published.token(iss=published.url + "/")) is None


BROKEN: list[tuple[str, Callable[[Published], None]]] = [
    ("it calls itself another", lambda p: p.publish([], issuer="https://elsewhere.example")),
    (
        "its keys are where anybody could change them",
        lambda p: p.publish([], jwks_uri="http://example.com/k"),
    ),
    ("its keys are in a file", lambda p: p.publish([], jwks_uri="file:///etc/passwd")),
    ("no keys", lambda p: p.publish([])),
    ("no list of keys", lambda p: p.publish({"a": 1})),
    (
        "keys that are none",
        lambda p: p.publish([1, {}, {"kty": "RSA"}, {"kty": "oct", "k": "c2VjcmV0", "kid": "rsa"}]),
    ),
    ("a weak key", lambda p: p.publish([{"kty": "RSA", "kid": "rsa", "e": "AQAB", "n": "x" * 170}])),
    ("keys for encryption", lambda p: p.publish([{**p.rsa.as_dict(private=False), "use": "enc"}])),
    ("no JSON", lambda p: p.documents.update({"/keys": (200, b"<html>")})),
    ("an error", lambda p: p.documents.update({"/keys": (500, b"{}")})),
    ("sent elsewhere", lambda p: p.documents.update({"/keys": (302, b"{}")})),
    ("endless", lambda p: p.documents.update({"/keys": (200, b" " * (2 << 20))})),
]


@pytest.mark.parametrize("breaks", [breaks for _, breaks in BROKEN], ids=[name for name, _ in BROKEN])
async def test_an_issuer_that_cannot_be_read_lets_nobody_in(breaks: Callable[[Published], None]) -> None:
    server = Published()
    try:
        token = server.token()
        breaks(server)
        async with verifier(server.url) as oidc:
            with pytest.raises(IdentityUnavailable):
                await oidc.authenticate(token)
    finally:
        server.stop()


async def test_strangers_cannot_make_us_ask_for_keys_without_end(published: Published) -> None:
    async with verifier(published.url) as oidc:
        assert await oidc.authenticate(published.token())
        before = len(published.asked)
        for number in range(20):
            with pytest.raises(IdentityRefused):
                await oidc.authenticate(published.token({"kid": f"k{number}"}))
        assert len(published.asked) == before


@pytest.mark.parametrize(
    ("url", "safe"),
    [
        ("https://login.example", True),
        ("http://127.0.0.1:80/x", True),
        ("http://[::1]/x", True),
        ("http://localhost:8080", True),
        ("http://login.example", False),
        ("http://127.0.0.1.example", False),
        ("http://127.0.0.1@login.example/", False),
        ("file:///x", False),
        ("https://", False),
        ("http://[", False),
    ],
)
def test_safe_urls(url: str, safe: bool) -> None:
    assert is_safe_url(url) is safe
