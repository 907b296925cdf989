"""URIs taken apart as Go's `net/url` does, with its idea of what is well-formed."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import quote, unquote_to_bytes

from doorward.run.errors import BuiltinError
from doorward.run.values import Value

from .builtin import pure
from .operands import string, text, utf8
from .terms import quoted

__all__ = ["BUILTINS"]

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):", re.ASCII)
_BAD_ESCAPE: Final = re.compile(r"%(?![0-9A-Fa-f]{2}).{0,2}", re.DOTALL)
_USER: Final = re.compile(r"[A-Za-z0-9\-._:~!$&'()*+,;=%@]*", re.ASCII)
_HOST: Final = re.compile(
    r"(?:[A-Za-z0-9\-._~!$&'()*+,;=:\[\]<>\"]|[^\x00-\x7f]|%[89A-Fa-f][0-9A-Fa-f]|%25)*"
)
# what Go leaves as it is when it writes a path
_PATH_SAFE: Final = "$&+,/:;=@"


class _Malformed(ValueError):
    """The text is not a URI."""


def _split(raw: str) -> dict[str, str]:
    """The components of a URI that are not empty; raises `_Malformed`."""
    rest, _, fragment = raw.partition("#")
    if _CONTROL.search(rest):
        raise _Malformed("net/url: invalid control character in URL")
    found: dict[str, str] = {}
    if rest.startswith(":"):
        raise _Malformed("missing protocol scheme")
    match = _SCHEME.match(rest)
    if match is not None:
        found["scheme"] = match[1].lower()
        rest = rest[match.end() :]
    rest, _, query = rest.partition("?")
    opaque = False
    if not rest.startswith("/"):
        opaque = "scheme" in found
        if not opaque and ":" in rest.partition("/")[0]:
            raise _Malformed("first path segment in URL cannot contain colon")
    if not opaque:
        if rest.startswith("//") and ("scheme" in found or not rest.startswith("///")):
            authority, slash, path = rest[2:].partition("/")
            rest = slash + path
            found.update(_authority(authority))
        found.update(_path(rest))
    found["raw_query"] = query
    found["fragment"] = _unescaped(fragment)
    return {name: value for name, value in found.items() if value}


def _authority(authority: str) -> dict[str, str]:
    user, at, host = authority.rpartition("@")
    if at:
        if _USER.fullmatch(user) is None:
            raise _Malformed("net/url: invalid userinfo")
        _unescaped(user)
    if host.startswith("["):
        inside, bracket, port = host[1:].rpartition("]")
        if not bracket:
            raise _Malformed("missing ']' in host")
        return {"hostname": _unescaped_host(inside.replace("%25", "%", 1), host), "port": _port(port)}
    name, colon, digits = host.partition(":")
    return {"hostname": _unescaped_host(name, host), "port": _port(colon + digits)}


def _port(text: str) -> str:
    if text and re.fullmatch(r":[0-9]*", text, re.ASCII) is None:
        raise _Malformed(f"invalid port {quoted(text)} after host")
    return text[1:]


def _unescaped_host(host: str, whole: str) -> str:
    allowed = _HOST.match(whole)
    end = allowed.end() if allowed else 0
    if end < len(whole):
        if whole[end] == "%":
            raise _Malformed(f"invalid URL escape {quoted(whole[end : end + 3])}")
        raise _Malformed(f"invalid character {quoted(whole[end])} in host name")
    return _unescaped(host) if "[" not in whole else host


def _path(path: str) -> dict[str, str]:
    plain = _unescaped(path)
    usual = quote(utf8(plain), safe=_PATH_SAFE)
    if path == usual:
        return {"path": plain, "raw_path": plain}
    return {"path": plain, "raw_path": path}


def _unescaped(value: str) -> str:
    wrong = _BAD_ESCAPE.search(value)
    if wrong is not None:
        raise _Malformed(f"invalid URL escape {quoted(wrong.group())}")
    return text(unquote_to_bytes(utf8(value)))


def parse(value: Value) -> Value:
    raw = string("uri.parse", 1, value)
    try:
        return _split(raw)
    except _Malformed as problem:
        raise BuiltinError(f"uri.parse: parse {quoted(raw)}: {problem}") from None


def is_valid(value: Value) -> bool:
    if type(value) is not str or not value:
        return False
    try:
        _split(value)
    except _Malformed:
        return False
    return True


BUILTINS: Final = pure({"uri.parse": parse, "uri.is_valid": is_valid})
