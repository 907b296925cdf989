"""`doorward login`, with a real provider, a real gateway and a real psql."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.gateway import Shop, open_shop
from tests.support.oidc import OpenIdProvider, claims_of, consent, missing, openid_provider
from tests.support.postgres import bin_dir

pytestmark = pytest.mark.skipif(bool(missing()), reason=missing() or "-")

POLICY = """
package tests.tokens

governs postgres

allow "analysts read" if { sql.read_only; "analysts" in principal.groups }
"""


@pytest.fixture(scope="module")
def provider() -> Iterator[OpenIdProvider]:
    with openid_provider(ttl=50) as running:  # so short that every command asks for another token
        yield running


@pytest.fixture(scope="module")
def shop(provider: OpenIdProvider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    entry = {
        "issuer": provider.issuer,
        "audience": "urn:doorward",
        "client_id": "doorward-cli",
        "scopes": ["openid", "offline_access"],
    }
    opened = open_shop(tmp_path_factory.mktemp("login"), oidc=[entry])
    try:
        opened.put_in_force("tokens.ward", POLICY)
        yield opened
    finally:
        opened.stop()


class Person:
    """Somebody at a terminal of her own."""

    def __init__(self, home: Path, shop: Shop) -> None:
        self.home = home
        self.environment = {
            "HOME": str(home),
            "PATH": os.environ["PATH"],
            "DOORWARD_GATEWAY": f"http://127.0.0.1:{shop.control_port}",
        }
        self.logins = home / ".config" / "doorward" / "logins.json"
        self.pgpass = home / ".pgpass"

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "doorward", *arguments],
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str) -> tuple[int, str, str]:
        process = self.start(*arguments)
        out, err = process.communicate(timeout=60)
        return process.returncode, out, err

    def token(self) -> str:
        (entry,) = json.loads(self.logins.read_text()).values()
        return str(entry["token"])


def log_in(person: Person, account: str, *flags: str) -> str:
    process = person.start("login", *flags)
    assert process.stdout is not None
    found = re.match(r"open\s+(\S+)", process.stdout.readline())
    assert found is not None, process.communicate()[1]
    consent(found[1], account)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    return out


def test_somebody_logs_in_works_and_logs_out(shop: Shop, tmp_path: Path) -> None:
    person = Person(tmp_path, shop)
    status, _, err = person.run("credential", "list")
    assert (status, "doorward login" in err) == (2, True)
    (tmp_path / ".pgpass").write_text("elsewhere:5432:*:*:kept\n")

    out = log_in(person, "ada@acme.example", "--pgpass")
    assert "logged in as ada@acme.example (analysts, readers) until 20" in out
    assert person.logins.stat().st_mode & 0o777 == 0o600
    assert person.pgpass.stat().st_mode & 0o777 == 0o600

    first = person.token()
    status, out, err = person.run("credential", "issue", "--resource", "shop", "--purpose", "tests", "--json")
    assert status == 0, err
    assert json.loads(out)["connection"]["user"] == "ada@acme.example"
    assert person.token() != first, "a token that is about to expire is replaced"
    assert claims_of(person.token())["sub"] == "ada@acme.example"

    asked = subprocess.run(
        [
            str(bin_dir() / "psql"),
            *("-X", "-w", "-h", "127.0.0.1", "-p", str(shop.port), "-U", "ada", "-d", "shop"),
            *("-Atc", "select count(*) from orders"),
        ],
        env=person.environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (asked.stdout, asked.stderr) == ("500\n", "")

    assert person.run("logout")[:2] == (0, "logged out\n")
    assert person.pgpass.read_text() == "elsewhere:5432:*:*:kept\n"
    assert person.run("logout")[:2] == (0, "there was no login\n")
    assert person.run("credential", "list")[0] == 2


def test_a_gateway_that_takes_no_logins_says_so(tmp_path: Path, shop: Shop) -> None:
    person = Person(tmp_path, shop)
    status, _, err = person.run("login", "--issuer", "https://elsewhere.example")
    assert (status, "one of: http://127.0.0.1" in err) == (2, True)
    person.environment["DOORWARD_GATEWAY"] = "http://127.0.0.1:1"
    assert person.run("login")[0] == 3
