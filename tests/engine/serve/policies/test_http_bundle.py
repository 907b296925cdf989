"""Bundles from a web server: taken once, asked for again cheaply, and nothing that the server does gets further than an error."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path
from typing import Any

import pytest
from tests.support.certificates import certificate
from tests.support.web import Asked, Web, answer, web

from doorward.bundle import BundleError, build_bundle
from doorward.serve.policies.http_bundle import HttpBundle
from doorward.serve.policies.settings import PolicySettings
from doorward.serve.policies.source import Bundled, SourceError

ONE = build_bundle({"a.rego": b"package a\n\nx := 1\n"})
TWO = build_bundle({"a.rego": b"package a\n\nx := 2\n"})


def source(server: Web, path: str = "/bundle.tar.gz", **settings: Any) -> HttpBundle:
    return HttpBundle(PolicySettings.model_validate({"source": server.url + path, **settings}))


def static(content: bytes, **headers: str):
    async def handler(_: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(answer(content, **headers))

    return handler


async def test_it_is_sent_again_only_when_it_is_another() -> None:
    current = {"etag": '"one"', "content": ONE}

    async def handler(asked: Asked, writer: asyncio.StreamWriter) -> None:
        if asked.headers.get("if-none-match") == current["etag"]:
            writer.write(answer(status="304 Not Modified"))
        else:
            writer.write(answer(current["content"], etag=current["etag"]))

    async with web(handler) as server:
        bundle = source(server)
        assert await bundle.fetch() == Bundled(ONE)
        assert await bundle.fetch() is None
        current |= {"etag": '"two"', "content": TWO}
        assert await bundle.fetch() == Bundled(TWO)
        assert await bundle.fetch() is None
    assert [one.headers.get("if-none-match") for one in server.asked] == [None, '"one"', '"one"', '"two"']


async def test_without_a_name_of_its_version_it_is_compared() -> None:
    async with web(static(ONE)) as server:
        bundle = source(server)
        assert await bundle.fetch() == Bundled(ONE)
        assert await bundle.fetch() is None
        server.handler = static(TWO)
        assert await bundle.fetch() == Bundled(TWO)


async def test_a_server_that_calls_the_archive_an_encoding_means_the_archive() -> None:
    async with web(static(ONE, content_encoding="gzip")) as server:
        assert await source(server).fetch() == Bundled(ONE)


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        (answer(b"", "404 Not Found"), "answered 404 Not Found"),
        (answer(b"", "500 Internal Server Error"), "answered 500"),
        (answer(b"", "304 Not Modified"), "answered 304"),  # nobody asked whether it was modified
        (answer(b"", "206 Partial Content"), "answered 206"),
        (answer(ONE, content_length=str(len(ONE) + 1)), "closed connection"),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nabcde\r\n", "closed connection"),
        (b"HTTP/1.1 200 OK\r\nx: " + b"x" * 200_000, "cannot be fetched"),
        (b"SSH-2.0-OpenSSH\r\n", "cannot be fetched"),
        (b"", "disconnected"),
        (answer(b"", "302 Found", location="http://[::1"), "cannot be fetched"),
        (answer(b"", "302 Found", location="ftp://127.0.0.1/x"), "cannot be fetched"),
        (answer(b"", "302 Found", location="http://elsewhere.invalid/x"), "to `http://elsewhere.invalid`"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_an_answer_that_is_none_is_an_error(sent: bytes, said: str) -> None:
    async def handler(_: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(sent)

    async with web(handler) as server:
        with pytest.raises(SourceError, match=said):
            await source(server).fetch()


async def test_nobody_there_is_an_error_that_names_the_source() -> None:
    async with web(static(ONE)) as server:
        bundle = source(server, "/bundle.tar.gz?signature=secret")
    with pytest.raises(SourceError, match=r"bundle\.tar\.gz\?…") as caught:
        await bundle.fetch()
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("stated", [True, False])
async def test_it_is_not_read_beyond_its_bound(stated: bool) -> None:
    sent = 0

    async def handler(_: Asked, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        length = b"content-length: 100000000" if stated else b"transfer-encoding: chunked"
        writer.write(b"HTTP/1.1 200 OK\r\n" + length + b"\r\n\r\n")
        for _ in range(1500):
            writer.write(b"x" * 65_536 if stated else b"10000\r\n" + b"x" * 65_536 + b"\r\n")
            await writer.drain()
            sent += 65_536

    async with web(handler) as server:
        with pytest.raises(BundleError, match="more than 100000 bytes"):
            await source(server, max_bytes=100_000).fetch()
    assert sent < 50_000_000


async def test_it_is_not_waited_for_beyond_its_time() -> None:
    async def handler(_: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n")
        while True:  # never silent for long, and never done
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.02)

    async with web(handler) as server:
        with pytest.raises(SourceError, match=r"within 0\.3 s"):
            await source(server, timeout_seconds=0.3).fetch()


async def test_redirects_are_followed_a_few_times_and_not_read() -> None:
    async def handler(asked: Asked, writer: asyncio.StreamWriter) -> None:
        left = int(asked.target.rpartition("/")[2])
        if left == 0:
            writer.write(answer(ONE))
        else:
            # a body that never comes in full: whoever reads it fails
            writer.write(answer(b"x", "302 Found", location=f"/{left - 1}", content_length="1000000000"))

    async with web(handler) as server:
        assert await source(server, "/5").fetch() == Bundled(ONE)
        with pytest.raises(SourceError, match="more than 5 times"):
            await source(server, "/6").fetch()


async def test_the_token_stays_with_the_host_it_is_for(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("first\n")
    async with web(static(ONE)) as other:

        async def handler(asked: Asked, writer: asyncio.StreamWriter) -> None:
            elsewhere = asked.target == "/elsewhere"
            writer.write(answer(b"", "302 Found", location=other.url) if elsewhere else answer(ONE))

        async with web(handler) as server:
            bundle = source(server, token_file=token)
            await bundle.fetch()
            token.write_text("second\n")
            await bundle.fetch()
            await source(server, "/elsewhere", token_file=token).fetch()
    said = [one.headers.get("authorization") for one in server.asked]
    assert said == ["Bearer first", "Bearer second", "Bearer second"]
    assert [one.headers.get("authorization") for one in other.asked] == [None]


@pytest.mark.parametrize("content", ["", "two\nlines", "\x07"])
async def test_a_token_that_is_none_is_not_sent(tmp_path: Path, content: str) -> None:
    token = tmp_path / "token"
    token.write_text(content)
    async with web(static(ONE)) as server:
        with pytest.raises(SourceError, match="holds no token"):
            await source(server, token_file=token).fetch()
    assert server.asked == []


async def test_the_environment_names_no_proxy_but_a_setting_does(monkeypatch: pytest.MonkeyPatch) -> None:
    async with web(static(ONE)) as server, web(static(TWO)) as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
        assert await source(server).fetch() == Bundled(ONE)
        assert await source(server, proxy=proxy.url).fetch() == Bundled(TWO)


async def test_over_tls_with_an_authority_and_a_certificate_of_its_own(tmp_path: Path) -> None:
    chain, key = certificate(tmp_path, "server")
    own, own_key = certificate(tmp_path, "caller")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=own)
    context.load_cert_chain(chain, key)
    context.verify_mode = ssl.CERT_REQUIRED
    async with web(static(ONE), context) as server:
        trusted = source(server, ca=chain, client_cert=own, client_key=own_key)
        assert await trusted.fetch() == Bundled(ONE)
        for settings in ({"client_cert": own, "client_key": own_key}, {"ca": chain}):
            with pytest.raises(SourceError):
                await source(server, **settings).fetch()
    assert len(server.asked) == 1


async def test_https_does_not_lead_to_http(tmp_path: Path) -> None:
    chain, key = certificate(tmp_path, "server")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(chain, key)
    async with web(static(ONE)) as plain:

        async def handler(_: Asked, writer: asyncio.StreamWriter) -> None:
            writer.write(answer(b"", "302 Found", location=plain.url))

        async with web(handler, context) as server:
            with pytest.raises(SourceError, match="leads from https to `http://127"):
                await source(server, ca=chain).fetch()
    assert plain.asked == []
