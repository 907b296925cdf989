"""What is said when the service has started, and when it cannot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Ready", "ServeError"]


class ServeError(Exception):
    """The service cannot start, or cannot go on; the message is one sentence."""


@dataclass(frozen=True, slots=True)
class Ready:
    """Calls are taken: where, and what decides."""

    listen: Sequence[str]
    http: Sequence[str]
    metrics: Sequence[str]
    revision: str
    modules: int
    statements: int
