"""What an expression is evaluated in: a world of input, data and functions, of which `with` makes another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from doorward.run.context import CallContext
from doorward.run.values import Value, key
from doorward_dsl.program import Path

__all__ = ["Constant", "Named", "Replacement", "World", "put_at"]


@dataclass(frozen=True, slots=True)
class Constant:
    """A value in the place of a function: what every call of it gives."""

    value: Value


@dataclass(frozen=True, slots=True)
class Named:
    """A function in the place of another, by the parts of its name."""

    name: tuple[str, ...]


Replacement: TypeAlias = Constant | Named


@dataclass(frozen=True, slots=True)
class World:
    """`data` are the base documents; `replaced` are the places where they stand in for rules."""

    call: CallContext
    input: Value
    data: Value
    replaced: tuple[Path, ...] = ()
    functions: Mapping[tuple[str, ...], Replacement] = field(default_factory=dict)
    """What stands in for functions, by the parts of their names."""
    known: dict[Any, Value] = field(default_factory=dict)
    """The documents that have been worked out in this world."""

    def with_input(self, path: Path, value: Value) -> World:
        """The world with another input, or another part of it."""
        return replace(self, input=put_at(self.input, path, value), known={})

    def with_data(self, path: Path, value: Value) -> World:
        """The world with a value in the place of whatever stands at and below a path of `data`."""
        data = put_at(self.data, path, value)
        return replace(self, data=data, replaced=(*self.replaced, path), known={})

    def with_function(self, name: tuple[str, ...], replacement: Replacement) -> World:
        """The world with another function under a name."""
        return replace(self, functions={**self.functions, name: replacement}, known={})

    def with_real_functions(self) -> World:
        """The world as a function sees it that stands in for another: all functions are themselves."""
        return replace(self, functions={}, known={})

    def is_replaced(self, path: Path) -> bool:
        """Whether a value stands in for the rules at a path."""
        return any(path[: len(place)] == place for place in self.replaced)


def put_at(document: Value, path: Path, value: Value) -> Value:
    """A copy of a document with a value at a path. What is no object there becomes one."""
    if not path:
        return value
    changed = dict(document) if isinstance(document, dict) else {}
    form = key(path[0])
    changed[form] = put_at(changed.get(form), path[1:], value)
    return changed
