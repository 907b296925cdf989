"""From a request as it stood on the wire to the facts that policies see."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from doorward.facts.http.body import body_bytes, read_body
from doorward.facts.http.target import read_target
from doorward.facts.reading import Opaque, Reading

__all__ = ["analyse", "read_request"]

_TOKEN: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE"})
_ONCE: Final = frozenset({"host", "content-length", "content-type", "transfer-encoding", "authorization"})
"""Headers of which servers pick a first or a last value, each its own."""

_OVERRIDES: Final = frozenset(
    {"x-http-method-override", "x-http-method", "x-method-override", "x-original-url", "x-rewrite-url"}
)
"""Headers by which some servers take another method or path than the request line's."""

_MAX_HEADERS: Final = 500


def analyse(request: Mapping[str, Any]) -> Reading:
    """The `http` facts of an `HttpRequest` as plain values."""
    try:
        return Reading({"http": read_request(request)})
    except Opaque as why:
        return Reading({}, str(why))


def read_request(request: Mapping[str, Any]) -> dict[str, Any]:
    """`HttpFacts` as plain values. Raises Opaque."""
    method = request["method"]
    if _TOKEN.fullmatch(method) is None:
        raise Opaque("the method is not a word")
    if method not in _METHODS and method.upper() in _METHODS:
        raise Opaque(f"the method `{method}` is not in capitals, which some servers mind and others do not")
    if method == "CONNECT":
        raise Opaque("a tunnel says nothing of what goes through it")
    target = read_target(request["target"])
    headers = _headers(request["headers"])
    content_type, charset = _media_type(headers.get("content-type", ""))
    content = body_bytes(request["body"], request["body_base64"])
    return {
        "method": method,
        "scheme": target.scheme,
        "host": target.host or headers.get("host", "").lower(),
        "path": target.path,
        "segments": target.segments,
        "query": target.query,
        "headers": headers,
        "content_type": content_type,
        "body": read_body(content, content_type, charset),
        "body_bytes": len(content),
    }


def _media_type(header: str) -> tuple[str, str]:
    """The media type and its charset, in lower case. Raises Opaque."""
    media, *parameters = (part.strip().lower() for part in header.split(";"))
    charsets = {part.partition("=")[2].strip('"') for part in parameters if part.startswith("charset")}
    if len(charsets) > 1:
        raise Opaque("the content type names several charsets")
    return media, "".join(charsets)


def _headers(given: Mapping[str, list[str]]) -> dict[str, str]:
    if len(given) > _MAX_HEADERS:
        raise Opaque(f"there are more than {_MAX_HEADERS} headers")
    found: dict[str, str] = {}
    for written, values in given.items():
        name = written.lower()
        if _TOKEN.fullmatch(name) is None:
            raise Opaque(f"`{written[:100]}` is no name of a header")
        if name in found or (name in _ONCE and len(values) > 1):
            raise Opaque(f"the header `{name}` is sent twice")
        if name in _OVERRIDES:
            raise Opaque(f"the header `{name}` asks for something else than the request line")
        if any("\r" in value or "\n" in value or "\0" in value for value in values):
            raise Opaque(f"the header `{name}` holds a line end")
        found[name] = ", ".join(value.strip() for value in values)
    return found
