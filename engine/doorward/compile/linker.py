"""Parts of generated code, put together: one namespace for a revision, in which every name stands for something."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from types import CodeType, FunctionType
from typing import Any, Final

from doorward.compile.outline import UnitKind
from doorward.compile.parts import Part
from doorward.compile.tree import Node
from doorward.run import access, documents, joins, lookup, mocks
from doorward.run.documents import Place
from doorward.run.errors import BuiltinError, TypeMismatchError
from doorward.run.lookup import Functions, Prefixes
from doorward.run.values import UNDEFINED, Key, equal, key

__all__ = ["Linker"]

_HELPERS: Final[dict[str, Any]] = {
    "__builtins__": {"type": type, "dict": dict, "list": list, "tuple": tuple, "set": set, "len": len}
    | {"str": str, "int": int, "bool": bool, "AttributeError": AttributeError},
    "E": {},
    "U": UNDEFINED,
    "M": object(),
    "Exception": Exception,
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
    "h_order": access.order,
    "h_conflict": access.conflict,
    "h_equal": equal,
    "h_same": access.same,
    "h_get": access.get,
    "h_is_collection": access.is_collection,
    "h_is_member": access.is_member,
    "h_joined": joins.joined,
    "h_joined_pairs": joins.joined_pairs,
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
    "h_recall": joins.recall,
    "h_remember": joins.remember,
    "h_replace_data": mocks.replace_data,
    "h_settle": documents.settle,
    "h_settle_object": access.settle_object,
    "h_value_mock": mocks.value_mock,
    "h_values": access.values,
    "h_values_in_order": access.values_in_order,
}
"""All that generated code can reach besides what is linked into it: it sees no other built-in of Python's."""


class Linker:
    """The namespace of the generated code of one revision, or of a query over it (`base`).

    Functions are made anew from their code in every revision, so that they call those of their own, and each when it is
    first asked for, together with all that it may call. Apart from that it grows while a revision is linked, and only
    then. `earlier` is the linker of a revision that has much in common with this one.
    """

    def __init__(self, tree: Node, base: Linker | None = None, earlier: Linker | None = None) -> None:
        self._tree = tree
        self.namespace: dict[str, Any] = dict(_HELPERS) if base is None else dict(base.namespace)
        self._base = base
        self._earlier = earlier
        self._parts: dict[Part, None] = {}
        self._open: dict[Part, None] = {}
        """Those of them whose names stand for what others have."""
        self._constants: dict[str, object] = {}
        self._functions: dict[str, CodeType] = {}
        self._places: dict[tuple[str, ...], Place] = {}

    def add(self, parts: Iterable[Part]) -> None:
        """Take in some parts."""
        self._parts.update(dict.fromkeys(parts))

    def link(self, units: Iterable[tuple[int, str, tuple[str, ...], UnitKind, bool]]) -> None:
        """Settle what the names in the parts stand for.

        `units` are all there are: number, name, the document's path and kind, and whether it is all of the document.
        """
        self._gather()
        self.namespace.update(self._constants)
        self._join(units)

    def function(self, name: str) -> FunctionType:
        """A function of the parts, ready to be called."""
        namespace = self.namespace
        if name not in namespace:
            made: dict[str, Any] = {}
            waiting = [name]
            while waiting:
                wanted = waiting.pop()
                if wanted in namespace or wanted in made:
                    continue
                code = self._functions.get(wanted)
                if code is not None:
                    made[wanted] = FunctionType(code, namespace, wanted)
                    waiting += _names(code)
                elif self._base is not None and wanted in self._base._functions:
                    made[wanted] = self._base.function(wanted)
            # In one step: another thread that finds a function there may call it.
            namespace.update(made)
        found: FunctionType = namespace[name]
        return found

    def _gather(self) -> None:
        """All functions and constants: those of the earlier revision, but for what is gone, and what is new."""
        earlier, self._earlier = self._earlier, None
        fresh: Iterable[Part] = self._parts
        if earlier is not None:
            self._constants, self._functions = dict(earlier._constants), dict(earlier._functions)
            self._open = dict(earlier._open)
            for part in [part for part in earlier._parts if part not in self._parts]:
                self._open.pop(part, None)
                for constant in part.constants:
                    del self._constants[constant]
                for name, _ in part.functions:
                    del self._functions[name]
            fresh = [part for part in self._parts if part not in earlier._parts]
        for part in fresh:
            self._constants.update(part.constants)
            self._constants.update(part.builtins)
            self._functions.update(part.functions)
            if part.is_open:
                self._open[part] = None

    def _join(self, units: Iterable[tuple[int, str, tuple[str, ...], UnitKind, bool]]) -> None:
        """Settle what parts call tables, places and units below a path."""
        namespace = self.namespace
        for part in self._open:
            for name, table, names in part.tables:
                by_value = Functions(table.buckets, names, self.function)
                namespace[name] = Prefixes(by_value) if table.how == "prefix" else by_value
            for name, row in part.rows:
                namespace[name] = tuple(map(self.function, row))
            for name, path in part.places:
                node = self._tree.find(path)
                if node is None:
                    raise AssertionError(f"not a place: {path}")
                namespace[name] = self._add_places(node)
        overlays = [overlay for part in self._open for overlay in part.overlays]
        if not overlays and not self._places:
            return
        documents = [
            (number, name, path, whole) for number, name, path, kind, whole in units if kind != "function"
        ]
        for name, top in overlays:
            namespace[name] = tuple(
                (number, path[len(top) :]) for number, _, path, _ in documents if path[: len(top)] == top
            )
        for number, name, path, whole in documents:
            place = self._places.get(path) if whole else None
            if place is not None:
                place.unit = number
                place.evaluate = self.function(name)

    def _add_places(self, node: Node) -> Place:
        known = self._places.get(node.path)
        if known is not None:
            return known
        place = self._places[node.path] = Place(node.path)
        for name, child in node.children.items():
            if child.document is None or child.document.kind != "function":
                place.children[name] = self._add_places(child)
        return place


def _names(code: CodeType) -> Iterator[str]:
    """The names that a function, and those inside of it, look up."""
    yield from code.co_names
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield from _names(inner)
