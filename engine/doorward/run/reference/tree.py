"""Where the rules of a program stand below `data`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from doorward_dsl.program import Path, Program
from doorward_dsl.syntax import Rule, Term

__all__ = ["Node", "make_tree"]


@dataclass(slots=True, eq=False)
class Node:
    """A place below `data`: the rules whose constant path ends here, and the places below."""

    path: Path
    rules: tuple[Rule, ...] = ()
    children: dict[str, Node] = field(default_factory=dict)

    @property
    def is_function(self) -> bool:
        """Whether the rules define a function."""
        return bool(self.rules) and self.rules[0].head.args is not None

    @property
    def is_set(self) -> bool:
        """Whether the rules define a set, all by itself."""
        return bool(self.rules) and self.rules[0].head.key is not None and not self._has_parts

    @property
    def is_object(self) -> bool:
        """Whether the rules define the parts of one object, some of which only running them can name."""
        return bool(self.rules) and self._has_parts

    def function(self, path: Path) -> Node | None:
        """The function at a path below this place, if there is one."""
        node: Node | None = self
        for name in path:
            node = node.children.get(name) if node is not None else None
        return node if node is not None and node.is_function else None

    @property
    def _has_parts(self) -> bool:
        return bool(self.children) or any(len(rule.head.ref) > 1 + len(self.path) for rule in self.rules)

    def all_rules(self) -> Iterator[tuple[Rule, tuple[Term, ...]]]:
        """All rules at and below this place, each with its path from here."""
        waiting = [self]
        while waiting:
            node = waiting.pop()
            for rule in node.rules:
                yield rule, rule.head.ref[1 + len(self.path) :]
            waiting.extend(node.children.values())


def make_tree(program: Program) -> Node:
    """The tree of all packages and rules."""
    root = Node(())
    for module in program.modules:
        _at(root, module.package)
    for path, rules in program.rules.items():
        _at(root, path).rules = rules
    return root


def _at(root: Node, path: Path) -> Node:
    node = root
    for name in path:
        node = node.children.setdefault(name, Node((*node.path, name)))
    return node
