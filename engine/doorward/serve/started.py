"""What is said when the service has started, and when it cannot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Ready", "ServeError"]


class ServeError(Exception):
    """The service cannot start, or cannot go on; the message is one sentence.

    `status` is that of a worker process which has ended instead, and said why; 0 where none has.
    """

    def __init__(self, message: str, *, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class Ready:
    """Calls are taken: where, and what decides."""

    listen: Sequence[str]
    http: Sequence[str]
    metrics: Sequence[str]
    revision: str
    modules: int
    statements: int
