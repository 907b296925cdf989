"""Request targets: the path and the query, where no two servers may disagree about what they are.

A path that some servers would normalise and others not (`/a/../b`, `//`, `%2f`, `\\`, `;`) is an old way past rules
that look at paths. None of these is needed to ask for anything; so none is guessed at: such a target is opaque.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import unquote_to_bytes, urlsplit

from doorward.facts.reading import Opaque

__all__ = ["Target", "read_target"]

_MAX_TARGET: Final = 64 * 1024
_MAX_PARAMETERS: Final = 1000
_ALLOWED: Final = re.compile(r"[A-Za-z0-9\-._~!$&'()*+,;=:@/?%\[\]]+")
"""What may stand in a target. A server that takes more is one that guesses."""

_BAD_ESCAPE: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
_ESCAPE: Final = re.compile(r"%[0-9A-Fa-f]{2}")


class Target:
    """A request target in its parts, decoded."""

    __slots__ = ("host", "path", "query", "scheme", "segments")

    def __init__(self, scheme: str, host: str, path: str, query: dict[str, list[str]]) -> None:
        self.scheme = scheme
        self.host = host
        self.path = path
        self.query = query
        self.segments = [part for part in path.split("/") if part] if path != "*" else []


def read_target(target: str) -> Target:
    """The parts of a target in origin or absolute form, or `*`. Raises Opaque."""
    if len(target) > _MAX_TARGET:
        raise Opaque(f"the target is longer than {_MAX_TARGET} characters")
    if target == "*":
        return Target("", "", "*", {})
    if not target or _ALLOWED.fullmatch(target) is None:
        raise Opaque("the target holds what no target may hold")
    scheme = host = ""
    if not target.startswith("/"):
        split = urlsplit(target)
        if split.scheme not in ("http", "https") or not split.netloc or "@" in split.netloc:
            raise Opaque("the target is neither a path nor an address")
        scheme, host = split.scheme, split.netloc.lower()
        target = target[len(scheme) + 3 + len(split.netloc) :] or "/"
    path, _, query = target.partition("?")
    return Target(scheme, host, _path(path), _query(query))


def _path(path: str) -> str:
    if ";" in path:
        raise Opaque("the path holds `;`, which some servers cut off")
    decoded = _decoded(path, "path")
    for part in path.split("/")[1:]:
        plain = _decoded(part, "path")
        if "/" in plain or "\\" in plain:
            raise Opaque("the path holds a slash in disguise")
        if plain in (".", ".."):
            raise Opaque("the path goes up or stays, which some servers resolve and others do not")
    if "//" in path:
        raise Opaque("the path holds `//`, which some servers take for one slash")
    return decoded


def _query(query: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    pairs = [pair for pair in query.split("&") if pair]
    if len(pairs) > _MAX_PARAMETERS:
        raise Opaque(f"the query has more than {_MAX_PARAMETERS} parameters")
    for pair in pairs:
        name, _, value = pair.replace("+", " ").partition("=")
        found.setdefault(_decoded(name, "query"), []).append(_decoded(value, "query", twice=True))
    return found


def _decoded(text: str, part: str, *, twice: bool = False) -> str:
    if "%" not in text:
        return text
    if _BAD_ESCAPE.search(text) is not None:
        raise Opaque(f"the {part} holds `%` without two hexadecimal digits")
    try:
        plain = unquote_to_bytes(text).decode()
    except UnicodeDecodeError:
        raise Opaque(f"the {part} is not UTF-8 when decoded") from None
    if any(character < " " or character == "\x7f" for character in plain):
        raise Opaque(f"the {part} holds a control character")
    if not twice and _ESCAPE.search(plain) is not None:
        raise Opaque(f"the {part} is encoded twice")
    return plain
