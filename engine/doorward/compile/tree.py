"""The tree of documents: which rules stand where below `data`.

A place that only leads to others is a branch. A place with rules is a document, or a function. Where some
rule's path has
dynamic parts (`p[x].q`), all rules below its static part are one document (`p`), since only running them
tells which
places they fill.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from doorward.compile.outline import UnitKind
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


@dataclass(slots=True, eq=False)
class Node:
    """A place below `data`: a document, or a branch with children."""

    path: Path
    children: dict[str, Node] = field(default_factory=dict)
    document: Document | None = None

    def find(self, path: Path) -> Node | None:
        """The node at a path below this one, not looking inside documents."""
        node: Node | None = self
        for step in path:
            node = node.children.get(step) if node is not None else None
        return node

    def documents(self) -> Iterator[Document]:
        """All documents here and below."""
        if self.document is not None:
            yield self.document
        for child in self.children.values():
            yield from child.documents()


def build_tree(program: Program) -> Node:
    """The tree of all rules and packages of a program."""
    root = Node(())
    rules_at: dict[Path, tuple[Rule, ...]] = {}
    for module in program.modules:
        _make(root, module.package)
    for path, rules in program.rules.items():
        _make(root, path)
        rules_at[path] = rules
    _place(root, rules_at)
    return root


def _make(root: Node, path: Path) -> None:
    node = root
    for step in path:
        child = node.children.get(step)
        if child is None:
            child = node.children[step] = Node((*node.path, step))
        node = child


def _place(node: Node, rules_at: dict[Path, tuple[Rule, ...]]) -> None:
    rules = rules_at.get(node.path, ())
    if rules and rules[0].head.args is not None:
        placed = tuple(Placed(rule, ()) for rule in rules)
        node.document = Document(node.path, "function", placed)
    elif rules and (node.children or any(_suffix(rule, node.path) for rule in rules)):
        node.document = Document(node.path, "object", tuple(_absorb(node, node.path, rules_at)))
        node.children.clear()
    elif rules:
        kind: UnitKind = "set" if rules[0].head.key is not None else "complete"
        node.document = Document(node.path, kind, tuple(Placed(rule, ()) for rule in rules))
    for child in node.children.values():
        _place(child, rules_at)


def _absorb(node: Node, path: Path, rules_at: dict[Path, tuple[Rule, ...]]) -> Iterator[Placed]:
    for rule in rules_at.get(node.path, ()):
        yield Placed(rule, _suffix(rule, path))
    for child in node.children.values():
        yield from _absorb(child, path, rules_at)


def _suffix(rule: Rule, path: Path) -> tuple[Term, ...]:
    return rule.head.ref[1 + len(path) :]


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
