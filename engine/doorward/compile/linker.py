"""Names for what generated code refers to, and code objects from generated code."""

from __future__ import annotations

import ast
import linecache
import re
from collections.abc import Iterable
from typing import Any, Final

from doorward.compile.outline import Unit
from doorward.compile.tree import Node
from doorward.run import access, documents, lookup, mocks
from doorward.run.builtins import BUILTINS
from doorward.run.documents import Place
from doorward.run.errors import BuiltinError, TypeMismatchError
from doorward.run.values import UNDEFINED, Key, Value, compare, equal, key
from doorward_dsl.source import Source

__all__ = ["Linker"]

_HELPERS: Final[dict[str, Any]] = {
    "__builtins__": {"type": type, "dict": dict, "list": list, "tuple": tuple, "set": set, "len": len}
    | {"str": str, "int": int, "bool": bool, "AttributeError": AttributeError},
    "E": {},
    "U": UNDEFINED,
    "M": object(),
    "BuiltinFailure": (BuiltinError, TypeMismatchError),
    "h_Key": Key,
    "h_at": access.at,
    "h_branch_at": documents.branch_at,
    "h_branch_get": documents.branch_get,
    "h_branch_pairs": documents.branch_pairs,
    "h_builtin_failed": access.builtin_failed,
    "h_builtin_mock": mocks.builtin_mock,
    "h_by_member": lookup.by_member,
    "h_by_prefix": lookup.by_prefix,
    "h_by_value": lookup.by_value,
    "h_compare": compare,
    "h_conflict": access.conflict,
    "h_equal": equal,
    "h_get": access.get,
    "h_is_collection": access.is_collection,
    "h_is_member": access.is_member,
    "h_key": key,
    "h_mock": mocks.mock,
    "h_mock_of": mocks.mock_of,
    "h_nothing": mocks.nothing,
    "h_outputs": access.outputs,
    "h_pairs": access.pairs,
    "h_pairs_in_order": access.pairs_in_order,
    "h_patch": access.patch,
    "h_put": access.put,
    "h_put_at": access.put_at,
    "h_put_member_at": access.put_member_at,
    "h_replace_data": mocks.replace_data,
    "h_settle": documents.settle,
    "h_settle_object": access.settle_object,
    "h_value_mock": mocks.value_mock,
    "h_values": access.values,
    "h_values_in_order": access.values_in_order,
    "h_way": access.way,
}
"""All that generated code can reach besides what is linked into it: it sees no other built-in of Python's."""

_NOT_IN_NAMES: Final = re.compile(r"[^A-Za-z0-9]")
_LONGEST: Final = 80


class Linker:
    """The namespace of generated code: it grows while a program is compiled, and only then."""

    def __init__(self, tree: Node, base: Linker | None = None, *, keep: bool = False) -> None:
        self._tree = tree
        self.loaded: list[ast.stmt] | None = [] if keep else None
        """The functions in the order of their loading, where they are to be kept for people to read."""
        self.namespace: dict[str, Any] = dict(_HELPERS) if base is None else dict(base.namespace)
        self._constants: dict[int, str] = {}
        self._units: dict[int, str] = {} if base is None else dict(base._units)
        self._places: dict[tuple[str, ...], Place] = {}

    def constant(self, value: object) -> str:
        """The name of a constant object."""
        name = self._constants.get(id(value))
        if name is None:
            name = self._constants[id(value)] = f"k{len(self.namespace)}"
            self.namespace[name] = value
        return name

    def introduce(self, units: Iterable[Unit]) -> None:
        """Name the functions of units after what they stand for, before anything refers to them."""
        taken = set(self._units.values())
        for unit in units:
            name = "_".join(("data", *(_NOT_IN_NAMES.sub("_", str(step)) for step in unit.path)))[:_LONGEST]
            if name in taken:
                name = f"{name}_{unit.id}"
            taken.add(name)
            self._units[unit.id] = name

    def unit(self, number: int) -> str:
        """The name of the function of a unit."""
        return self._units[number]

    def builtin(self, name: str) -> tuple[str, bool]:
        """The name of a built-in, and whether it takes the context."""
        builtin = BUILTINS.get(name)
        if builtin is None:
            return self.constant(_missing(name)), False
        known = f"f_{name.replace('.', '_')}"
        self.namespace[known] = builtin.call
        return known, builtin.needs_call

    def place(self, path: tuple[str, ...]) -> str:
        """The name of a place of the tree of documents."""
        node = self._tree.find(path)
        if node is None:
            raise AssertionError(f"not a place: {path}")
        return self.constant(self._add_places(node))

    def _add_places(self, node: Node) -> Place:
        known = self._places.get(node.path)
        if known is not None:
            return known
        place = self._places[node.path] = Place()
        for name, child in node.children.items():
            if child.document is None or child.document.kind != "function":
                place.children[name] = self._add_places(child)
        return place

    def join(self, documents: Iterable[tuple[tuple[str, ...], int]]) -> None:
        """Tell the places in use which unit works out which document. Before, generated code only refers to
        them."""
        for path, number in documents if self._places else ():
            place = self._places.get(path)
            if place is not None:
                place.unit = number
                place.evaluate = self.namespace[self.unit(number)]

    def load(self, function: ast.stmt, source: Source) -> None:
        """Compile a function so that tracebacks and debuggers show the policy, and put it in the
        namespace."""
        if source.name not in linecache.cache:
            lines = source.text.splitlines(keepends=True)
            linecache.cache[source.name] = (len(source.text), None, lines, source.name)
        if self.loaded is not None:
            self.loaded.append(function)
        module = ast.Module([function], [])
        exec(compile(module, source.name, "exec", dont_inherit=True), self.namespace)  # noqa: S102


def _missing(name: str) -> Any:
    def missing(*args: Value) -> Value:
        raise BuiltinError(f"`{name}` is not available here")

    return missing
