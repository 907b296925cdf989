"""Digests and message authentication codes."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from typing import Final

from doorward.run.values import Value

from .builtin import pure
from .operands import string, utf8

__all__ = ["BUILTINS"]


def _digest(name: str, algorithm: str) -> Callable[[Value], Value]:
    def digest(value: Value) -> str:
        return hashlib.new(algorithm, utf8(string(name, 1, value)), usedforsecurity=False).hexdigest()

    return digest


def _mac(name: str, algorithm: str) -> Callable[[Value, Value], Value]:
    def mac(message: Value, key: Value) -> str:
        data = utf8(string(name, 1, message))
        return hmac.new(utf8(string(name, 2, key)), data, algorithm).hexdigest()

    return mac


def hmac_equal(left: Value, right: Value) -> bool:
    first = utf8(string("crypto.hmac.equal", 1, left))
    return hmac.compare_digest(first, utf8(string("crypto.hmac.equal", 2, right)))


BUILTINS: Final = pure(
    {
        **{f"crypto.{one}": _digest(f"crypto.{one}", one) for one in ("md5", "sha1", "sha256")},
        **{
            f"crypto.hmac.{one}": _mac(f"crypto.hmac.{one}", one)
            for one in ("md5", "sha1", "sha256", "sha512")
        },
        "crypto.hmac.equal": hmac_equal,
    }
)
