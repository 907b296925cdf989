"""What each mask makes of one value. A masker takes a value's text as UTF-8 bytes (`None`: null) and gives
what stands instead; the key is the gateway's own, so that equal values stay equal and nobody can try values
out.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeAlias

from doorward_gateway.errors import StateUnavailable
from doorward_proto.v1 import decision_pb2 as pb

__all__ = ["REDACTED", "Masker", "load_key", "masker_of", "redact", "strength"]

Masker: TypeAlias = Callable[[bytes | None], bytes | None]

REDACTED: Final = b"[redacted]"
"""What stands for a value that is withheld, null or not."""

_KEY_BYTES: Final = 32
_HASH_DIGITS: Final = 32


def load_key(directory: Path) -> bytes:
    """The key for `hash` and `format_preserving`, made on first use; nodes that share the directory share
    the key.

    Raises `StateUnavailable`.
    """
    path = directory / "mask.key"
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        fresh = path.with_name(f".{path.name}.{os.getpid()}")
        if not path.exists():
            with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
                file.write(os.urandom(_KEY_BYTES))
                os.fsync(file.fileno())
            try:
                os.link(fresh, path)  # the first of several nodes wins, and none sees half a key
            except FileExistsError:
                pass
            finally:
                fresh.unlink()
        key = path.read_bytes()
    except OSError as error:
        raise StateUnavailable(f"cannot read or make the masking key `{path}`: {error}") from error
    if len(key) != _KEY_BYTES:
        raise StateUnavailable(f"the masking key `{path}` is not {_KEY_BYTES} bytes long")
    return key


def strength(mask: Any) -> tuple[int, int, str]:
    """Orders masks (`doorward.v1.Mask`) by how little they leave; the greatest applies. Unknown ones are
    `redact`.
    """
    method = _method(mask)
    keep = -mask.keep_last if method == pb.MASK_METHOD_PARTIAL else 0
    return method, keep, mask.replacement if method == pb.MASK_METHOD_REPLACE else ""


def masker_of(mask: Any, key: bytes) -> Masker:
    """The masker that a `doorward.v1.Mask` asks for."""
    method = _method(mask)
    if method == pb.MASK_METHOD_PARTIAL:
        return partial(int(mask.keep_last))
    if method == pb.MASK_METHOD_FORMAT_PRESERVING:
        return format_preserving(key)
    if method == pb.MASK_METHOD_HASH:
        return keyed_hash(key)
    if method == pb.MASK_METHOD_REPLACE:
        return constant(mask.replacement.replace("\0", "").encode())
    if method == pb.MASK_METHOD_NULL:
        return constant(None)
    return redact


def redact(value: bytes | None) -> bytes | None:
    """Withholds the value, and whether there was one."""
    return REDACTED


def constant(replacement: bytes | None) -> Masker:
    """Always the same, null or not."""
    return lambda value: replacement


def partial(keep_last: int) -> Masker:
    """Stars for all but the last `keep_last` characters; all stars if there are no more than those."""

    def mask(value: bytes | None) -> bytes | None:
        if value is None:
            return None
        text = value.decode(errors="replace")
        hidden = len(text) - keep_last if len(text) > keep_last else len(text)
        return ("*" * hidden + text[hidden:]).encode()

    return mask


def keyed_hash(key: bytes) -> Masker:
    """128 bits of HMAC-SHA256 in hexadecimal: equal for equal values, under this gateway's key."""

    def mask(value: bytes | None) -> bytes | None:
        if value is None:
            return None
        return hmac.digest(key, b"hash\0" + value, hashlib.sha256).hex()[:_HASH_DIGITS].encode()

    return mask


def format_preserving(key: bytes) -> Masker:
    """Another digit for every digit, another letter of the same case for every ASCII letter, `x` for a
    letter of any other script; the rest stays. Equal for equal values; not meant to be undone.
    """

    def mask(value: bytes | None) -> bytes | None:
        if value is None:
            return None
        text = value.decode(errors="replace")
        stream = _stream(hmac.digest(key, b"format\0" + value, hashlib.sha256), len(text))
        return "".join(map(_other, text, stream)).encode()

    return mask


def _other(character: str, number: int) -> str:
    if "0" <= character <= "9":
        return chr(0x30 + number % 10)
    if "a" <= character <= "z":
        return chr(0x61 + number % 26)
    if "A" <= character <= "Z":
        return chr(0x41 + number % 26)
    return "x" if character.isalnum() else character


def _stream(seed: bytes, length: int) -> memoryview:
    # Two bytes a character, so that no digit or letter is noticeably likelier than another.
    return memoryview(hashlib.shake_256(seed).digest(2 * length)).cast("H")


def _method(mask: Any) -> int:
    return mask.method if mask.method in _KNOWN else pb.MASK_METHOD_REDACT


_KNOWN: Final = frozenset(range(pb.MASK_METHOD_PARTIAL, pb.MASK_METHOD_REDACT + 1))
