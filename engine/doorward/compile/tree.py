"""The tree of documents: which rules stand where below `data`.

A place that only leads to others is a branch. A place with rules is a document, or a function. Where some
rule's path has
dynamic parts (`p[x].q`), all rules below its static part are one document (`p`), since only running them
tells which
places they fill.

The tree is the rule tree as running sees it, and is found as it is walked.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from doorward.compile.outline import UnitKind
from doorward_dsl.check.tree import Node as Placement
from doorward_dsl.check.tree import Way
from doorward_dsl.program import Path, Program
from doorward_dsl.syntax import Rule, Scalar, Term

__all__ = ["Document", "Node", "Placed", "build_tree", "fits", "function_at"]


@dataclass(frozen=True, slots=True, eq=False)
class Placed:
    """A rule, and its path below the document it belongs to (empty but for rules with dynamic parts)."""

    rule: Rule
    suffix: tuple[Term, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Document:
    """All rules that together define one document or function."""

    path: Path
    kind: UnitKind
    rules: tuple[Placed, ...]

    @property
    def arity(self) -> int:
        """The number of arguments of a function."""
        return next((len(p.rule.head.args) for p in self.rules if p.rule.head.args is not None), 0)


class Node:
    """A place below `data`: a document, or a branch with children."""

    def __init__(self, path: Path, placement: Placement | None, way: Way | None) -> None:
        self.path = path
        self._placement = placement
        self._way = way
        self._known: dict[str, Node] = {}

    def _at(self, name: str) -> Node | None:
        """The place one name on, be it of a package without rules; the same object each time."""
        known = self._known.get(name)
        if known is None:
            placement = None if self._placement is None else self._placement.children.get(("str", name))
            way = None if self._way is None else self._way.on.get(name)
            if placement is not None or way is not None:
                known = self._known.setdefault(name, Node((*self.path, name), placement, way))
        return known

    @cached_property
    def _inner(self) -> dict[str, Node]:
        """All places one name on."""
        keys = () if self._placement is None else self._placement.children
        names = dict.fromkeys([str(name) for kind, name in keys if kind == "str"])
        names.update(dict.fromkeys(() if self._way is None else self._way.on))
        return {name: node for name in names if (node := self._at(name)) is not None}

    @cached_property
    def _rules(self) -> list[Rule]:
        """Those whose names end here, or go on with something that is no name."""
        if self._placement is None:
            return []
        others = [child for (kind, _), child in self._placement.children.items() if kind != "str"]
        if not others:
            return list(self._placement.rules)
        rules = [
            *self._placement.rules,
            *(rule for one in others for node in one.below() for rule in node.rules),
        ]
        return sorted(rules, key=lambda rule: (rule.span.source.name, rule.span.start))

    @cached_property
    def document(self) -> Document | None:
        """The document or function here, if it is one."""
        rules = self._rules
        if not rules:
            return None
        if rules[0].head.args is not None:
            return Document(self.path, "function", tuple(Placed(rule, ()) for rule in rules))
        if self._inner or any(map(self._suffix, rules)):
            return Document(
                self.path, "object", tuple(Placed(rule, self._suffix(rule)) for rule in self._all())
            )
        kind: UnitKind = "set" if rules[0].head.key is not None else "complete"
        return Document(self.path, kind, tuple(Placed(rule, ()) for rule in rules))

    @property
    def children(self) -> Mapping[str, Node]:
        """The places below; none inside of a document."""
        return {} if self.document is not None and self.document.kind == "object" else self._inner

    def child(self, name: str) -> Node | None:
        """One of `children`, without finding the others."""
        return None if self.document is not None and self.document.kind == "object" else self._at(name)

    def _all(self) -> Iterator[Rule]:
        waiting = [self]
        while waiting:
            node = waiting.pop()
            yield from node._rules
            waiting.extend(reversed(list(node._inner.values())))

    def _suffix(self, rule: Rule) -> tuple[Term, ...]:
        return rule.head.ref[1 + len(self.path) :]

    def find(self, path: Path) -> Node | None:
        """The node at a path below this one, not looking inside documents."""
        node: Node | None = self
        for step in path:
            if node is None:
                return None
            node = node.child(step)
        return node

    def documents(self) -> Iterator[Document]:
        """All documents here and below."""
        waiting = [self]
        while waiting:
            node = waiting.pop()
            if node.document is not None:
                yield node.document
            waiting.extend(reversed(list(node.children.values())))


def build_tree(program: Program) -> Node:
    """The tree of all rules and packages of a program."""
    return Node((), program.tree.root, program.tree.ways)


def function_at(tree: Node, path: Path) -> Document | None:
    """The function at a path, if it is one."""
    node = tree.find(path)
    document = node.document if node is not None else None
    return document if document is not None and document.kind == "function" else None


def fits(suffix: tuple[Term, ...], prefix: tuple[object, ...]) -> bool:
    """Whether a rule with this path may fill a place at or below `prefix`, or hold it inside its value."""
    for term, wanted in zip(suffix, prefix, strict=False):
        if isinstance(term, Scalar) and (type(term.value) is not type(wanted) or term.value != wanted):
            return False
    return True
