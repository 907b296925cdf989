"""Calls: of functions that rules define, of built-in ones, and of what stands in for either."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from doorward.run.builtins import BUILTINS
from doorward.run.errors import BuiltinError, TypeMismatchError
from doorward.run.reference.rules import one_value
from doorward.run.reference.solver import Solver
from doorward.run.reference.tree import Node
from doorward.run.reference.world import Constant, World
from doorward.run.values import UNDEFINED, Value
from doorward_dsl.source import Span

__all__ = ["Functions"]

_SILENT = frozenset({"print", "internal.print", "internal.test_case"})


class Functions:
    """All functions by the parts of their names."""

    def __init__(self, solver: Solver, tree: Node) -> None:
        self._solver = solver
        self._tree = tree

    def call(self, name: tuple[str, ...], args: Sequence[Value], span: Span, world: World) -> Iterator[Value]:
        """The results of a call: one or none, but for a built-in that is a relation."""
        world.call.charge(1)
        replacement = world.functions.get(name)
        if replacement is None:
            yield from self._real(name, args, span, world)
        elif isinstance(replacement, Constant):
            yield replacement.value
        else:
            yield from self._real(replacement.name, args, span, world.with_real_functions())

    def _real(
        self, name: tuple[str, ...], args: Sequence[Value], span: Span, world: World
    ) -> Iterator[Value]:
        builtin = ".".join(name)
        node = self._tree.function(name[1:]) if name[0] == "data" else None
        if node is not None:
            message = "functions must not produce multiple outputs for same inputs"
            value = one_value(self._solver, node.rules, args, message, world)
            if value is not UNDEFINED:
                yield value
        elif builtin in _SILENT:
            yield True
        elif builtin in BUILTINS:
            yield from _builtin(builtin, args, span, world)


def _builtin(name: str, args: Sequence[Value], span: Span, world: World) -> list[Value]:
    builtin = BUILTINS[name]
    try:
        result = builtin.call(world.call, *args) if builtin.needs_call else builtin.call(*args)
        results = list(result) if builtin.relation else [result]
    except (BuiltinError, TypeMismatchError) as error:
        if world.call.strict:
            error.span = error.span or span
            raise
        return []
    world.call.charge(len(results))
    return [one for one in results if one is not UNDEFINED]
