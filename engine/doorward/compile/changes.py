"""What a change touches, as plans see it: which documents there are, of which form, and the values written into plans."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from doorward.compile.free import alias, constant
from doorward.compile.tree import Node
from doorward_dsl.check.changes import DEEPEST, Key, differences, touched
from doorward_dsl.check.tree import Node as Placement
from doorward_dsl.check.tree import RuleTree
from doorward_dsl.program import Path
from doorward_dsl.syntax import Rule, Scalar

__all__ = ["Change", "change", "replaced_keys"]


@dataclass(frozen=True, slots=True)
class Change:
    """What differs between the rules of two revisions."""

    touched: frozenset[Key]
    """What plans that mention it have wrong by now; of what is not mentioned they know nothing."""
    places: frozenset[Key]
    """Where the rules, or those below, are others than they were."""


def change(before: RuleTree, after: RuleTree) -> Change:
    """What differs between two trees: forms of documents, and their values where these are constants or places of the input."""
    keys: set[Key] = set()
    places: set[Key] = set()
    holds_all: dict[Placement, bool] = {}
    for path, one, other in differences(before, after):
        places.add(path)
        if one is None or other is None or _form(one) != _form(other):
            for tree in (before, after):
                keys.update(_around(path, tree, holds_all))
            keys.update(touched(path))
    for package in before.branches.keys() ^ after.branches.keys():
        places.update(package[:length] for length in range(min(len(package), DEEPEST) + 1))
        for tree in (before, after):
            keys.update(_lost(package, tree))
    return Change(frozenset(keys), frozenset(places))


def replaced_keys(names: Iterable[Path], trees: Sequence[Node]) -> set[Key] | None:
    """The keys of what means something else when some `with` replaces `names`, or none does so any more.

    None where that may be anything.
    """
    keys: set[Key] = set()
    for head, *path in names:
        if head != "data" or any("." in step for step in path):
            return None
        keys.update(touched(tuple(path[:DEEPEST])))
        for root in trees:
            node: Node | None = root
            for step in path:
                node = node.child(step) if node is not None else None
                if node is not None and node.document is not None:
                    keys.update(touched(node.path[:DEEPEST]))
    return keys


def _form(node: Placement) -> tuple[object, ...]:
    return (bool(node.children), *map(_rule, node.rules))


def _rule(rule: Rule) -> tuple[object, ...]:
    head = rule.head
    suffix = tuple(
        (type(term.value), term.value) if isinstance(term, Scalar) else None for term in head.ref[1:]
    )
    value: object = None
    if not rule.body and rule.else_ is None and not rule.default:
        fixed = None if head.value is None else constant(head.value)
        value = "true" if head.value is None else alias(rule) if fixed is None else repr(fixed.value)
    arity = None if head.args is None else len(head.args)
    return (arity, head.key is not None, rule.default, suffix, value)


def _around(path: Key, tree: RuleTree, holds_all: dict[Placement, bool]) -> Iterator[Key]:
    """The keys of the documents that a place is inside of. `holds_all` remembers which places are documents."""
    node: Placement | None = tree.root
    for length, name in enumerate(path):
        if node is None:
            return
        known = holds_all.get(node)
        if known is None:
            known = holds_all[node] = bool(node.rules) or any(kind != "str" for kind, _ in node.children)
        if known:
            yield from touched(path[:length])
            return  # what is inside of a document is part of it
        node = node.children.get(("str", name))


def _lost(package: Path, tree: RuleTree) -> Iterator[Key]:
    """The key of the first step on the way to a package that a tree does not have."""
    way = tree.ways
    for length, name in enumerate(package, start=1):
        following = way.on.get(name)
        if following is None:
            yield from touched(package[:length][:DEEPEST])
            return
        way = following
