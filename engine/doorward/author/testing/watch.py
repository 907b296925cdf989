"""Looking on while tests run, as coverage does."""

from __future__ import annotations

from typing import Any, Protocol

from doorward.compile import Replacements
from doorward_dsl.program import Path

__all__ = ["Watch"]


class Watch(Protocol):
    """Hears of everything that tests ask of the policies."""

    def decided(self, kind: str, document: dict[str, Any], now_ns: int, replacements: Replacements) -> None:
        """A request was decided."""

    def queried(self, path: Path, now_ns: int) -> None:
        """The document at a path below `data` was asked for."""
