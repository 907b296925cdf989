"""Places of the tree of documents that are reached only while running: `data.roles[x].allow`, `data.acme`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from doorward.run.access import get, pairs, pairs_in_order
from doorward.run.context import FIXED, CallContext
from doorward.run.values import UNDEFINED, Value, unkey

__all__ = ["Branch", "Place", "branch_at", "branch_get", "branch_pairs", "settle"]


class Place:
    """A node of the tree of documents as it runs: a document to `evaluate`, or the way to its children.

    Built once with the program and never changed afterwards. A function is no part of any document.
    """

    __slots__ = ("children", "evaluate", "path", "unit")

    def __init__(self, path: tuple[str, ...]) -> None:
        self.path = path
        """Below `data`."""
        self.children: dict[str, Place] = {}
        self.unit = -1
        """The number of the document's unit, under which the call remembers its value."""
        self.evaluate: Callable[[CallContext], Value] | None = None


class Branch:
    """A place with children, and the base document that stands at the same path."""

    __slots__ = ("base", "place")

    def __init__(self, place: Place, base: Value) -> None:
        self.place = place
        self.base = base


def branch_at(call: CallContext, place: Place, path: Iterable[str]) -> Any:
    """The branch at a path of the tree; where a `with` has replaced it, what stands there instead."""
    base = call.data
    for step in path:
        base = get(base, step)
    return base if _is_replaced(call, place) else Branch(place, base)


def _is_replaced(call: CallContext, place: Place) -> bool:
    fixed = call.memo.get(FIXED)
    return fixed is not None and any(place.path[: len(path)] == path for path in fixed.paths)


def branch_get(call: CallContext, source: Any, index: Value) -> Any:
    """The member of a branch or of a value at a key: a branch, a value or UNDEFINED."""
    if type(source) is not Branch:
        return get(source, index)
    base = get(source.base, index)
    child = source.place.children.get(index) if type(index) is str else None
    if child is None:
        return base
    if child.evaluate is not None:
        memo = call.memo
        value = memo[child.unit] if child.unit in memo else child.evaluate(call)
        return base if value is UNDEFINED else value
    return base if _is_replaced(call, child) else Branch(child, base)


def branch_pairs(call: CallContext, source: Any, in_order: bool) -> Iterable[tuple[Value, Any]]:
    """Keys and members of a branch or of a value. What is undefined is left out."""
    if type(source) is not Branch:
        return pairs_in_order(call, source) if in_order else pairs(call, source)
    names: dict[Value, None] = {}
    if type(source.base) is dict:
        names = {unkey(form): None for form in source.base}
    names.update(dict.fromkeys(source.place.children))
    call.charge(len(names))
    return _members(call, source, sorted(names, key=str) if in_order else names)


def _members(call: CallContext, source: Branch, names: Iterable[Value]) -> Iterable[tuple[Value, Any]]:
    for name in names:
        member = branch_get(call, source, name)
        if member is not UNDEFINED:
            yield name, member


def settle(call: CallContext, source: Any) -> Value:
    """The whole value: a branch with all its documents worked out and laid over the base document."""
    if type(source) is not Branch:
        return source
    base = source.base
    if base is not UNDEFINED and type(base) is not dict:
        return base
    whole: dict[Any, Value] = dict(base) if type(base) is dict else {}
    call.charge(len(source.place.children))
    for name in source.place.children:
        member = settle(call, branch_get(call, source, name))
        if member is not UNDEFINED:
            whole[name] = member
    return whole
