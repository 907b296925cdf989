"""`http.send`: requests to elsewhere, for policies that were granted the host.

An evaluation asks the same thing once. What `cache` and `force_cache` would keep between evaluations is not kept:
a decision must not depend on the ones before it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, Final

from doorward.run.errors import BuiltinError, EvaluationError, TypeMismatchError
from doorward.run.values import Value

from .builtin import BuiltinCall
from .effectful import effectful, permit_host
from .http_exchange import Answer, NetworkError, exchanged
from .json_text import json_value, parse_json
from .operands import mapping, operand_error, text
from .terms import term_text
from .yaml_text import unmarshal as yaml_unmarshal

__all__ = ["BUILTINS", "checked_request"]

_NAME: Final = "http.send"
_REQUIRED: Final = frozenset({"method", "url"})
_SWITCHES: Final = frozenset(
    {
        *("cache", "enable_redirect", "force_cache", "force_json_decode", "force_yaml_decode", "raise_error"),
        *("tls_insecure_skip_verify", "tls_use_system_certs"),
    }
)
_ALLOWED: Final = (
    _REQUIRED
    | _SWITCHES
    | {
        *("body", "cache_ignored_headers", "caching_mode", "force_cache_duration_seconds", "headers"),
        *("max_retry_attempts", "raw_body", "timeout", "tls_server_name"),
        *("tls_ca_cert", "tls_ca_cert_env_variable", "tls_ca_cert_file"),
        *("tls_client_cert", "tls_client_cert_env_variable", "tls_client_cert_file"),
        *("tls_client_key", "tls_client_key_env_variable", "tls_client_key_file"),
    }
)
_YAML: Final = frozenset({"application/yaml", "application/x-yaml"})


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
    try:
        given = checked_request(_NAME, request)
        _check_options(given)
        answer = exchanged(given, partial(permit_host, call, _NAME))
        return _response(answer, given)
    except NetworkError as error:
        return _failed(request, BuiltinError(f"{_NAME}: {error}"), "eval_http_send_network_error", str(error))
    except (BuiltinError, TypeMismatchError) as error:
        return _failed(request, error, "eval_http_send_internal_error", error.message)


def _failed(request: Value, error: EvaluationError, code: str, message: str) -> Value:
    """The answer where the policy asked for one instead of an error."""
    if type(request) is dict and request.get("raise_error") is False:
        return {"status_code": 0, "error": {"code": code, "message": message}}
    raise error


def _check_options(given: dict[Any, Value]) -> None:
    for name in _SWITCHES & given.keys():
        if type(given[name]) is not bool:
            raise BuiltinError(f"{_NAME}: `{name}` must be true or false")
    if given.get("force_cache") is True and "force_cache_duration_seconds" not in given:
        raise BuiltinError(
            f"{_NAME}: 'force_cache' set but 'force_cache_duration_seconds' parameter is missing"
        )
    mode = given.get("caching_mode", "serialized")
    if (given.get("cache") or given.get("force_cache")) and mode not in ("serialized", "deserialized"):
        raise BuiltinError(f"{_NAME}: invalid value specified for caching_mode: {term_text(mode)}")


def _response(answer: Answer, given: dict[Any, Value]) -> Value:
    raw = text(answer.body)
    return {
        "status": answer.status,
        "status_code": answer.status_code,
        "body": _decoded(raw, answer.headers, given),
        "raw_body": raw,
        "headers": answer.headers,
    }


def _decoded(raw: str, headers: dict[str, Value], given: dict[Any, Value]) -> Value:
    """The body as a value, or null where it is not one that the policy asked for."""
    kind = headers.get("content-type", [""])[0].partition(";")[0].strip().lower()
    try:
        if given.get("force_json_decode") is True or "json" in kind:
            return json_value(parse_json(raw))
        if given.get("force_yaml_decode") is True or kind in _YAML:
            return yaml_unmarshal(raw)
    except (ValueError, EvaluationError):
        return None
    return None


def _place(args: Sequence[Value]) -> list[Value]:
    """What may be recorded of a request: headers and bodies carry secrets."""
    request = args[0] if type(args[0]) is dict else {}
    return [{name: request[name] for name in ("method", "url") if name in request}]


BUILTINS: Final = {_NAME: effectful(_NAME, send, shown=_place)}
