"""Binary values of the common types as the text the server would write; for the record, for policies and for
maskers.
"""

from __future__ import annotations

import hashlib
import math
import struct
import uuid
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Final

__all__ = ["TEXT", "TEXT_FAMILY", "abridged", "readable", "text_of_binary"]

TEXT: Final = 25
"""The OID of the type `text`."""

TEXT_FAMILY: Final = frozenset((19, TEXT, 705, 1042, 1043))
"""Types whose binary form is their text and for which any text is a value: name, text, unknown, bpchar,
varchar.
"""

_EPOCH: Final = date(2000, 1, 1)
_EPOCH_TIME: Final = datetime(2000, 1, 1, tzinfo=UTC)


def text_of_binary(type_oid: int, value: bytes) -> str | None:
    """The text of a binary value; `None` if the type is not known here or the bytes do not fit it."""
    read = _READERS.get(type_oid)
    if read is None:
        return None
    try:
        return read(value)
    except (struct.error, ValueError, OverflowError):
        return None


def readable(type_oid: int, value: bytes | None, binary: bool) -> str | None:
    """A value for a record or a policy: its text, or `\\x…` where its type cannot be read; `None` for
    null.
    """
    if value is None:
        return None
    text = text_of_binary(type_oid, value) if binary else value.decode(errors="replace")
    return "\\x" + value.hex() if text is None else text


def abridged(text: str | None, limit: int) -> str | None:
    """The text, or where it is longer than `limit` its beginning with a digest of the whole, so that equal stays equal."""
    if text is None or len(text) <= limit:
        return text
    digest = hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()
    return f"{text[:256]}… ({len(text)} characters, sha256 {digest})"


def _integer(value: bytes) -> str:
    if len(value) not in (2, 4, 8):
        raise ValueError("not an integer")
    return str(int.from_bytes(value, "big", signed=True))


def _unsigned(value: bytes) -> str:
    return str(struct.unpack("!I", value)[0])


def _boolean(value: bytes) -> str:
    return "t" if struct.unpack("!?", value)[0] else "f"


def _real(value: bytes) -> str:
    (number,) = struct.unpack("!f", value)
    if not math.isfinite(number):
        return _unbounded(number)
    # The shortest text that reads back as the same 32-bit number, as the server writes it.
    return next(
        text for digits in range(6, 10) if struct.pack("!f", float(text := f"{number:.{digits}g}")) == value
    )


def _double(value: bytes) -> str:
    (number,) = struct.unpack("!d", value)
    return repr(number).removesuffix(".0") if math.isfinite(number) else _unbounded(number)


def _unbounded(number: float) -> str:
    if math.isnan(number):
        return "NaN"
    return "Infinity" if number > 0 else "-Infinity"


def _numeric(value: bytes) -> str:
    count, weight, sign, scale = struct.unpack_from("!HhHH", value)
    if sign == 0xC000:
        return "NaN"
    if sign in (0xD000, 0xF000):
        return "Infinity" if sign == 0xD000 else "-Infinity"
    digits = struct.unpack_from(f"!{count}H", value, 8)
    before = "".join(f"{digits[i] if i < count else 0:04}" for i in range(weight + 1)).lstrip("0") or "0"
    places = (scale + 3) // 4
    after = "".join(
        f"{digits[i] if 0 <= i < count else 0:04}" for i in range(weight + 1, weight + 1 + places)
    )[:scale]
    return ("-" if sign == 0x4000 else "") + before + ("." + after if scale else "")


def _date(value: bytes) -> str:
    (days,) = struct.unpack("!i", value)
    return (_EPOCH + timedelta(days=days)).isoformat()


def _timestamp(value: bytes) -> str:
    (microseconds,) = struct.unpack("!q", value)
    moment = _EPOCH_TIME + timedelta(microseconds=microseconds)
    return moment.replace(tzinfo=None).isoformat(" ")


def _timestamp_tz(value: bytes) -> str:
    return _timestamp(value) + "+00"


def _jsonb(value: bytes) -> str:
    if value[:1] != b"\x01":
        raise ValueError("unknown version of jsonb")
    return value[1:].decode()


def _plain(value: bytes) -> str:
    return value.decode()


_READERS: Final[dict[int, Callable[[bytes], str]]] = {
    **dict.fromkeys(TEXT_FAMILY, _plain),
    16: _boolean,
    17: lambda value: "\\x" + value.hex(),
    20: _integer,
    21: _integer,
    23: _integer,
    26: _unsigned,
    114: _plain,
    142: _plain,
    700: _real,
    701: _double,
    1082: _date,
    1114: _timestamp,
    1184: _timestamp_tz,
    1700: _numeric,
    2950: lambda value: str(uuid.UUID(bytes=value)),
    3802: _jsonb,
}
