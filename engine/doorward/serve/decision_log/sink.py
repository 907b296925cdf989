"""Where copies of the log go: the one interface of sinks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

__all__ = ["LinesRefused", "Sink", "SinkUnavailable"]


class SinkUnavailable(Exception):
    """Nothing was taken, and the same may be sent again later. The message never holds anything of a line."""


class LinesRefused(Exception):
    """Something in these lines is such that they will never be taken. The message never holds anything of a line."""


class Sink(Protocol):
    """Takes lines of the log, in their order. Lines may come twice, when it is not known whether they were taken."""

    def send(self, lines: Sequence[bytes]) -> int:
        """Returns when the lines are where they are to be: how many of them will never be taken, where that is known.

        Raises SinkUnavailable, LinesRefused.
        """

    def close(self) -> None:
        """Let go of what is held. Never raises."""
