"""Time, as the gateway keeps it: nanoseconds since 1970 in UTC inside, RFC 3339 outside.

The clock is a callable handed to whoever needs it, so that a test can turn it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache

__all__ = ["Clock", "rfc3339", "system_clock"]

Clock = Callable[[], int]
"""Returns the time in nanoseconds since 1970-01-01 UTC."""

system_clock: Clock = time.time_ns

_SECOND = 1_000_000_000


def rfc3339(ns: int) -> str:
    """`2026-11-20T15:54:41.123456789Z` for nanoseconds since 1970; nine digits: text sorts as time."""
    seconds, fraction = divmod(ns, _SECOND)
    return f"{_second(seconds)}.{fraction:09d}Z"


@lru_cache(16)
def _second(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}"
