"""JSON of whatever a request may hold."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final

import orjson

__all__ = ["encode", "rfc3339"]

_LARGEST: Final = 1 << 63


def encode(value: Any) -> bytes:
    """UTF-8 JSON on one line, numbers as exact as they are. Never fails on what JSON or an engine can hold."""
    try:
        return orjson.dumps(value, _exact)
    except TypeError:  # an integer of more than 64 bits, half a surrogate pair
        return orjson.dumps(_plain(value), _exact)


def _exact(value: Any) -> Any:
    if isinstance(value, Decimal):
        return orjson.Fragment(str(value))
    if isinstance(value, set | frozenset):
        return list(value)
    return str(value)


def _plain(value: Any) -> Any:
    if type(value) is str:
        return value.encode("utf-8", "replace").decode()
    if type(value) is int and not -_LARGEST <= value < _LARGEST:
        return orjson.Fragment(str(value))
    if type(value) is dict:
        return {_plain(name): _plain(member) for name, member in value.items()}
    if type(value) in (list, tuple):
        return [_plain(item) for item in value]
    return value


def rfc3339(now_ns: int) -> str:
    """The text of an instant in nanoseconds since 1970: in UTC, nine digits of a second."""
    second, fraction = divmod(now_ns, 1_000_000_000)
    return f"{_second(second)}.{fraction:09d}Z"


@lru_cache(4)
def _second(second: int) -> str:
    return f"{datetime.fromtimestamp(second, UTC):%Y-%m-%dT%H:%M:%S}"
