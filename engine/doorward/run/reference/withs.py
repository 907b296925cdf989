"""`with`: the worlds in which an expression is evaluated instead of the one around it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from doorward.run.reference.solver import Env, Solver
from doorward.run.reference.tree import Node
from doorward.run.reference.world import Constant, Named, World
from doorward.run.values import Value
from doorward_dsl.signatures import signatures
from doorward_dsl.syntax import Ref, Scalar, Term, Var, With

__all__ = ["changed_worlds"]


def changed_worlds(
    solver: Solver, tree: Node, modifiers: Sequence[With], env: Env, world: World
) -> Iterator[tuple[World, Env]]:
    """The worlds that modifiers make of one; several where a value has several. All values are those of the
    world outside.
    """

    def change(left: Sequence[With], changed: World, now: Env) -> Iterator[tuple[World, Env]]:
        if not left:
            yield changed, now
            return
        modifier, rest = left[0], left[1:]
        target = _dotted(modifier.target)
        function = _function(modifier.value, now, tree)
        if not _is_function(target, tree):
            for value, later in solver.values(modifier.value, now, world):
                yield from change(rest, _with_value(changed, target, value), later)
        elif function is not None:
            yield from change(rest, changed.with_function(target, Named(function)), now)
        else:
            for value, later in solver.values(modifier.value, now, world):
                yield from change(rest, changed.with_function(target, Constant(value)), later)

    return change(modifiers, world, env)


def _with_value(world: World, target: tuple[str, ...], value: Value) -> World:
    if target[0] == "input":
        return world.with_input(target[1:], value)
    return world.with_data(target[1:], value)


def _dotted(term: Term) -> tuple[str, ...]:
    """The parts of a name such as `data.p.f` or `io.jwt.decode`; empty for any other term."""
    match term:
        case Var(name):
            return (name,)
        case Ref(Var(name), path):
            parts = [step.value for step in path if isinstance(step, Scalar) and isinstance(step.value, str)]
            return (name, *parts) if len(parts) == len(path) else ()
    return ()


def _is_function(name: tuple[str, ...], tree: Node) -> bool:
    if name[0] == "data":
        return tree.function(name[1:]) is not None
    return name[0] != "input"


def _function(term: Term, env: Env, tree: Node) -> tuple[str, ...] | None:
    """The name of the function that a term names; None when it is a value."""
    name = _dotted(term)
    if not name or name[0] in env or name[0] == "input":
        return None
    known = tree.function(name[1:]) is not None if name[0] == "data" else ".".join(name) in signatures()
    return name if known else None
