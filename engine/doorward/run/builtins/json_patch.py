"""Changes to documents: `json.patch`, `json.remove` and `json.filter`."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, Final

from doorward.run.errors import BuiltinError
from doorward.run.values import UNDEFINED, Value, equal, key, type_name

from .builtin import Meter, contextual, pure
from .composites import child
from .operands import ARRAYS, NUMBERS, SETS, array, exact_integer, mapping, members, operand_error, wrong_type
from .terms import term_text

__all__ = ["BUILTINS"]

_GONE: Final = object()
_COLLECTIONS: Final = frozenset({dict, *ARRAYS, *SETS})
_INDEX: Final = re.compile(r"-?[0-9]{1,18}", re.ASCII)


def _path(name: str, value: Value) -> Sequence[Value]:
    """The steps of a JSON pointer, whose first slash may be missing, or of an array of steps."""
    if type(value) is str:
        if not value:
            return ()
        parts = value.lstrip("/").split("/")
        return [part.replace("~1", "/").replace("~0", "~") for part in parts]
    if type(value) in ARRAYS:
        return value  # type: ignore[no-any-return]
    got = type_name(value)
    raise operand_error(
        name,
        2,
        f"must be one of {{set, array}} containing string paths or array of path segments but got {got}",
    )


def _paths(name: str, value: Value) -> list[Sequence[Value]]:
    if type(value) in ARRAYS:
        return [_path(name, one) for one in value]
    if type(value) in SETS:
        return [_path(name, one) for one in members(value)]
    raise wrong_type(name, 2, value, "set", "array")


_WHOLE: Final = None
"""Stands in a tree of paths where one of them ends."""


def _tree(paths: list[Sequence[Value]]) -> dict[Any, Any]:
    """The paths as nested dicts; the shorter of two paths that share their start is the one that counts."""
    root: dict[Any, Any] = {}
    for path in paths:
        node = root
        for step in path[:-1]:
            inner = node.setdefault(key(step), {})
            if inner is _WHOLE:
                break
            node = inner
        else:
            if path:
                node[key(path[-1])] = _WHOLE
    return root


def _removed(value: Value, tree: dict[Any, Any]) -> Value:
    kind = type(value)
    if kind is dict:
        kept = ((form, _part_removed(item, form, tree)) for form, item in value.items())
        return {form: item for form, item in kept if item is not _GONE}
    if kind in ARRAYS:
        parts = (_part_removed(item, str(index), tree) for index, item in enumerate(value))
        return [item for item in parts if item is not _GONE]
    if kind in SETS:
        parts = (_part_removed(item, key(item), tree) for item in members(value))
        return frozenset(key(item) for item in parts if item is not _GONE)
    return value


def _part_removed(item: Value, form: Any, tree: dict[Any, Any]) -> Value:
    if form not in tree:
        return item
    inner = tree[form]
    return _GONE if inner is _WHOLE else _removed(item, inner)


def remove(document: Value, paths: Value) -> Value:
    mapping("json.remove", 1, document)
    return _removed(document, _tree(_paths("json.remove", paths)))


def _filtered(value: Value, tree: dict[Any, Any]) -> Value:
    kind = type(value)
    if kind is dict:
        return {
            form: item if tree[form] is _WHOLE else _filtered(item, tree[form])
            for form, item in value.items()
            if form in tree
        }
    if kind in ARRAYS:
        picked = ((item, tree.get(str(index), _GONE)) for index, item in enumerate(value))
        return [
            item if inner is _WHOLE else _filtered(item, inner)
            for item, inner in picked
            if inner is not _GONE
        ]
    if kind in SETS:
        chosen = ((item, tree.get(key(item), _GONE)) for item in members(value))
        return frozenset(
            key(item if inner is _WHOLE else _filtered(item, inner))
            for item, inner in chosen
            if inner is not _GONE
        )
    return value


def keep(document: Value, paths: Value) -> Value:
    mapping("json.filter", 1, document)
    return _filtered(document, _tree(_paths("json.filter", paths)))


class _Patch:
    """A document under change. What was copied once belongs to the patch and is changed in place from then
    on.
    """

    def __init__(self, document: Value, charge: Callable[[int], None]) -> None:
        self.document = document
        self.charge = charge
        self.owned: dict[int, Value] = {}

    def own(self, value: Value) -> Value:
        """The collection, or a copy of it that may be changed."""
        if id(value) in self.owned:
            return value
        kind = type(value)
        self.charge(len(value))
        copy: Value = dict(value) if kind is dict else list(value) if kind in ARRAYS else set(value)
        self.owned[id(copy)] = copy
        return copy

    def get(self, path: Sequence[Value]) -> Value:
        here = self.document
        for step in path:
            here = self.step(here, step)
        return here

    def step(self, here: Value, step: Value) -> Value:
        if here is _GONE:
            raise BuiltinError("json.patch: nil value encountered where composite value was expected")
        kind = type(here)
        if kind in ARRAYS:
            index = self.index(here, step)
            if not 0 <= index < len(here):
                raise BuiltinError(f"json.patch: path {index} does not exist in array term {term_text(here)}")
            return here[index]
        if kind is not dict and kind not in SETS:
            raise BuiltinError(
                f"json.patch: expected composite type for path {term_text(step)}, found value: {_scalar(here)}"
            )
        found = child(here, step)
        if found is None:
            where = f"{type_name(here)} term {term_text(here)}"
            raise BuiltinError(f"json.patch: path {term_text(step)} does not exist in {where}")
        return found[0]

    def index(self, here: Sequence[Value], step: Value) -> int:
        if type(step) in NUMBERS:
            index = exact_integer(step)
            if index is None:
                raise BuiltinError("json.patch: invalid number type for indexing")
            return index
        if type(step) is not str:
            raise BuiltinError("json.patch: invalid type for indexing")
        if step == "-":
            return len(here)
        if _INDEX.fullmatch(step) is None:
            raise BuiltinError("json.patch: invalid string for indexing")
        if len(step) > 1 and step[0] == "0":
            raise BuiltinError("json.patch: leading zeros are not allowed in JSON paths")
        return int(step)

    def put(self, path: Sequence[Value], value: Value) -> None:
        self.document = value if not path else self.changed(self.document, path, value)

    def delete(self, path: Sequence[Value]) -> None:
        if not path and self.document is _GONE:
            raise BuiltinError("json.patch: deleted node encountered during delete operation")
        self.document = _GONE if not path else self.changed(self.document, path, _GONE)

    def changed(self, here: Value, path: Sequence[Value], value: Value) -> Value:
        """The collection with the part at a path put in, or taken out where the value is `_GONE`."""
        step = path[0]
        if len(path) > 1:
            part = self.changed(self.step(here, step), path[1:], value)
            whole = self.own(here)
            if type(whole) is dict:
                whole[key(step)] = part
            elif type(whole) is list:
                whole[self.index(whole, step)] = part
            else:
                whole.discard(key(step))
                whole.add(key(part))
            return whole
        if here is _GONE:
            verb = "delete" if value is _GONE else "insert"
            raise BuiltinError(f"json.patch: deleted node encountered during {verb} operation")
        if type(here) is not dict and type(here) not in ARRAYS and type(here) not in SETS:
            raise BuiltinError(f"json.patch: expected composite type, found value: {_scalar(here)}")
        whole = self.own(here)
        return self.without(whole, step) if value is _GONE else self.with_part(whole, step, value)

    def without(self, whole: Value, step: Value) -> Value:
        if type(whole) is list:
            index = self.index(whole, step)
            if not 0 <= index < len(whole):
                raise BuiltinError("json.patch: index for array delete out of bounds")
            del whole[index]
            return whole
        form = key(step)
        if form not in whole:
            raise BuiltinError(f"json.patch: cannot delete child key {term_text(step)} that does not exist")
        if type(whole) is dict:
            del whole[form]
        else:
            whole.discard(form)
        return whole

    def with_part(self, whole: Value, step: Value, value: Value) -> Value:
        if type(whole) is dict:
            whole[key(step)] = value
        elif type(whole) is list:
            index = self.index(whole, step)
            if not 0 <= index <= len(whole):
                raise BuiltinError("json.patch: index for array insertion out of bounds")
            whole.insert(index, value)
        elif equal(step, value):
            whole.add(key(value))
        else:
            raise BuiltinError(
                f"json.patch: set key {term_text(step)} does not equal value to be inserted {term_text(value)}"
            )
        return whole


def _scalar(value: Value) -> str:
    return f"{term_text(value)} (type: ast.{type_name(value).title()})"


def patch(meter: Meter, document: Value, operations: Value) -> Value:
    name = "json.patch"
    target = _Patch(document, meter.charge)
    for operation in array(name, 2, operations):
        if type(operation) is not dict:
            raise BuiltinError(
                f"{name}: must be an array of JSON-Patch objects, but at least one element is not an object"
            )
        _apply(target, operation)
    return UNDEFINED if target.document is _GONE else target.document


def _apply(target: _Patch, operation: dict[Any, Value]) -> None:
    raw_path, op = _attribute(operation, "path"), _attribute(operation, "op")
    if type(op) is not str:
        raise BuiltinError(f"json.patch: attribute 'op' must be a string but found: {type_name(op)}")
    path = _path("json.patch", raw_path)
    if op == "add":
        target.put(path, _attribute(operation, "value"))
    elif op == "remove":
        target.delete(path)
    elif op == "replace":
        target.delete(path)
        target.put(path, _attribute(operation, "value"))
    elif op in ("move", "copy"):
        source = _path("json.patch", _attribute(operation, "from"))
        value = target.get(source)
        if op == "move":
            target.delete(source)
        else:
            target.owned.clear()  # the copy shares its parts with the original
        target.put(path, value)
    elif op == "test":
        found, wanted = target.get(path), _attribute(operation, "value")
        target.charge(len(wanted) if type(wanted) in _COLLECTIONS else 1)
        if found is _GONE or not equal(found, wanted):
            raise BuiltinError(
                "json.patch: value from EditTree != patch value."
                f"\n\nExpected: {term_text(wanted)}\n\nFound: {'' if found is _GONE else term_text(found)}"
            )
    else:
        raise BuiltinError(f"json.patch: unrecognized op: '{op}'")


def _attribute(operation: dict[Any, Value], attribute: str) -> Value:
    if attribute not in operation:
        raise BuiltinError(f"json.patch: missing required attribute '{attribute}'")
    return operation[attribute]


BUILTINS: Final = {
    **contextual({"json.patch": patch}),
    **pure({"json.remove": remove, "json.filter": keep}),
}
