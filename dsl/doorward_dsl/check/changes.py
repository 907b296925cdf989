"""What differs between two rule trees, as those see it who refer to it.

A *key* is a place of the tree as text, and `BELOW` after it where all that is below counts as well. A module mentions
keys (see `mentions`), a change touches keys, and what mentions none of the keys that a change touches means what it
meant before.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Set
from typing import Final, TypeAlias

from doorward_dsl.check.tree import Constant, Node, RuleTree
from doorward_dsl.syntax import Rule, Scalar

__all__ = [
    "BELOW",
    "DEEPEST",
    "SOMEWHERE",
    "Difference",
    "Key",
    "differences",
    "fresh",
    "reshaped",
    "touched",
]

Key: TypeAlias = tuple[str, ...]
"""Path elements as text, without `data`, the first `DEEPEST` of them."""

DEEPEST: Final = 32
"""Elements of a path by which places are told apart; beyond, a change touches all."""

BELOW: Final = "\0below"
"""Ends the key of all that is at a place and below it."""

SOMEWHERE: Final[Key] = ("\0somewhere",)
"""Touched by every change."""

Difference: TypeAlias = tuple[Key, Node | None, Node | None]
"""A place, and what the one tree and the other have there."""


def differences(one: RuleTree, other: RuleTree) -> Iterator[Difference]:
    """The places where the trees are not the same; where only one of them has a place, nothing below it."""
    changed = other.changed_since(one)
    waiting: list[tuple[Key, Node, Node]] = [((), one.root, other.root)]
    while waiting:
        path, first, second = waiting.pop()
        if first is second:
            continue
        yield path, first, second
        mine, theirs = _steps(first, path, changed), _steps(second, path, changed)
        find = theirs.get
        for key, child in [(key, child) for key, child in mine.items() if find(key) is not child]:
            there = find(key)
            inner = (*path, child.name)[:DEEPEST]
            if there is None:
                yield inner, child, None
            else:
                waiting.append((inner, child, there))
        for key in theirs.keys() - mine.keys():
            child = theirs[key]
            yield (*path, child.name)[:DEEPEST], None, child


def fresh(tree: RuleTree, earlier: RuleTree) -> Iterator[Node]:
    """The nodes of a tree that the earlier one has not."""
    if tree.root is earlier.root:
        return
    changed = tree.changed_since(earlier)
    waiting: list[tuple[Key, Node, Node | None]] = [((), tree.root, earlier.root)]
    while waiting:
        path, node, before = waiting.pop()
        yield node
        there = ({} if before is None else before.children).get
        waiting += [
            ((*path, child.name)[:DEEPEST], child, there(key))
            for key, child in _steps(node, path, changed).items()
            if there(key) is not child
        ]


def _steps(node: Node, path: Key, changed: Set[Key] | None) -> Mapping[Constant, Node]:
    """The places one step on from a node that may be others, given the packages that `changed`, if they are known."""
    depth = len(path)
    if changed is None or depth >= DEEPEST or any(len(package) <= depth for package in changed):
        return node.children
    keys = {("str", package[depth]) for package in changed if package[:depth] == path}
    return {key: node.children[key] for key in sorted(keys) if key in node.children}


def reshaped(found: Iterable[Difference]) -> set[Key]:
    """The keys of places that came, went, or now hold rules of another form: other arguments, a set, no set."""
    keys: set[Key] = set()
    for path, before, after in found:
        if before is None or after is None or _shape(before) != _shape(after):
            keys.update(touched(path))
    return keys


def touched(path: Key) -> tuple[Key, ...]:
    """The keys that a change at a place touches."""
    return (path, (*path, BELOW), (*path[:-1], BELOW), SOMEWHERE)


def _shape(node: Node) -> tuple[object, ...]:
    return (bool(node.children), *map(_form, node.rules))


def _form(rule: Rule) -> tuple[object, ...]:
    head = rule.head
    arity = None if head.args is None else len(head.args)
    return (arity, head.key is not None, rule.default, all(isinstance(term, Scalar) for term in head.ref[1:]))
