"""How long to wait before another host is asked again."""

from __future__ import annotations

import random
from typing import Final

__all__ = ["Pace"]

_FIRST: Final = 1.0
"""Seconds, at most, after a first failure."""


class Pace:
    """Delays that spread the questions of many services over time.

    After an answer, anything between `least` and `most` seconds. After failures, something up to a bound that doubles
    with each, from one second to `most`: a source that is back is soon asked, one that stays away not more often than
    usual.
    """

    def __init__(self, least: float, most: float) -> None:
        self._least = least
        self._most = most
        self._failures = 0

    def answered(self) -> None:
        """The source has answered."""
        self._failures = 0

    def failed(self) -> None:
        """The source has not answered, or nothing of use."""
        self._failures += 1

    def delay(self) -> float:
        """Seconds until the next question."""
        if not self._failures:
            return random.uniform(self._least, self._most)  # noqa: S311 - to spread load, not to keep a secret
        bound = min(self._most, _FIRST * 2 ** min(self._failures - 1, 30))
        return random.uniform(bound / 2, bound)  # noqa: S311 - as above
