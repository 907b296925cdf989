"""How generated code refers to what it is linked with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from doorward.compile.outline import Table

__all__ = ["Names"]


class Names(Protocol):
    """Gives names to what generated code refers to."""

    def constant(self, value: object) -> str:
        """The name of a constant object."""

    def unit(self, number: int) -> str:
        """The name of the function of a unit."""

    def builtin(self, name: str) -> tuple[str, bool]:
        """The name of a built-in, and whether it takes the context."""

    def overlay(self, path: tuple[str, ...]) -> str:
        """The name of the units at and below a path, each with its path from there."""

    def table(self, table: Table, functions: Mapping[int, str]) -> str:
        """The name of a table of functions that are known by their names."""

    def place(self, path: tuple[str, ...]) -> str:
        """The name of a place of the tree of documents."""
