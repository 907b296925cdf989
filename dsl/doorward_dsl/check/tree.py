"""All rules of a program by place: what a reference may read, found without trying every rule."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TypeAlias

from doorward_dsl.resolve.globals import ROOTS
from doorward_dsl.syntax import Call, Module, Ref, Rule, Scalar, Term, Var

__all__ = ["Constant", "Node", "Places", "RuleTree", "constant", "is_global", "rule_name"]

Constant: TypeAlias = tuple[str, bool | str | int | Decimal | None]
"""A scalar with its kind, so that `1` and `true` differ."""


@dataclass(slots=True, eq=False)
class Node:
    """One place below `data`: the rules there and the places below it."""

    name: str
    """The last element of its path as text."""
    parent: Node | None
    rules: list[Rule] = field(default_factory=list)
    children: dict[Constant, Node] = field(default_factory=dict)

    @property
    def path(self) -> tuple[str, ...]:
        """Constant path elements as text, `data` first."""
        names: list[str] = []
        node: Node | None = self
        while node is not None:
            names.append(node.name)
            node = node.parent
        return tuple(reversed(names))

    def below(self) -> Iterator[Node]:
        """This node and every one below it."""
        waiting = [self]
        while waiting:
            node = waiting.pop()
            yield node
            waiting.extend(node.children.values())


class Places:
    """Several places of the tree at once: where a path with variables in it may lead.

    Two paths of the same form lead to the same object, so that what a form reads is found once.
    """

    __slots__ = ("_at", "_by_key", "_rules", "nodes")

    def __init__(self, nodes: list[Node]) -> None:
        self.nodes = nodes
        self._at: dict[Constant | None, Places] = {}
        self._by_key: dict[Constant, list[Node]] | None = None
        self._rules: tuple[Rule, ...] | None = None

    @property
    def rules(self) -> tuple[Rule, ...]:
        """The rules at these very places; the same object each time."""
        if self._rules is None:
            self._rules = tuple(rule for node in self.nodes for rule in node.rules)
        return self._rules

    def at(self, key: Constant | None) -> Places:
        """The places one constant on; all one on where `key` is None."""
        found = self._at.get(key)
        if found is None:
            if key is None:
                nodes = [child for node in self.nodes for child in node.children.values()]
            elif len(self.nodes) == 1:
                nodes = [self.nodes[0].children[key]] if key in self.nodes[0].children else []
            else:
                nodes = self._children().get(key, [])
            found = self._at[key] = Places(nodes)
        return found

    def _children(self) -> dict[Constant, list[Node]]:
        if self._by_key is None:
            self._by_key = {}
            for node in self.nodes:
                for key, child in node.children.items():
                    self._by_key.setdefault(key, []).append(child)
        return self._by_key


class RuleTree:
    """The rules by the constant prefix of their full path."""

    def __init__(self, modules: Iterable[Module]) -> None:
        self.root = Node("data", None)
        self._everywhere = Places([self.root])
        for module in modules:
            for rule in module.rules:
                self._place(rule).rules.append(rule)

    def _place(self, rule: Rule) -> Node:
        node = self.root
        for term in rule.head.ref[1:]:
            key = constant(term)
            if key is None:
                break
            child = node.children.get(key)
            if child is None:
                child = node.children[key] = Node(str(key[1]), node)
            node = child
        return node

    def find_names(self, path: Iterable[str]) -> Node | None:
        """The node at a path of names (after `data`)."""
        node = self.root
        for name in path:
            child = node.children.get(("str", name))
            if child is None:
                return None
            node = child
        return node

    def reached(self, path: tuple[Term, ...]) -> tuple[list[Places], Places]:
        """What `data` with `path` after it may read.

        The places met on the way, of which the rules at those very places are read; and the places at the end of the
        path, of which everything below is read too.
        """
        on_the_way: list[Places] = []
        places = self._everywhere
        for term in path:
            if not places.nodes:
                break
            places = places.at(constant(term))
            if places.rules:
                on_the_way.append(places)
        return on_the_way, places

    def function(self, call: Call) -> Rule | None:
        """The first definition of the user's function that a call names."""
        node = self.find_names(call.name[1:])
        if node is None:
            return None
        return next((rule for rule in node.rules if rule.head.args is not None), None)


def constant(term: Term) -> Constant | None:
    """A scalar as a key; None for any other term."""
    if not isinstance(term, Scalar):
        return None
    kind = type(term.value).__name__
    return ("number" if kind in ("int", "Decimal") else kind, term.value)


def is_global(term: Term, root: str = ROOTS[0]) -> bool:
    """Whether a resolved term is the document `root` or a reference into it."""
    head = term.head if isinstance(term, Ref) else term
    return isinstance(head, Var) and head.name == root


def rule_name(rule: Rule) -> str:
    """A rule's full name as a user would write it: `data.acme.roles[name]`."""
    parts: list[str] = []
    for term in rule.head.ref:
        if isinstance(term, Var):
            name = term.name.partition("#")[0]
            parts.append(f"[{name}]" if parts else name)
        elif isinstance(term, Scalar) and isinstance(term.value, str) and term.value.isidentifier():
            parts.append(f".{term.value}")
        elif isinstance(term, Scalar):
            value = term.value
            parts.append(f'["{value}"]' if isinstance(value, str) else f"[{str(value).lower()}]")
        else:
            parts.append("[…]")
    return "".join(parts)
