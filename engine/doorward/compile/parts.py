"""Generated code by itself: what one unit, statement or group of statements becomes, before it is linked with others.

A part names whatever else it needs. What such a name stands for is settled anew in every revision, so that a part
outlives changes elsewhere.
"""

from __future__ import annotations

import ast
import linecache
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import CodeType
from typing import Any

from doorward.compile.outline import Table
from doorward.compile.planner import Numbers
from doorward.run.builtins import BUILTINS
from doorward.run.errors import BuiltinError
from doorward.run.values import Value
from doorward_dsl.source import Source

__all__ = ["Part", "PartWriter"]


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """Functions, and what the names in them stand for."""

    functions: tuple[tuple[str, CodeType], ...]
    constants: Mapping[str, object]
    """Of names that no other part has."""
    builtins: Mapping[str, object]
    tables: tuple[tuple[str, Table, Mapping[int, str]], ...]
    """Names of tables, and the names of the functions at their positions."""
    rows: tuple[tuple[str, tuple[str, ...]], ...]
    """Names of tuples of functions, and the names of those."""
    places: tuple[tuple[str, tuple[str, ...]], ...]
    """Names of places in the tree of documents, and their paths."""
    overlays: tuple[tuple[str, tuple[str, ...]], ...]
    """Names for the units at and below paths that a `with` replaces."""
    trees: tuple[ast.stmt, ...]
    """The functions as syntax, where they are kept for people to read."""

    @property
    def is_open(self) -> bool:
        """Whether some of its names stand for what others have."""
        return bool(self.tables or self.rows or self.places or self.overlays)


class PartWriter:
    """A part in the making. Its own names start with `prefix`."""

    def __init__(self, prefix: str, numbers: Numbers, *, keep: bool = False) -> None:
        self._prefix = prefix
        self._numbers = numbers
        self._keep = keep
        self._functions: list[tuple[str, CodeType]] = []
        self._constants: dict[str, object] = {}
        self._names: dict[int, str] = {}
        self._builtins: dict[str, object] = {}
        self._tables: list[tuple[str, Table, Mapping[int, str]]] = []
        self._rows: list[tuple[str, tuple[str, ...]]] = []
        self._places: dict[tuple[str, ...], str] = {}
        self._overlays: dict[tuple[str, ...], str] = {}
        self._trees: list[ast.stmt] = []

    def constant(self, value: object) -> str:
        """The name of a constant object."""
        name = self._names.get(id(value))
        if name is None:
            name = self._names[id(value)] = f"{self._prefix}k{len(self._constants)}"
            self._constants[name] = value
        return name

    def unit(self, number: int) -> str:
        """The name of the function of a unit."""
        return self._numbers.names[number]

    def builtin(self, name: str) -> tuple[str, bool]:
        """The name of a built-in, and whether it takes the context."""
        builtin = BUILTINS.get(name)
        if builtin is None:
            return self.constant(_missing(name)), False
        known = f"f_{name.replace('.', '_')}"
        self._builtins[known] = builtin.call
        return known, builtin.needs_call

    def place(self, path: tuple[str, ...]) -> str:
        """The name of a place of the tree of documents."""
        return self._places.setdefault(path, f"{self._prefix}p{len(self._places)}")

    def overlay(self, path: tuple[str, ...]) -> str:
        """The name of the units at and below a path, each with its path from there."""
        return self._overlays.setdefault(path, f"{self._prefix}o{len(self._overlays)}")

    def table(self, table: Table, functions: Mapping[int, str]) -> str:
        """The name of a table of functions that are known by their names."""
        name = f"{self._prefix}t{len(self._tables)}"
        self._tables.append((name, table, functions))
        return name

    def row(self, functions: Iterable[str]) -> str:
        """The name of a tuple of functions that are known by their names."""
        name = f"{self._prefix}f{len(self._rows)}"
        self._rows.append((name, tuple(functions)))
        return name

    def load(self, function: ast.stmt, source: Source) -> str:
        """Compile a function so that tracebacks and debuggers show the policy; its name."""
        if source.name not in linecache.cache or linecache.cache[source.name][0] != len(source.text):
            lines = source.text.splitlines(keepends=True)
            linecache.cache[source.name] = (len(source.text), None, lines, source.name)
        if not isinstance(function, ast.FunctionDef):
            raise AssertionError("not a function")
        if self._keep:
            self._trees.append(function)
        module = compile(ast.Module([function], []), source.name, "exec", dont_inherit=True)
        code = next(one for one in module.co_consts if isinstance(one, CodeType))
        self._functions.append((function.name, code))
        return function.name

    def done(self) -> Part:
        """The part."""
        return Part(
            tuple(self._functions),
            self._constants,
            self._builtins,
            tuple(self._tables),
            tuple(self._rows),
            tuple((name, path) for path, name in self._places.items()),
            tuple((name, path) for path, name in self._overlays.items()),
            tuple(self._trees),
        )


def _missing(name: str) -> Any:
    def missing(*args: Value) -> Value:
        raise BuiltinError(f"`{name}` is not available here")

    return missing
