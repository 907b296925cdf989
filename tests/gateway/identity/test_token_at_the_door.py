"""The token of an identity as a PostgreSQL password: decided, recorded and ended like any credential."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from tests.support.gateway import Shop, open_shop
from tests.support.oidc import OpenIdProvider, missing, openid_provider

pytestmark = pytest.mark.skipif(bool(missing()), reason=missing() or "-")

POLICY = """
package tests.tokens

governs postgres

block "no purpose" if { action.name == "issue_credential"; object.get(session, "purpose", "") == "" }
approve "somebody has to look" by "dba" within 30s if {
    action.name == "issue_credential"
    session.purpose == "dangerous"
}
credential ttl 10m single_use if principal.kind == "service"
allow "analysts and billing read" if { sql.read_only; some group in ["analysts", "billing"]; group in principal.groups }
"""


@pytest.fixture(scope="module")
def provider() -> Iterator[OpenIdProvider]:
    with openid_provider() as running:
        yield running


@pytest.fixture(scope="module")
def shop(provider: OpenIdProvider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    oidc = {
        "issuer": provider.issuer,
        "audience": "urn:doorward",
        "id_claim": "sub",
        "kind_claim": "doorward_kind",
    }
    opened = open_shop(tmp_path_factory.mktemp("tokens"), oidc=[oidc])
    try:
        opened.put_in_force("tokens.ward", POLICY)
        yield opened
    finally:
        opened.stop()


def connect(shop: Shop, token: str, purpose: str = "tests", **wanted: Any) -> psycopg.Connection[Any]:
    options = f"-c doorward.purpose={purpose}" if purpose else ""
    return psycopg.connect(
        host="127.0.0.1",
        port=shop.port,
        dbname="shop",
        user="whoever",
        password=token,
        options=options,
        autocommit=True,
        connect_timeout=20,
        **wanted,
    )


def test_a_person_comes_in_by_her_token_and_the_record_names_her(
    shop: Shop, provider: OpenIdProvider
) -> None:
    token = provider.person_tokens("ada@acme.example")["access_token"]
    with connect(shop, token) as connection:
        assert connection.execute("select count(*) from orders").fetchone() == (500,)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("delete from orders")
        session = shop.records("session_start")[-1]
    assert session["body"]["principal"]["id"] == "ada@acme.example"
    assert session["body"]["principal"]["issuer"] == provider.issuer
    assert session["body"]["attribution"]["purpose"] == "tests"
    issued = shop.records("credential")[-1]["body"]
    assert issued["event"] == "issued"
    assert issued["grant"]["id"] == session["body"]["credential_id"]
    assert token not in (shop.root / "record" / "segment-0000000000000001.jsonl").read_text()


def test_a_service_comes_in_by_its_token(shop: Shop, provider: OpenIdProvider) -> None:
    with connect(shop, provider.service_token()) as connection:
        assert connection.execute("select 1").fetchone() == (1,)
    assert shop.records("session_start")[-1]["body"]["principal"]["kind"] == "service"


@pytest.mark.parametrize(
    ("purpose", "account", "why"),
    [
        ("", "ada@acme.example", "blocked: no purpose"),
        ("dangerous", "ada@acme.example", "a person has to consent"),
    ],
)
def test_policy_decides_at_the_door(
    shop: Shop, provider: OpenIdProvider, purpose: str, account: str, why: str
) -> None:
    token = provider.person_tokens(account)["access_token"]
    with pytest.raises(psycopg.OperationalError, match=why):
        connect(shop, token, purpose).close()


def test_a_token_for_somebody_else_is_a_wrong_password(shop: Shop, provider: OpenIdProvider) -> None:
    for token in (provider.service_token("urn:other"), provider.service_token()[:-4] + "AAAA", "a.b.c"):
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            connect(shop, token).close()
    shop.until(
        "the record says why",
        lambda: "not meant for this gateway" in str([r["body"] for r in shop.records("refused")]),
    )


def test_the_session_ends_with_the_token(shop: Shop, tmp_path: Path) -> None:
    with openid_provider(ttl=3) as provider:
        (shop.root / "gateway.yaml").unlink()
        shop.kill("gateway")
        shop.options["oidc"] = [{"issuer": provider.issuer, "audience": "urn:doorward"}]
        shop.start_gateway()
        with connect(shop, provider.service_token()) as connection:
            begin = time.monotonic()
            with pytest.raises(psycopg.OperationalError, match="has expired"):
                connection.execute("select pg_sleep(30)")
            assert time.monotonic() - begin < 20
