"""All rules of a program by place: what a reference may read, found without trying every rule.

A tree never changes. Where a package has the same files as in an earlier tree, its branch *is* that tree's, so that two
trees are compared by looking at what differs alone.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Set
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Final, TypeAlias

from doorward_dsl.resolve.globals import ROOTS
from doorward_dsl.syntax import Call, Module, Ref, Rule, Scalar, Term, Var

__all__ = ["Constant", "Node", "Places", "RuleTree", "Way", "constant", "is_global", "rule_name"]

Constant: TypeAlias = tuple[str, bool | str | int | Decimal | None]
"""A scalar with its kind, so that `1` and `true` differ."""

Package: TypeAlias = tuple[str, ...]


_MOST_GRAFTS: Final = 4
"""Branches that are put in the place of others; from more on, joining all anew is quicker."""


class Node:
    """One place below `data`: the rules there and the places below it."""

    __slots__ = ("_package", "_parent", "children", "name", "rules")

    def __init__(self, name: str, parent: Node | tuple[Package, int]) -> None:
        self.name = name
        """The last element of its path as text."""
        # Of a place that is a package, or leads to one, the package and how much of its name is the path: such places
        # are shared by trees, and have no one parent.
        self._parent = parent if isinstance(parent, Node) else None
        self._package = None if isinstance(parent, Node) else parent
        self.rules: list[Rule] = []
        self.children: dict[Constant, Node] = {}

    @property
    def path(self) -> tuple[str, ...]:
        """Constant path elements as text, `data` first."""
        names: list[str] = []
        node: Node = self
        while node._parent is not None:
            names.append(node.name)
            node = node._parent
        package, length = node._package or ((), 0)
        return ("data", *package[:length], *reversed(names))

    @property
    def names_only(self) -> bool:
        """Whether what it has, or leads to, is packages and rules that are named by one word, and nothing else."""
        return (
            self._parent is None
            and bool(self.children)
            and all(child._parent is None or not child.children for child in self.children.values())
        )

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


@dataclass(frozen=True, slots=True)
class _Branch:
    """The rules of one package's modules, and their names."""

    modules: tuple[Module, ...]
    root: Node
    names: frozenset[str]


@dataclass(slots=True)
class Way:
    """A step on the way to packages: the branch of the package that it is, if it is one, and the steps on from it."""

    package: Package
    length: int
    branch: _Branch | None = None
    on: dict[str, Way] = field(default_factory=dict)
    node: Node | None = None


class RuleTree:
    """The rules by the constant prefix of their full path.

    The modules are in order (see `resolve`), all as parsed or all resolved (`resolved`). What an `earlier` tree of the
    same sort has of the same modules is taken from there.
    """

    def __init__(
        self, modules: Iterable[Module], *, resolved: bool = True, earlier: RuleTree | None = None
    ) -> None:
        self.modules: dict[Module, None] = dict.fromkeys(modules)
        before: Collection[Module] = () if earlier is None else earlier.modules.keys()
        others = {module.package for module in self.modules.keys() ^ before}
        members: dict[Package, list[Module]] = {package: [] for package in others}
        for module in [module for module in self.modules if module.package in others]:
            members[module.package].append(module)
        self.branches: dict[Package, _Branch] = {} if earlier is None else dict(earlier.branches)
        for package, some in members.items():
            if some:
                self.branches[package] = _grow(package, tuple(some), resolved)
            else:
                del self.branches[package]
        self.ways: Way
        """The ways to all packages, those without rules too."""
        self.clashes = False
        """Whether some package may be where a rule is."""
        self._itself = object()
        self._since: tuple[object, set[Package]] | None = None
        """Another tree, and the packages whose branches alone are others there."""
        if earlier is not None and not earlier.clashes and len(others) <= _MOST_GRAFTS:
            self._since = earlier._itself, others
            self.ways = earlier.ways
            for package in others:
                self._graft(package)
        else:
            self.ways = Way((), 0)
            self._join()
        self.root = self.ways.node or Node("data", ((), 0))
        self._everywhere = Places([self.root])

    def _graft(self, package: Package) -> None:
        """Put the branch of a package, or none, in the place of an earlier one; the earlier tree keeps its own."""
        way = self.ways = replace(self.ways, on=dict(self.ways.on))
        ways = [way]
        for length, name in enumerate(package, start=1):
            following = way.on.get(name)
            if following is None:
                following = Way(package, length)
                way.on = dict(sorted([*way.on.items(), (name, following)]))
            else:
                following = way.on[name] = replace(following, on=dict(following.on))
            way = following
            ways.append(way)
        way.branch = self.branches.get(package)
        for length in range(len(package), -1, -1):
            way = ways[length]
            if length and way.branch is None and not way.on:
                del ways[length - 1].on[package[length - 1]]
            elif length == len(package):
                way.node = self._joined(way)
            else:
                way.node = self._rejoined(way, package[length])

    def _join(self) -> None:
        """Put the branches of all packages on one tree."""
        root = self.ways
        ways = [root]
        for package, branch in sorted(self.branches.items()):
            way = root
            for length, name in enumerate(package, start=1):
                following = way.on.get(name)
                if following is None:
                    following = way.on[name] = Way(package, length)
                    ways.append(following)
                way = following
            way.branch = branch
        for way in reversed(ways):  # each after all that it leads to
            way.node = self._joined(way)

    def _joined(self, way: Way) -> Node | None:
        own = None if way.branch is None else way.branch.root
        if not way.on:
            return own if own is not None and own.children else None
        node = Node(way.package[way.length - 1] if way.length else "data", (way.package, way.length))
        if own is None or not own.children:
            node.children = {("str", name): on.node for name, on in way.on.items() if on.node is not None}
            return node if node.children else None
        node.children.update(own.children)
        for name, on in way.on.items():
            key = ("str", name)
            there = node.children.get(key)
            if there is not None:
                self.clashes = True
            if on.node is not None:
                node.children[key] = on.node if there is None else _merged(there, on.node)
        return node if node.children else None

    def _rejoined(self, way: Way, name: str) -> Node | None:
        """The node of a way on which one step alone is another than it was."""
        before, following, key = way.node, way.on.get(name), ("str", name)
        node = None if following is None else following.node
        own = () if way.branch is None else way.branch.root.children
        if before is None or key in own or (node is not None and key not in before.children):
            return self._joined(way)
        made = Node(before.name, (way.package, way.length))
        made.children = dict(before.children)
        if node is None:
            made.children.pop(key, None)
        else:
            made.children[key] = node
        return made if made.children else None

    def changed_since(self, other: RuleTree) -> Set[Package] | None:
        """The packages whose branches alone are others than in another tree; None where that is not known."""
        return self._since[1] if self._since is not None and self._since[0] is other._itself else None

    def names(self, package: Package) -> frozenset[str]:
        """The names of the rules of a package."""
        branch = self.branches.get(package)
        return frozenset() if branch is None else branch.names

    @property
    def arities(self) -> Mapping[tuple[str, ...], int]:
        """How many arguments the functions take, by full name (`data` first)."""
        return _Arities(self)

    def find_names(self, path: Iterable[str]) -> Node | None:
        """The node at a path of names (after `data`)."""
        node = self.root
        for name in path:
            child = node.children.get(("str", name))
            if child is None:
                return None
            node = child
        return node

    def reached(self, path: Iterable[Constant | None]) -> tuple[list[Places], Places]:
        """What `data` with `path` after it may read; None in it stands for anything.

        The places met on the way, of which the rules at those very places are read; and the places at the end of the
        path, of which everything below is read too.
        """
        on_the_way: list[Places] = []
        places = self._everywhere
        for key in path:
            if not places.nodes:
                break
            places = places.at(key)
            if places.rules:
                on_the_way.append(places)
        return on_the_way, places

    def place(self, rule: Rule) -> Node | None:
        """The node at the place of a resolved rule, be it of this tree or of another."""
        node: Node | None = self.root
        for key in _keys(rule.head.ref[1:]):
            node = node.children.get(key) if node is not None else None
        return node

    def function(self, call: Call) -> Rule | None:
        """The first definition of the user's function that a call names."""
        node = self.find_names(call.name[1:])
        if node is None:
            return None
        return next((rule for rule in node.rules if rule.head.args is not None), None)


class _Arities(Mapping[tuple[str, ...], int]):
    """Asked for a few names: the others are not gathered."""

    def __init__(self, tree: RuleTree) -> None:
        self._tree = tree

    def __getitem__(self, name: tuple[str, ...]) -> int:
        node = self._tree.find_names(name[1:])
        for rule in () if node is None else node.rules:
            if rule.head.args is not None:
                return len(rule.head.args)
        raise KeyError(name)

    def __iter__(self) -> Iterator[tuple[str, ...]]:
        paths = (node.path for node in self._tree.root.below() if node.rules)
        return (path for path in paths if path in self)

    def __len__(self) -> int:
        return sum(1 for _ in self)


def _grow(package: Package, modules: tuple[Module, ...], resolved: bool) -> _Branch:
    """The branch of a package."""
    root = Node(package[-1] if package else "data", (package, len(package)))
    first = 1 + len(package) if resolved else 0
    for module in modules:
        for rule in module.rules:
            node = root
            for key in _keys(rule.head.ref[first:]):
                child = node.children.get(key)
                if child is None:
                    child = node.children[key] = Node(str(key[1]), node)
                node = child
            node.rules.append(rule)
    return _Branch(modules, root, frozenset(str(name) for _, name in root.children))


def _keys(ref: tuple[Term, ...]) -> Iterator[Constant]:
    """The constants that a rule's name in its package starts with."""
    first = ref[0]
    if isinstance(first, Var):  # as parsed: later passes spell it as a text
        yield "str", first.name
        ref = ref[1:]
    for term in ref:
        key = constant(term)
        if key is None:
            return
        yield key


def _merged(one: Node, other: Node) -> Node:
    """What rules of one package and other packages have at the same place."""
    path = one.path[1:]
    top = Node(one.name, (path, len(path)))
    waiting = [(top, one, other)]
    while waiting:
        made, first, second = waiting.pop()
        made.rules = [*first.rules, *second.rules]
        made.children = {**first.children, **second.children}
        for key in first.children.keys() & second.children.keys():
            made.children[key] = inner = Node(str(key[1]), made)
            waiting.append((inner, first.children[key], second.children[key]))
    return top


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


def rule_name(rule: Rule, package: Package | None = None) -> str:
    """A rule's full name as a user would write it: `data.acme.roles[name]`. A rule as parsed needs its `package`."""
    parts: list[str] = []
    ref = rule.head.ref
    if package is not None:
        first = ref[0]
        own = first.name if isinstance(first, Var) else str(constant(first))
        names = tuple(Scalar(name, first.span) for name in (*package, own))
        ref = (Var("data", first.span), *names, *ref[1:])
    for term in ref:
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
