"""Durations, sizes and addresses as people write them in a configuration."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer

__all__ = ["Address", "Bytes", "HostPort", "Milliseconds", "parse_duration"]

_DURATION = re.compile(r"(\d{1,9})(ms|s|m|h|d)")
_FACTORS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_SIZE = re.compile(r"(\d{1,12})\s?(B|KiB|MiB|GiB)?")
_UNITS = {None: 1, "B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
_ADDRESS = re.compile(r"(?:\[([0-9A-Fa-f:.%a-z]+)\]|([A-Za-z0-9._-]+|\*)):(\d{1,5})")


def parse_duration(value: Any) -> int:
    """`500ms`, `60s`, `15m`, `8h`, `7d` as milliseconds; raises `ValueError`."""
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError("expected a duration such as `500ms`, `60s`, `15m`, `8h` or `7d`")
    return int(match[1]) * _FACTORS[match[2]]


def _parse_size(value: Any) -> int:
    match = (
        _SIZE.fullmatch(str(value)) if isinstance(value, str | int) and not isinstance(value, bool) else None
    )
    if match is None:
        raise ValueError("expected a size in bytes, or such as `64KiB` or `64MiB`")
    return int(match[1]) * _UNITS[match[2]]


@dataclass(frozen=True, slots=True)
class HostPort:
    """Where something listens. Port 0 lets the system choose."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach it."""
        return self.host in ("localhost", "::1") or self.host.startswith("127.")


def _parse_address(value: Any) -> HostPort:
    if isinstance(value, HostPort):
        return value
    match = _ADDRESS.fullmatch(value) if isinstance(value, str) else None
    if match is None or int(match[3]) > 65_535:
        raise ValueError("expected `host:port` such as `127.0.0.1:6432` or `[::1]:6432`")
    return HostPort(match[1] or match[2], int(match[3]))


Milliseconds = Annotated[int, BeforeValidator(parse_duration)]
"""A duration in milliseconds, written `60s`."""

Bytes = Annotated[int, BeforeValidator(_parse_size)]
"""A size in bytes, written `64MiB`."""

Address = Annotated[HostPort, BeforeValidator(_parse_address), PlainSerializer(str)]
"""A `HostPort`, written `127.0.0.1:6432`."""
