"""`http.send`: requests to elsewhere, for policies that were granted the network."""

from __future__ import annotations

import json
import re
from typing import Any, Final

import httpx

from doorward.run.errors import BuiltinError
from doorward.run.values import Value, key

from .builtin import NETWORK, BuiltinCall, contextual
from .json_text import json_text, json_value, parse_json
from .operands import NUMBERS, mapping, operand_error, text, utf8
from .terms import quoted, term_text

__all__ = ["BUILTINS", "checked_request"]

_NAME: Final = "http.send"
_REQUIRED: Final = frozenset({"method", "url"})
_HELD: Final = frozenset(
    {
        *(
            "body",
            "enable_redirect",
            "force_json_decode",
            "headers",
            "max_retry_attempts",
            "raise_error",
            "raw_body",
        ),
        *("timeout", "tls_insecure_skip_verify"),
    }
)
# what only says how answers may be kept between queries, which they are not
_CACHING: Final = frozenset(
    {
        *("cache", "cache_ignored_headers", "caching_mode", "force_cache", "force_cache_duration_seconds"),
    }
)
_OTHERS: Final = frozenset(
    {
        *(
            "force_yaml_decode",
            "tls_ca_cert",
            "tls_ca_cert_env_variable",
            "tls_ca_cert_file",
            "tls_client_cert",
        ),
        *(
            "tls_client_cert_env_variable",
            "tls_client_cert_file",
            "tls_client_key",
            "tls_client_key_env_variable",
        ),
        *("tls_client_key_file", "tls_server_name", "tls_use_system_certs"),
    }
)
_ALLOWED: Final = _REQUIRED | _HELD | _CACHING | _OTHERS
_TIMEOUT: Final = 5.0
_MAX_TIMEOUT: Final = 60.0
_MAX_BODY: Final = 8 * 1024 * 1024
_DURATION: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ns|us|µs|ms|s|m)")
_SECONDS: Final = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0}


def checked_request(name: str, request: Value) -> dict[Any, Value]:
    """The request, where it has all that it needs and nothing unknown."""
    given = mapping(name, 1, request)
    unknown = frozenset(form for form in given if form not in _ALLOWED)
    if unknown:
        raise operand_error(name, 1, f"invalid request parameters(s): {term_text(unknown)}")
    missing = _REQUIRED - given.keys()
    if missing:
        raise operand_error(name, 1, f"missing required request parameters(s): {term_text(missing)}")
    return given


def send(call: BuiltinCall, request: Value) -> Value:
    given = checked_request(_NAME, request)
    if NETWORK not in call.capabilities:
        raise BuiltinError(f"{_NAME}: the network is not open to policies here")
    unsupported = given.keys() & _OTHERS
    if unsupported:
        raise BuiltinError(f"{_NAME}: `{min(unsupported)}` is not supported")
    place = (_NAME, key(given))
    if place not in call.cache:
        call.cache[place] = _answer(given)
    return call.cache[place]


def _answer(given: dict[Any, Value]) -> Value:
    method, url = given["method"], given["url"]
    if type(method) is not str or type(url) is not str:
        raise BuiltinError(f"{_NAME}: `method` and `url` must be strings")
    if not url.lower().startswith(("http://", "https://")):
        raise BuiltinError(f"{_NAME}: the scheme of {quoted(url)} must be `http` or `https`")
    raise_error = given.get("raise_error", True) is not False
    try:
        status, phrase, headers, body = _exchanged(method.upper(), url, given)
    except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
        if raise_error:
            raise BuiltinError(f"{_NAME}: {type(error).__name__}: {error}") from None
        return {"status_code": 0, "error": {"code": "eval_http_send_network_error", "message": str(error)}}
    answer: dict[str, Value] = {
        "status": phrase,
        "status_code": status,
        "raw_body": text(body),
        "headers": headers,
    }
    kinds = headers.get("content-type", [""])
    if given.get("force_json_decode") is True or "json" in str(kinds[0]):
        answer["body"] = _decoded(body)
    return answer


def _decoded(body: bytes) -> Value:
    try:
        return json_value(parse_json(text(body)))
    except (ValueError, json.JSONDecodeError):
        return None


def _exchanged(method: str, url: str, given: dict[Any, Value]) -> tuple[int, str, dict[str, Value], bytes]:
    content: bytes | None = None
    if "raw_body" in given:
        content = utf8(given["raw_body"]) if type(given["raw_body"]) is str else b""
    elif "body" in given:
        content = utf8(json_text(given["body"]))
    verify = given.get("tls_insecure_skip_verify") is not True
    redirects = given.get("enable_redirect") is True
    options: dict[str, Any] = {"timeout": _timeout(given.get("timeout")), "follow_redirects": redirects}
    with (
        httpx.Client(verify=verify, trust_env=False, **options) as client,
        client.stream(method, url, content=content, headers=_headers(given.get("headers", {}))) as response,
    ):
        parts: list[bytes] = []
        size = 0
        for part in response.iter_bytes():
            size += len(part)
            if size > _MAX_BODY:
                raise BuiltinError(f"{_NAME}: the answer is longer than {_MAX_BODY} bytes")
            parts.append(part)
        found: dict[str, Value] = {}
        for name, value in response.headers.multi_items():
            found.setdefault(name.lower(), []).append(value)
        phrase = f"{response.status_code} {response.reason_phrase}".strip()
        return response.status_code, phrase, found, b"".join(parts)


def _headers(value: Value) -> dict[str, str]:
    if type(value) is not dict:
        raise BuiltinError(f"{_NAME}: invalid type for headers key")
    for name, one in value.items():
        if type(name) is not str or type(one) is not str:
            raise BuiltinError(f"{_NAME}: invalid type for headers value {term_text(one)}")
    return dict(value)


def _timeout(value: Value) -> float:
    if value is None:
        return _TIMEOUT
    if type(value) in NUMBERS:
        seconds = float(value) * 1e-9
    else:
        match = _DURATION.fullmatch(value) if type(value) is str else None
        if match is None:
            raise BuiltinError(f"{_NAME}: invalid timeout value {term_text(value)}")
        seconds = float(match[1]) * _SECONDS[match[2]]
    return min(seconds, _MAX_TIMEOUT) or _TIMEOUT


BUILTINS: Final = contextual({_NAME: send})
