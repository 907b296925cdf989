"""What can be reached in a graph given as an object from each node to its neighbours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from doorward.run.errors import BuiltinError
from doorward.run.values import Value, key

from .builtin import Meter, contextual
from .operands import ARRAYS, SETS, mapping, members, wrong_type

__all__ = ["BUILTINS", "MAX_STEPS"]

_STEPS: Final = 4
"""What a step along a path takes."""

MAX_STEPS: Final = 250_000
"""The most steps along paths, of which there may be exponentially many, that are taken."""


def _listed(collection: Value) -> Sequence[Value]:
    """The neighbours in an array or set; nothing else has any."""
    if type(collection) in ARRAYS:
        return collection  # type: ignore[no-any-return]
    return members(collection) if type(collection) in SETS else ()


def _start(name: str, initial: Value) -> Sequence[Value]:
    if type(initial) not in ARRAYS and type(initial) not in SETS:
        raise wrong_type(name, 2, initial, "{array, set}")
    return _listed(initial)


def reachable(meter: Meter, graph: Value, initial: Value) -> Value:
    name = "graph.reachable"
    edges = mapping(name, 1, graph)
    waiting = list(map(key, _start(name, initial)))
    reached: set[Any] = set()
    while waiting:
        node = waiting.pop()
        if node in edges and node not in reached:
            reached.add(node)
            neighbours = _listed(edges[node])
            meter.charge(len(neighbours))
            waiting.extend(map(key, neighbours))
    return reached


def reachable_paths(meter: Meter, graph: Value, initial: Value) -> Value:
    name = "graph.reachable_paths"
    edges = mapping(name, 1, graph)
    found: set[Any] = set()
    steps = 0
    # each entry: the path so far with its nodes, and the node to go to
    waiting: list[tuple[list[Value], frozenset[Any], Value]] = []
    for node in _start(name, initial):
        if key(node) not in edges:
            continue
        neighbours = _listed(edges[key(node)])
        meter.charge(_STEPS * (1 + len(neighbours)))
        if not neighbours:
            found.add(key([node]))
        waiting.extend(([node], frozenset([key(node)]), neighbour) for neighbour in neighbours)
    while waiting:
        path, visited, node = waiting.pop()
        steps += 1 + len(path)
        if steps > MAX_STEPS:
            raise BuiltinError(f"{name}: the graph has too many paths")
        form = key(node)
        if form not in edges:
            found.add(key(path))
            continue
        path = [*path, node]
        visited |= {form}
        neighbours = _listed(edges[form])
        meter.charge(_STEPS * (len(path) + len(neighbours)))
        onward = [neighbour for neighbour in neighbours if key(neighbour) not in visited]
        if len(onward) < len(neighbours) or not neighbours:
            found.add(key(path))
        waiting.extend((path, visited, neighbour) for neighbour in onward)
    return found


BUILTINS: Final = contextual({"graph.reachable": reachable, "graph.reachable_paths": reachable_paths})
