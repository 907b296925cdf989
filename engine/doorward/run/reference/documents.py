"""The documents below `data`: what rules define, laid over the base documents."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from doorward.run.errors import ConflictError
from doorward.run.reference.literals import scalar
from doorward.run.reference.members import member
from doorward.run.reference.rules import answers, one_value
from doorward.run.reference.solver import Answer, Env, Given, Solver
from doorward.run.reference.tree import Node
from doorward.run.reference.world import World
from doorward.run.values import UNDEFINED, Value, equal, key, ordered, unkey
from doorward_dsl.source import Span
from doorward_dsl.syntax import Array, Scalar, Term, Var

__all__ = ["Documents"]


@dataclass(frozen=True, slots=True)
class _Part:
    """What a rule says of one place of an object: its value, or a member of the set there."""

    path: tuple[Value, ...]
    value: Value
    is_member: bool
    span: Span


class Documents:
    """All documents of a program over the base documents of a world."""

    def __init__(self, solver: Solver, tree: Node) -> None:
        self._solver = solver
        self._tree = tree

    def below(self, node: Node, path: Sequence[Term], env: Env, world: World) -> Iterator[Answer]:
        """What a path leads to from a node of the tree."""
        if node.is_function:
            return
        if world.is_replaced(node.path):
            yield from self._defined(_base(node, world), path, env, world)
        elif node.rules:
            yield from self._defined(self._document(node, _prefix(path, env), world), path, env, world)
        elif not path:
            yield from self._defined(self._whole(node, world), (), env, world)
        else:
            for name, now in self._names(node, path[0], env, world):
                child = node.children.get(name) if isinstance(name, str) else None
                if child is not None:
                    yield from self.below(child, path[1:], now, world)
                else:
                    yield from self._defined(member(_base(node, world), name), path[1:], now, world)

    def _defined(self, value: Value, path: Sequence[Term], env: Env, world: World) -> Iterator[Answer]:
        if value is not UNDEFINED:
            yield from self._solver.along(value, path, env, world)

    def _names(self, node: Node, step: Term, env: Env, world: World) -> Iterator[Answer]:
        """The names below a node that a step of a path may be."""
        if not self._solver.runs_over(step, env):
            yield from self._solver.values(step, env, world)
            return
        base = _base(node, world)
        names = set(node.children).union(map(unkey, base) if isinstance(base, dict) else ())
        for name in ordered(names):
            world.call.charge(1)
            for now in self._solver.unify([(step, Given(name))], env, world):
                yield name, now

    def _whole(self, node: Node, world: World) -> Value:
        """Everything at and below a node that only leads to others."""
        base = _base(node, world)
        if base is UNDEFINED:
            base = {}
        if not isinstance(base, dict):
            return base
        whole = dict(base)
        for name, child in node.children.items():
            for value, _ in self.below(child, (), {}, world):
                whole[name] = value
        return whole

    def _document(self, node: Node, prefix: tuple[Value, ...], world: World) -> Value:
        """What the rules at a node are worth, at least as far as a place below it (`prefix`) is concerned."""
        known = (node.path, tuple(map(key, prefix)) if node.is_object else ())
        if known not in world.known:
            world.known[known] = self._work_out(node, prefix, world)
        return world.known[known]

    def _work_out(self, node: Node, prefix: tuple[Value, ...], world: World) -> Value:
        if node.is_object:
            return _assemble([part for part in self._parts(node, prefix, world) if _meet(part.path, prefix)])
        if node.is_set:
            return {
                key(value)
                for rule in node.rules
                for link, env in answers(self._solver, rule, (), world)
                if link.head.key is not None
                for value, _ in self._solver.values(link.head.key, env, world)
            }
        message = "complete rules must not produce multiple outputs"
        return one_value(self._solver, node.rules, (), message, world)

    def _parts(self, node: Node, prefix: tuple[Value, ...], world: World) -> Iterator[_Part]:
        for rule, path in node.all_rules():
            if rule.default or not _may_meet(path, prefix):
                continue
            for link, env in answers(self._solver, rule, (), world):
                head = link.head
                leaf = head.key or head.value or Scalar(True, head.span)
                for (*names, value), _ in self._solver.values(Array((*path, leaf), head.span), env, world):
                    yield _Part(tuple(names), value, head.key is not None, link.span)


def _base(node: Node, world: World) -> Value:
    """The base document at the path of a node."""
    value = world.data
    for name in node.path:
        value = member(value, name)
    return value


def _prefix(path: Sequence[Term], env: Env) -> tuple[Value, ...]:
    """The values of the steps of a path that are known, up to the first that is not."""
    known: list[Value] = []
    for step in path:
        if isinstance(step, Scalar):
            known.append(scalar(step))
        elif isinstance(step, Var) and step.name in env:
            known.append(env[step.name])
        else:
            break
    return tuple(known)


def _may_meet(path: Sequence[Term], prefix: Sequence[Value]) -> bool:
    """Whether a rule with this path can say anything of the place."""
    return all(
        not isinstance(term, Scalar) or equal(scalar(term), wanted)
        for term, wanted in zip(path, prefix, strict=False)
    )


def _meet(path: Sequence[Value], prefix: Sequence[Value]) -> bool:
    return all(equal(one, wanted) for one, wanted in zip(path, prefix, strict=False))


def _assemble(parts: Sequence[_Part]) -> Value:
    """The object that has all the parts; raises ConflictError where two of them cannot both be."""
    level: dict[object, list[_Part]] = {}
    for part in parts:
        rest = _Part(part.path[1:], part.value, part.is_member, part.span)
        level.setdefault(key(part.path[0]), []).append(rest)
    return {name: _place(below) for name, below in level.items()}


def _place(parts: Sequence[_Part]) -> Value:
    """The value of one place."""
    first = parts[0]
    if all(part.path for part in parts):
        return _assemble(parts)
    if all(part.is_member and not part.path for part in parts):
        return {key(part.value) for part in parts}
    for part in parts:
        if part.path or part.is_member or not equal(part.value, first.value):
            raise ConflictError("object keys must be unique", part.span)
    return first.value
