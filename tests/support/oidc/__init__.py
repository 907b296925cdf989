"""A real OpenID provider (npm's oidc-provider) as a process of its own."""

from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

__all__ = ["OpenIdProvider", "claims_of", "consent", "missing", "openid_provider"]

_HERE = Path(__file__).parent


def missing() -> str:
    """Why there is no provider to test with; empty when there is one."""
    if shutil.which("node") is None:
        return "node is not installed"
    if not (_HERE / "node_modules" / "oidc-provider").is_dir():
        return "oidc-provider is not installed: npm install --prefix tests/support/oidc"
    return ""


class OpenIdProvider:
    """The running provider; `issuer` is its URL."""

    def __init__(self, port: int = 0, ttl: int = 600) -> None:
        node = shutil.which("node")
        assert node is not None
        self._process = subprocess.Popen(
            [node, str(_HERE / "provider.mjs"), str(port)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={"PATH": str(Path(node).parent), "TTL": str(ttl)},
            text=True,
        )
        self.issuer: str = self._said()["issuer"]

    @property
    def port(self) -> int:
        return int(self.issuer.rpartition(":")[2])

    def rotate(self, *, keep: bool = False) -> str:
        """Signs with another key from now on, the old one published still or not; the key's name."""
        assert self._process.stdin is not None
        self._process.stdin.write("both\n" if keep else "rotate\n")
        self._process.stdin.flush()
        return str(self._said()["kid"])

    def service_token(self, audience: str = "urn:doorward") -> str:
        """An access token of the client `billing`, which is a service."""
        response = httpx.post(
            f"{self.issuer}/token",
            data={"grant_type": "client_credentials", "resource": audience},
            auth=("billing", "billing-secret"),
            trust_env=False,
        )
        response.raise_for_status()
        return str(response.json()["access_token"])

    def person_tokens(self, account: str, *, scope: str = "openid offline_access") -> dict[str, Any]:
        """What a person's device gets who has logged in and consented: access, ID and refresh token."""
        asked = httpx.post(
            f"{self.issuer}/device/auth",
            data={"client_id": "doorward-cli", "scope": scope, "resource": "urn:doorward"},
            trust_env=False,
        ).json()
        consent(asked["verification_uri_complete"], account)
        response = httpx.post(
            f"{self.issuer}/token",
            data={
                "grant_type": "urn:ietf:params:oauth:grant-type:device_code",
                "device_code": asked["device_code"],
                "client_id": "doorward-cli",
            },
            trust_env=False,
        )
        response.raise_for_status()
        tokens: dict[str, Any] = response.json()
        return tokens

    def stop(self) -> None:
        self._process.kill()
        self._process.communicate()

    def _said(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the OpenID provider did not start")
        said: dict[str, Any] = json.loads(line)
        return said


@contextmanager
def openid_provider(port: int = 0, ttl: int = 600) -> Iterator[OpenIdProvider]:
    """A provider, ended by force."""
    provider = OpenIdProvider(port, ttl)
    try:
        yield provider
    finally:
        provider.stop()


def consent(url: str, account: str) -> None:
    """What a person does in the browser: follows the link, logs in, consents."""
    with httpx.Client(follow_redirects=True, trust_env=False) as browser:
        page = browser.get(url)
        for _ in range(6):
            form = re.search(r'<form[^>]*action="([^"]*)"[^>]*>(.*?)</form>', page.text, re.DOTALL)
            if form is None:
                break
            fields = dict(re.findall(r'name="([^"]+)"[^>]*value="([^"]*)"', form[2]))
            if 'name="login"' in form[2]:
                fields |= {"login": account, "password": "any"}
            page = browser.post(
                urllib.parse.urljoin(str(page.url), form[1].replace("&amp;", "&")), data=fields
            )
        assert page.status_code == 200, page.text


def claims_of(token: str) -> dict[str, Any]:
    """What a token says, unchecked."""
    body = token.split(".")[1]
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    return claims
