"""Logging in from a terminal: the device authorization grant (RFC 8628), and refreshing what it gave (RFC 6749, section 6)."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import httpx

from doorward_gateway.errors import IdentityRefused, IdentityUnavailable
from doorward_gateway.identity.issuer import is_safe_url
from doorward_gateway.identity.oidc import unverified_claims

__all__ = ["Device", "Tokens", "Waiting"]

_GRANT: Final = "urn:ietf:params:oauth:grant-type:device_code"
_TIMEOUT: Final = 10.0
_SLOWER: Final = 5.0


@dataclass(frozen=True, slots=True)
class Waiting:
    """What a person has to do: open `url`, which knows the code, or `short_url` and type `code`."""

    url: str
    short_url: str
    code: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Tokens:
    """What an issuer gave; empty where it gave none."""

    access: str
    identity: str
    refresh: str

    @classmethod
    def of(cls, document: dict[str, Any]) -> Tokens:
        """From the answer of a token endpoint."""
        names = ("access_token", "id_token", "refresh_token")
        return cls(*(value if isinstance(value := document.get(name), str) else "" for name in names))

    def meant_for(self, audience: str) -> str:
        """The one to show there: an access token may be opaque, or for somebody else; then the ID token has to serve."""
        claims = unverified_claims(self.access)
        named = claims.get("aud")
        return self.access if audience in (named if isinstance(named, list) else [named]) else self.identity


class Device:
    """This terminal, as the client `client_id` of one issuer. `audience` is what the tokens are to be for."""

    def __init__(self, issuer: str, client_id: str, *, audience: str, scopes: Sequence[str]) -> None:
        self.issuer = issuer
        self.client_id = client_id
        self._audience = audience
        self._scopes = tuple(scopes)
        self._client = httpx.Client(timeout=_TIMEOUT, follow_redirects=False)

    def close(self) -> None:
        """Lets go of its connections."""
        self._client.close()

    def log_in(self, show: Callable[[Waiting], None]) -> Tokens:
        """Asks for a code, shows what is to be done, and waits until it is. Raises `IdentityRefused`, `IdentityUnavailable`."""
        endpoint = self._endpoint("device_authorization_endpoint")
        asked = self._post(endpoint, {"scope": " ".join(self._scopes), **self._meant_for()})
        code, short, url = (asked.get(name) for name in ("user_code", "verification_uri", "device_code"))
        if not all(isinstance(value, str) and value for value in (code, short, url)):
            raise IdentityUnavailable(f"the issuer `{self.issuer}` gives no code: {_said(asked)}")
        seconds, interval = _seconds(asked, "expires_in", 600.0), _seconds(asked, "interval", 5.0)
        show(Waiting(str(asked.get("verification_uri_complete") or short), str(short), str(code), seconds))
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            time.sleep(interval)
            given = self._post(
                self._endpoint("token_endpoint"), {"grant_type": _GRANT, "device_code": asked["device_code"]}
            )
            match given.get("error"):
                case None:
                    return Tokens.of(given)
                case "authorization_pending":
                    continue
                case "slow_down":
                    interval += _SLOWER
                case _:
                    raise IdentityRefused(f"the issuer refuses: {_said(given)}")
        raise IdentityRefused("nobody has logged in before the code expired")

    def refresh(self, token: str) -> Tokens:
        """Fresh tokens for a refresh token. Raises `IdentityRefused`, `IdentityUnavailable`."""
        given = self._post(
            self._endpoint("token_endpoint"),
            {"grant_type": "refresh_token", "refresh_token": token, **self._meant_for()},
        )
        if given.get("error"):
            raise IdentityRefused(f"the issuer refuses: {_said(given)}")
        return Tokens.of(given)

    def _meant_for(self) -> dict[str, str]:
        # RFC 8707: a resource is a URI. What is none is the client itself, whose ID token serves.
        return {"resource": self._audience} if ":" in self._audience else {}

    def _endpoint(self, name: str) -> str:
        url = f"{self.issuer.rstrip('/')}/.well-known/openid-configuration"
        if not is_safe_url(url):
            raise IdentityUnavailable(f"the issuer `{self.issuer}` is not at an `https` URL")
        metadata = self._read(lambda: self._client.get(url), url)
        place = metadata.get(name)
        if metadata.get("issuer") != self.issuer or not isinstance(place, str) or not is_safe_url(place):
            raise IdentityUnavailable(
                f"the issuer `{self.issuer}` does not offer to log in this way ({name})"
            )
        return place

    def _post(self, url: str, form: dict[str, str]) -> dict[str, Any]:
        return self._read(lambda: self._client.post(url, data={"client_id": self.client_id, **form}), url)

    def _read(self, ask: Callable[[], httpx.Response], url: str) -> dict[str, Any]:
        try:
            document = ask().json()
        except httpx.HTTPError as error:
            raise IdentityUnavailable(f"`{url}` cannot be reached: {error or type(error).__name__}") from None
        except ValueError:
            raise IdentityUnavailable(f"the answer of `{url}` is not JSON") from None
        if not isinstance(document, dict):
            raise IdentityUnavailable(f"the answer of `{url}` is no JSON object")
        return document


def _said(document: dict[str, Any]) -> str:
    return str(document.get("error_description") or document.get("error") or "it does not say why")[:200]


def _seconds(document: dict[str, Any], name: str, otherwise: float) -> float:
    value = document.get(name)
    good = isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= 3600
    return float(value) if good else otherwise  # type: ignore[arg-type] # checked in `good`
