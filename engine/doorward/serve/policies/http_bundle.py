"""A bundle from a web server, asked for again and again, and sent again only when it is another."""

from __future__ import annotations

import asyncio
import hashlib
import ssl
from typing import Final

import httpx

from doorward.bundle import BundleError
from doorward.serve.configuration.section import is_loopback
from doorward.serve.policies.pace import Pace
from doorward.serve.policies.settings import PolicySettings
from doorward.serve.policies.source import Arrived, Bundled, SourceError

__all__ = ["HttpBundle"]

_MAX_REDIRECTS: Final = 5
_LONGEST_ETAG: Final = 1024
_OK: Final = 200
_NOT_MODIFIED: Final = 304


class HttpBundle:
    """A source that is polled over HTTP or HTTPS, with `If-None-Match` where the server names versions by `ETag`."""

    def __init__(self, settings: PolicySettings) -> None:
        self.name = settings.name
        self._settings = settings
        self._pace = Pace(settings.min_delay_seconds, settings.max_delay_seconds)
        self._etag = ""
        self._given = b""
        self._tls: tuple[object, ssl.SSLContext] | None = None

    async def fetch(self) -> Arrived | None:
        """See `PolicySource`."""
        self._pace.failed()  # until it has not
        content = await self._answered()
        self._pace.answered()
        if content is None:
            return None
        digest = await asyncio.to_thread(lambda: hashlib.sha256(content).digest())
        if digest == self._given:
            return None
        self._given = digest
        return Bundled(content)

    async def wait(self) -> None:
        """See `PolicySource`."""
        await asyncio.sleep(self._pace.delay())

    async def close(self) -> None:
        """See `PolicySource`."""

    async def _answered(self) -> bytes | None:
        try:
            context = await asyncio.to_thread(self._context)
            async with (
                asyncio.timeout(self._settings.timeout_seconds),
                # a connection for each question: they are rare, and an idle one tells nothing of the next
                httpx.AsyncClient(
                    verify=context,
                    trust_env=False,
                    timeout=self._settings.timeout_seconds,
                    proxy=self._settings.proxy,
                ) as client,
            ):
                return await self._exchanged(client)
        except TimeoutError:
            raise SourceError(
                f"`{self.name}` did not answer in full within {self._settings.timeout_seconds:g} s"
            ) from None
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
            said = str(error) or type(error).__name__
            raise SourceError(f"the policies cannot be fetched from `{self.name}`: {said}") from None

    async def _exchanged(self, client: httpx.AsyncClient) -> bytes | None:
        request = client.build_request("GET", self._settings.url, headers=self._headers())
        for _ in range(_MAX_REDIRECTS + 1):
            answer = await client.send(request, stream=True)
            try:
                following = answer.next_request
                if following is None:
                    return await self._content(answer)
            finally:
                await answer.aclose()  # whatever a redirect says besides is not read
            self._check(following.url, answer.url)
            request = following  # without credentials where it is another host: httpx takes them off
        raise SourceError(f"`{self.name}` leads on more than {_MAX_REDIRECTS} times")

    def _check(self, to: httpx.URL, since: httpx.URL) -> None:
        """Raises SourceError for a redirect that leads to where anybody on the way could change what comes."""
        trusted = to.scheme == "https" or self._settings.allow_plaintext or is_loopback(f"{to.host}:0")
        if not trusted or (to.scheme != "https" and since.scheme == "https"):
            raise SourceError(f"`{self.name}` leads from {since.scheme} to `{to.scheme}://{to.host}`")

    def _headers(self) -> dict[str, str]:
        # as it is: whatever is compressed on the way is not bounded by what travels
        headers = {"user-agent": "doorward", "accept-encoding": "identity"}
        if self._etag:
            headers["if-none-match"] = self._etag
        token = self._settings.token()
        if token is not None:
            headers["authorization"] = f"Bearer {token}"
        return headers

    async def _content(self, answer: httpx.Response) -> bytes | None:
        if answer.status_code == _NOT_MODIFIED and self._etag:
            return None
        if answer.status_code != _OK:
            phrase = f"{answer.status_code} {answer.reason_phrase}".strip()
            raise SourceError(f"`{self.name}` answered {phrase[:100]}")
        most = self._settings.max_bytes
        stated = answer.headers.get("content-length", "")
        parts, size = [], 0
        if not (stated.isdecimal() and int(stated[:20]) > most):
            async for part in answer.aiter_raw():
                parts.append(part)
                size += len(part)
                if size > most:
                    break
            else:
                self._etag = _usable(answer.headers.get("etag", ""))
                return b"".join(parts)
        raise BundleError(f"`{self.name}` sends more than {most} bytes")

    def _context(self) -> ssl.SSLContext:
        """By the files as they are now; made again only when one of them was replaced, for it takes a while."""
        settings = self._settings
        files = (settings.ca, settings.client_cert, settings.client_key)
        stamps = tuple(
            None if file is None else (file.stat().st_mtime_ns, file.stat().st_ino) for file in files
        )
        if self._tls is None or self._tls[0] != stamps:
            context = ssl.create_default_context(cafile=settings.ca)
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            if settings.client_cert is not None:
                context.load_cert_chain(settings.client_cert, settings.client_key, password=lambda: b"")
            self._tls = stamps, context
        return self._tls[1]


def _usable(etag: str) -> str:
    """The name of a version, if it is one that can be sent back."""
    return etag if len(etag) <= _LONGEST_ETAG and etag.isascii() and etag.isprintable() else ""
