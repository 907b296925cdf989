"""What a body may refer to beyond itself."""

from __future__ import annotations

from typing import Any, Protocol

from doorward.compile.plan import Const, Overlay
from doorward.compile.tree import Document, Node

__all__ = ["Globals"]


class Globals(Protocol):
    """What a body may refer to beyond itself."""

    @property
    def tree(self) -> Node:
        """All documents and functions."""

    @property
    def indexed(self) -> bool:
        """Whether bodies may be skipped by look-ups."""

    def unit_of(self, document: Document, prefix: tuple[Any, ...]) -> int:
        """The number of the unit that holds what the document has at and below a constant path into it."""

    def plan_below(self, node: Node) -> None:
        """Ask for every document at and below a place of the tree, which running may reach."""

    def constant_of(self, document: Document) -> Const | None:
        """The value of a document that is the same in every evaluation."""

    def alias_of(self, document: Document) -> tuple[str, ...] | None:
        """The place of the input that a document is another name for."""

    def is_always_a_set(self, document: Document) -> bool:
        """Whether nothing stands in for a document of members that could be anything else."""

    def builtin_arity(self, name: str) -> int | None:
        """How many arguments a built-in takes; None when there is none of that name, -1 when it varies."""

    def is_relation(self, name: str) -> bool:
        """Whether the built-in has many outputs for one input."""

    def is_mocked(self, name: str) -> bool:
        """Whether some `with` of the program replaces the function."""

    def overlay(self, path: tuple[str, ...]) -> Overlay:
        """The documents at and below a path that a `with` replaces."""
