"""What the `with` modifiers of a line replace, and the types that it may have there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from doorward_dsl.check.tree import Constant, constant
from doorward_dsl.syntax import Term
from doorward_dsl.types import ANY, FunctionType, Type

__all__ = ["Path", "Replaced", "leading_constants"]

Path: TypeAlias = tuple[Constant, ...]
"""Of a document or function below `data`."""


@dataclass(frozen=True, slots=True)
class Replaced:
    """Types by path. What is found elsewhere below `data` may follow from it, and be anything."""

    types: Mapping[Path, Type] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.types)

    def also(self, more: Iterable[tuple[Path, Type]]) -> Replaced:
        """With what the modifiers of a line further in replace."""
        added = dict(more)
        return Replaced({**self.types, **added}) if added else self

    def function(self, name: tuple[str, ...]) -> FunctionType | None:
        """The type of a function by its name after `data`; None where nothing is known of it."""
        kind = self.types.get(tuple([("str", part) for part in name]))
        return kind if isinstance(kind, FunctionType) else None

    def reached(self, path: tuple[Term, ...]) -> tuple[Type, int]:
        """The type at the start of a path that is replaced, and how long that start is."""
        constants = leading_constants(path)
        for length in range(len(constants), 0, -1):
            kind = self.types.get(constants[:length])
            if kind is not None:
                return kind, length
        return ANY, 0


def leading_constants(path: tuple[Term, ...]) -> Path:
    """What a path starts with that is constant."""
    found: list[Constant] = []
    for part in path:
        key = constant(part)
        if key is None:
            break
        found.append(key)
    return tuple(found)
