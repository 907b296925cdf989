"""How generated code refers to what it is linked with."""

from __future__ import annotations

from typing import Protocol

__all__ = ["Names"]


class Names(Protocol):
    """Gives names to what generated code refers to."""

    def constant(self, value: object) -> str:
        """The name of a constant object."""

    def unit(self, number: int) -> str:
        """The name of the function of a unit."""

    def builtin(self, name: str) -> tuple[str, bool]:
        """The name of a built-in, and whether it takes the context."""

    def place(self, path: tuple[str, ...]) -> str:
        """The name of a place of the tree of documents."""
