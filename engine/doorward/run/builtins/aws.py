"""`providers.aws.sign_req`: AWS Signature Version 4 over an HTTP request given as an object."""

from __future__ import annotations

import hashlib
import hmac
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import quote, urlsplit

from doorward.run.errors import BuiltinError
from doorward.run.values import Value

from .builtin import pure
from .http import checked_request
from .json_text import json_text
from .operands import mapping, number, operand_error, utf8, wrong_type
from .terms import term_text

__all__ = ["BUILTINS"]

_NAME: Final = "providers.aws.sign_req"
_REQUIRED: Final = ("aws_access_key", "aws_region", "aws_secret_access_key", "aws_service")
_UNSIGNED: Final = frozenset({"authorization", "user-agent", "x-amzn-trace-id"})
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def _configuration(value: Value) -> dict[Any, Value]:
    given = mapping(_NAME, 1, value)
    missing = frozenset(_REQUIRED) - given.keys()
    if missing:
        raise operand_error(_NAME, 2, f"missing required AWS config parameters(s): {term_text(missing)}")
    invalid = frozenset(one for one in _REQUIRED if type(given[one]) is not str)
    if invalid:
        raise operand_error(
            _NAME, 2, f"invalid values for required AWS config parameters(s): {term_text(invalid)}"
        )
    return given


def _instant(value: Value) -> datetime:
    ns = number(_NAME, 1, value)
    if type(ns) is not int or not -(1 << 63) <= ns < 1 << 63:
        raise operand_error(_NAME, 3, "could not convert time_ns value into a unix timestamp")
    return _EPOCH + timedelta(seconds=ns // 1_000_000_000)


def _body(request: dict[Any, Value]) -> bytes:
    if "raw_body" in request:
        raw = request["raw_body"]
        return utf8(raw) if type(raw) is str else b""
    return utf8(json_text(request["body"])) if "body" in request else b""


def sign_request(request: Value, configuration: Value, time_ns: Value) -> Value:
    mapping(_NAME, 1, request)
    config = _configuration(configuration)
    instant = _instant(time_ns)
    checked_request(_NAME, request)
    headers = request.get("headers", {})
    if type(headers) is not dict:
        raise wrong_type(_NAME, 0, headers, "object")
    invalid = frozenset(one for one in ("method", "url") if type(request[one]) is not str)
    if invalid:
        raise operand_error(
            _NAME, 1, f"invalid values for required request parameters(s): {term_text(invalid)}"
        )
    unsigned_payload = config.get("disable_payload_signing", False)
    if type(unsigned_payload) is not bool:
        raise operand_error(_NAME, 2, "invalid value for 'disable_payload_signing' in AWS config")
    digest = "UNSIGNED-PAYLOAD" if unsigned_payload else hashlib.sha256(_body(request)).hexdigest()
    given = {_text(name): _text(value) for name, value in headers.items()}
    signed = _signed(request, given, config, instant, digest)
    return {**request, "headers": {**given, **signed}}


def _text(value: Value) -> str:
    return value if type(value) is str else ""


def _signed(
    request: dict[Any, Value], given: dict[str, str], config: dict[Any, Value], instant: datetime, digest: str
) -> dict[str, str]:
    """The headers that signing adds."""
    try:
        url = urlsplit(request["url"])
    except ValueError as error:
        raise BuiltinError(f"{_NAME}: parse {term_text(request['url'])}: {error}") from None
    service, region = config["aws_service"], config["aws_region"]
    day, moment = instant.strftime("%Y%m%d"), instant.strftime("%Y%m%dT%H%M%SZ")
    added = {"host": url.netloc.rpartition("@")[2], "x-amz-date": moment}
    if service in ("s3", "glacier"):
        added["x-amz-content-sha256"] = digest
    if _text(config.get("aws_session_token", "")):
        added["x-amz-security-token"] = config["aws_session_token"]
    covered = {**added, **{k.lower(): v for k, v in given.items() if k.lower() not in _UNSIGNED}}
    names = ";".join(sorted(covered))
    lines = "".join(f"{name}:{covered[name]}\n" for name in sorted(covered))
    path = quote(url.path, safe="/%$&+,:;=@!~*'()[]-._")
    canonical = f"{request['method']}\n{path}\n{url.query}\n{lines}\n{names}\n{digest}"
    scope = f"{day}/{region}/{service}/aws4_request"
    to_sign = f"AWS4-HMAC-SHA256\n{moment}\n{scope}\n{hashlib.sha256(utf8(canonical)).hexdigest()}"
    key = utf8("AWS4" + config["aws_secret_access_key"])
    for part in (day, region, service, "aws4_request"):
        key = hmac.new(key, utf8(part), "sha256").digest()
    signature = hmac.new(key, utf8(to_sign), "sha256").hexdigest()
    credential = f"{config['aws_access_key']}/{scope}"
    authorization = f"AWS4-HMAC-SHA256 Credential={credential},SignedHeaders={names},Signature={signature}"
    return {"Authorization": authorization, **added}


BUILTINS: Final = pure({_NAME: sign_request})
