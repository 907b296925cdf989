"""Equations between patterns: arrays and objects are taken apart until a variable meets a value."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from doorward.run.reference.literals import scalar
from doorward.run.reference.needs import missing
from doorward.run.reference.solver import Env, Equation, Given, Side, Solver
from doorward.run.reference.world import World
from doorward.run.values import UNDEFINED, Value, equal, key
from doorward_dsl.syntax import Array, Object, Scalar, Term, Var
from doorward_dsl.walk import open_vars

__all__ = ["unify"]


def unify(solver: Solver, equations: Sequence[Equation], env: Env, world: World) -> Iterator[Env]:
    """The environments that satisfy all equations.

    The first that can be worked on is; what that binds may be what another waits for.
    """
    if not equations:
        yield env
        return
    around = open_vars(*(side for pair in equations for side in pair if not isinstance(side, Given)))
    for at, (left, right) in enumerate(equations):
        rest = [*equations[:at], *equations[at + 1 :]]
        parts = _parts(left, right)
        if parts is not None:
            for smaller in parts:
                yield from unify(solver, [*smaller, *rest], env, world)
            return
        for known, other in ((right, left), (left, right)):
            if _is_known(known, env, around) and _can_open(other, env, around):
                for value, now in _values(solver, known, env, world):
                    for smaller, later in _against(solver, other, value, now, world, around):
                        yield from unify(solver, [*smaller, *rest], later, world)
                return
    raise AssertionError(f"an unsafe equation: {equations!r}")


def _parts(left: Side, right: Side) -> list[list[Equation]] | None:
    """The equations between the parts of two patterns of one kind: one way to satisfy them, or none."""
    if isinstance(left, Array) and isinstance(right, Array):
        return (
            [list(zip(left.items, right.items, strict=True))] if len(left.items) == len(right.items) else []
        )
    if isinstance(left, Object) and isinstance(right, Object):
        ours, theirs = _by_literal_key(left), _by_literal_key(right)
        if ours is not None and theirs is not None:
            return [[(ours[name], theirs[name]) for name in ours]] if ours.keys() == theirs.keys() else []
    return None


def _by_literal_key(pattern: Object) -> dict[object, Term] | None:
    found: dict[object, Term] = {}
    for name, value in pattern.pairs:
        if not isinstance(name, Scalar):
            return None
        found[key(scalar(name))] = value
    return found


def _is_known(side: Side, env: Env, around: set[str]) -> bool:
    return isinstance(side, Given) or not missing(side, env, around)


def _can_open(side: Side, env: Env, around: set[str]) -> bool:
    if isinstance(side, Object):
        return not any(missing(name, env, around) for name, _ in side.pairs)
    return isinstance(side, Given | Var | Array) or not missing(side, env, around)


def _values(solver: Solver, side: Side, env: Env, world: World) -> Iterator[tuple[Value, Env]]:
    if isinstance(side, Given):
        yield side.value, env
    else:
        yield from solver.values(side, env, world)


def _against(
    solver: Solver, pattern: Side, value: Value, env: Env, world: World, around: set[str]
) -> Iterator[tuple[list[Equation], Env]]:
    """What is left to satisfy once a pattern has met a value, in each environment where that can be."""
    if _is_known(pattern, env, around):
        for own, now in _values(solver, pattern, env, world):
            if equal(own, value):
                yield [], now
    elif isinstance(pattern, Var):
        yield [], {**env, pattern.name: value}
    elif isinstance(pattern, Array) and isinstance(value, (list, tuple)):
        if len(value) == len(pattern.items):
            yield [(item, Given(one)) for item, one in zip(pattern.items, value, strict=True)], env
    elif isinstance(pattern, Object) and isinstance(value, dict) and len(value) == len(pattern.pairs):
        yield from _against_object(solver, pattern, value, env, world)


def _against_object(
    solver: Solver, pattern: Object, value: Value, env: Env, world: World
) -> Iterator[tuple[list[Equation], Env]]:
    keys = Array(tuple(name for name, _ in pattern.pairs), pattern.span)
    for names, now in solver.values(keys, env, world):
        found = [value.get(key(name), UNDEFINED) for name in names]
        if not any(one is UNDEFINED for one in found):
            yield [(item, Given(one)) for (_, item), one in zip(pattern.pairs, found, strict=True)], now
