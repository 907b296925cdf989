"""The requests of `http.send` on the wire: TLS, redirects, retries, and bounds on time and size."""

from __future__ import annotations

import os
import re
import ssl
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx

from doorward.run.errors import BuiltinError
from doorward.run.values import Value

from .json_text import json_text
from .operands import NUMBERS, exact_integer, utf8
from .terms import quoted, term_text

__all__ = ["Answer", "NetworkError", "exchanged"]

_NAME: Final = "http.send"
_TIMEOUT: Final = 5.0
_MAX_TIMEOUT: Final = 60.0
_MAX_BODY: Final = 8 * 1024 * 1024
_MAX_REDIRECTS: Final = 10
_MAX_RETRIES: Final = 10
_FIRST_PAUSE: Final = 0.1
_LONGEST_PAUSE: Final = 1.0
_DURATION: Final = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h)")
_SECONDS: Final = {
    "ns": 1e-9,
    "us": 1e-6,
    "µs": 1e-6,
    "μs": 1e-6,
    "ms": 1e-3,
    "s": 1.0,
    "m": 60.0,
    "h": 3600.0,
}

Permit = Callable[[str], None]
"""Raises BuiltinError for a host that may not be reached."""


class NetworkError(Exception):
    """The exchange failed on the way; the message says how."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status_code: int
    status: str
    """`200 OK`."""
    headers: dict[str, Value]
    """Arrays of values by name in lower case."""
    body: bytes


def exchanged(given: dict[Any, Value], permit: Permit) -> Answer:
    """The answer to a request. Raises NetworkError, and BuiltinError for what cannot be asked."""
    method, url = _text(given, "method").upper(), _text(given, "url")
    seconds = _timeout(given.get("timeout"))
    attempts = 1 + _retries(given.get("max_retry_attempts", 0))
    headers = _headers(given.get("headers", {}))
    content = _content(given)
    verify = _tls(given)
    try:
        target = httpx.URL(url)
    except (httpx.InvalidURL, ValueError) as error:
        raise BuiltinError(f"{_NAME}: the URL {quoted(url)} cannot be read: {error}") from None
    extensions = {} if "tls_server_name" not in given else {"sni_hostname": _text(given, "tls_server_name")}
    deadline = time.monotonic() + min(seconds * attempts, _MAX_TIMEOUT)

    def checked(request: httpx.Request) -> None:
        # called for each request on the way, so that no redirect leads where the policy may not go
        if request.url.scheme not in ("http", "https"):
            raise BuiltinError(f"{_NAME}: the scheme of {quoted(str(request.url))} must be `http` or `https`")
        permit(request.url.host)

    with httpx.Client(
        verify=verify,
        trust_env=False,  # a policy must not be sent through whatever proxy the process was started with
        timeout=seconds,
        follow_redirects=given.get("enable_redirect") is True,
        max_redirects=_MAX_REDIRECTS,
        event_hooks={"request": [checked]},
    ) as client:
        client.headers = httpx.Headers({"user-agent": "doorward", "accept-encoding": "gzip"})
        for name in ("accept", "connection"):  # what a policy did not ask to be said
            del client.headers[name]
        request = client.build_request(
            method, target, content=content, headers=headers, extensions=extensions
        )
        pause = _FIRST_PAUSE
        while True:
            attempts -= 1
            try:
                return _once(client, request, min(deadline, time.monotonic() + seconds))
            except (httpx.HTTPError, httpx.InvalidURL, NetworkError, OSError) as error:
                if attempts <= 0 or time.monotonic() + pause > deadline:
                    said = str(error) or type(error).__name__
                    raise NetworkError(f"{method.capitalize()} {quoted(url)}: {said}") from None
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)


def _once(client: httpx.Client, request: httpx.Request, deadline: float) -> Answer:
    response = client.send(request, stream=True)
    try:
        parts: list[bytes] = []
        size = 0
        for part in response.iter_bytes():
            size += len(part)
            if size > _MAX_BODY:
                raise BuiltinError(f"{_NAME}: the answer is longer than {_MAX_BODY} bytes")
            if time.monotonic() > deadline:
                raise NetworkError("the answer took longer than the timeout")
            parts.append(part)
    finally:
        response.close()
    found: dict[str, Value] = {}
    for name, value in response.headers.multi_items():
        found.setdefault(name.lower(), []).append(value)
    if "content-encoding" in found:  # undone by now, and the length was that of what came
        del found["content-encoding"]
        found.pop("content-length", None)
    phrase = f"{response.status_code} {response.reason_phrase}".strip()
    return Answer(response.status_code, phrase, found, b"".join(parts))


# --- the parts of a request ---


def _text(given: dict[Any, Value], name: str) -> str:
    value = given[name]
    if type(value) is not str:
        raise BuiltinError(f"{_NAME}: `{name}` must be a string")
    return value


def _content(given: dict[Any, Value]) -> bytes | None:
    if "raw_body" in given:
        if type(given["raw_body"]) is not str:
            raise BuiltinError(f"{_NAME}: raw_body must be a string")
        return utf8(given["raw_body"])
    return utf8(json_text(given["body"])) if "body" in given else None


def _headers(value: Value) -> dict[str, str]:
    if type(value) is not dict:
        raise BuiltinError(f"{_NAME}: invalid type for headers key")
    for name, one in value.items():
        if type(name) is not str or type(one) is not str:
            raise BuiltinError(f"{_NAME}: invalid type for headers value {term_text(one)}")
        if not name.isascii() or any(char < " " and char != "\t" for char in name + one):
            raise BuiltinError(f"{_NAME}: the header {quoted(name)} holds what no header can")
    return dict(value)


def _retries(value: Value) -> int:
    attempts = exact_integer(value) if type(value) in NUMBERS else None
    if attempts is None or attempts < 0:
        raise BuiltinError(f"{_NAME}: max_retry_attempts must be a number that is not negative")
    return min(attempts, _MAX_RETRIES)


def _timeout(value: Value) -> float:
    """Seconds for one attempt: of a number in nanoseconds, or a duration such as `1m30s`."""
    if value is None:
        return _TIMEOUT
    if type(value) in NUMBERS or (type(value) is str and value.isdecimal() and value.isascii()):
        seconds = float(value) * 1e-9
    else:
        parts = _DURATION.findall(value) if type(value) is str else []
        if not parts or "".join(amount + unit for amount, unit in parts) != value:
            raise BuiltinError(f"{_NAME}: invalid timeout value {term_text(value)}")
        seconds = sum(float(amount) * _SECONDS[unit] for amount, unit in parts)
    return min(seconds, _MAX_TIMEOUT) if seconds > 0 else _TIMEOUT


# --- TLS ---


def _tls(given: dict[Any, Value]) -> ssl.SSLContext:
    authorities = _pem(given, "tls_ca_cert")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if given.get("tls_insecure_skip_verify") is True:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    use_system = given.get("tls_use_system_certs")
    if use_system is True or (use_system is None and authorities is None):
        context.load_default_certs()
    try:
        if authorities is not None:
            context.load_verify_locations(cadata=authorities)
    except (ssl.SSLError, ValueError):
        raise BuiltinError(f"{_NAME}: could not append certificates") from None
    certificate, private = _pem(given, "tls_client_cert"), _pem(given, "tls_client_key")
    if certificate is not None and private is not None:
        _load_pair(context, certificate, private)
    elif certificate is not None or private is not None:
        raise BuiltinError(f"{_NAME}: `tls_client_cert` and `tls_client_key` go together")
    return context


def _load_pair(context: ssl.SSLContext, certificate: str, private: str) -> None:
    # the ssl module takes a pair from files only
    with tempfile.TemporaryDirectory() as folder:
        chain, secret = Path(folder, "chain.pem"), Path(folder, "key.pem")
        chain.write_text(certificate)
        secret.touch(0o600)
        secret.write_text(private)
        try:
            context.load_cert_chain(chain, secret, password=lambda: b"")
        except (ssl.SSLError, ValueError):
            raise BuiltinError(f"{_NAME}: the client certificate and its key cannot be read") from None


def _pem(given: dict[Any, Value], name: str) -> str | None:
    """A PEM text given as it is, by the name of a file, or by that of an environment variable."""
    if name in given:
        return _text(given, name)
    if f"{name}_file" in given:
        path = _text(given, f"{name}_file")
        try:
            return Path(path).read_text("ascii")
        except (OSError, ValueError):
            raise BuiltinError(f"{_NAME}: `{name}_file` {quoted(path)} cannot be read") from None
    if f"{name}_env_variable" in given:
        variable = _text(given, f"{name}_env_variable")
        value = os.environ.get(variable)
        if value is None:
            raise BuiltinError(f"{_NAME}: `{name}_env_variable` {quoted(variable)} is not set")
        return value
    return None
