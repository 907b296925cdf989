"""What an issuer of OpenID Connect publishes: its endpoints (Discovery 1.0) and its keys (RFC 7517).

Keys are fetched when the first token comes, every ten minutes, and when a token names one that is not known, but not
more often than every ten seconds: issuers change keys, and strangers invent them. While an issuer cannot be reached
its last keys are good for a day.
"""

from __future__ import annotations

import asyncio
import ipaddress
import ssl
from pathlib import Path
from time import monotonic
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
import orjson
import structlog
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, KeySet, OKPKey, RSAKey

from doorward_gateway.errors import IdentityRefused, IdentityUnavailable

__all__ = ["Issuer", "SigningKey", "is_safe_url"]

SigningKey = RSAKey | ECKey | OKPKey

_log = structlog.get_logger(__name__)

_MAX_ANSWER: Final = 1 << 20
_TIMEOUT: Final = 5.0
_FRESH: Final = 600.0
_STALE: Final = 86_400.0
_AGAIN: Final = 10.0
_MIN_RSA_BITS: Final = 2048


class Issuer:
    """One issuer, by its identifier, an `https` URL (plain `http` on a loopback address only); for one event loop.

    `ca` is a PEM file with the authorities of its certificate; absent: the system's.
    """

    def __init__(self, url: str, *, ca: Path | None = None) -> None:
        self.url = url
        self._client = httpx.AsyncClient(
            verify=ssl.create_default_context(cafile=ca) if ca is not None else True,
            timeout=_TIMEOUT,
            follow_redirects=False,
            trust_env=False,
        )
        self._keys: dict[str | None, SigningKey] = {}
        self._fetched = float("-inf")
        self._tried = float("-inf")
        self._fetching: asyncio.Task[None] | None = None

    async def close(self) -> None:
        """Lets go of its connections."""
        await self._client.aclose()

    async def metadata(self) -> dict[str, Any]:
        """What it says of itself. Raises `IdentityUnavailable`."""
        document = await self._get(f"{self.url.rstrip('/')}/.well-known/openid-configuration")
        if document.get("issuer") != self.url:
            raise IdentityUnavailable(f"what answers for the issuer `{self.url}` calls itself another")
        return document

    async def key(self, kid: str | None) -> SigningKey:
        """The key of that name; `None` where the token names none, and there is but one.

        Raises `IdentityRefused` for one that there is not, `IdentityUnavailable`.
        """
        now = monotonic()
        known = self._find(kid)
        if known is None or now - self._fetched > _FRESH:
            if now - self._tried > _AGAIN or self._fetching is not None:
                await self._fetch()
                known = self._find(kid)
            if monotonic() - self._fetched > _STALE:
                raise IdentityUnavailable(f"the issuer `{self.url}` cannot be reached")
        if known is None:
            raise IdentityRefused("the token is signed by a key that its issuer does not have")
        return known

    def _find(self, kid: str | None) -> SigningKey | None:
        if kid is None:
            return next(iter(self._keys.values())) if len(self._keys) == 1 else None
        return self._keys.get(kid)

    async def _fetch(self) -> None:
        """Reads the keys; whoever comes meanwhile waits for the same answer."""
        if self._fetching is None:
            self._tried = monotonic()
            self._fetching = asyncio.create_task(self._read_keys())
            self._fetching.add_done_callback(self._fetched_once)
        await asyncio.shield(self._fetching)

    def _fetched_once(self, _task: asyncio.Task[None]) -> None:
        self._fetching = None

    async def _read_keys(self) -> None:
        try:
            metadata = await self.metadata()
            place = metadata.get("jwks_uri")
            if not isinstance(place, str) or not is_safe_url(place):
                raise IdentityUnavailable(f"the issuer `{self.url}` does not say where its keys are")
            keys = _usable(await self._get(place))
            if not keys:
                raise IdentityUnavailable(f"the issuer `{self.url}` has no keys that can be used")
        except IdentityUnavailable as unavailable:
            _log.warning("keys of an issuer not read", issuer=self.url, reason=unavailable.message)
            return
        self._keys, self._fetched = keys, monotonic()

    async def _get(self, url: str) -> dict[str, Any]:
        try:
            async with asyncio.timeout(_TIMEOUT * 2), self._client.stream("GET", url) as response:
                content = bytearray()
                async for chunk in response.aiter_bytes():
                    content += chunk
                    if len(content) > _MAX_ANSWER:
                        raise IdentityUnavailable(f"the answer of `{url}` is too long")
                if response.status_code != 200:
                    raise IdentityUnavailable(f"`{url}` answers with status {response.status_code}")
            document = orjson.loads(bytes(content))
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
            raise IdentityUnavailable(f"`{url}` cannot be reached: {error or type(error).__name__}") from None
        except orjson.JSONDecodeError:
            raise IdentityUnavailable(f"the answer of `{url}` is not JSON") from None
        if not isinstance(document, dict):
            raise IdentityUnavailable(f"the answer of `{url}` is no JSON object")
        return document


def _usable(document: dict[str, Any]) -> dict[str | None, SigningKey]:
    """The keys for signatures in a key set; others, and broken ones, are passed over."""
    entries = document.get("keys")
    found: dict[str | None, SigningKey] = {}
    for entry in entries if isinstance(entries, list) else ():
        if not isinstance(entry, dict) or entry.get("use", "sig") != "sig" or _is_weak(entry):
            continue
        try:
            (key,) = KeySet.import_key_set({"keys": [entry]}).keys
        except (JoseError, ValueError, TypeError, KeyError, AttributeError):
            continue
        if isinstance(key, RSAKey | ECKey | OKPKey):
            found[entry.get("kid")] = key
    return found


def _is_weak(entry: dict[str, Any]) -> bool:
    """Whether a key proves nothing: a shared secret that is published is none, and short moduli are factored."""
    modulus = entry.get("n")
    short = isinstance(modulus, str) and len(modulus) * 6 < _MIN_RSA_BITS
    return entry.get("kty") == "oct" or short


def is_safe_url(url: str) -> bool:
    """Whether what is read there cannot be changed on the way: `https`, or this very machine."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return False
    if parts.scheme == "https":
        return bool(host)
    if parts.scheme != "http":
        return False
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
