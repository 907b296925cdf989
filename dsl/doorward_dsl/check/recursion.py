"""Recursion: no rule may depend on itself, in however many steps.

The graph has the rules and the places of the rule tree as its nodes: a reference that reads a whole branch has one edge
to the branch, not one to each rule in it; and one that may lead to many places has one edge to all of them together. So
the graph stays linear in the size of the policies. It is found as it is walked: who starts from a few rules pays for
what those reach.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from doorward_dsl.check.tree import Node, RuleTree, rule_name
from doorward_dsl.diagnostics import Diagnostic
from doorward_dsl.mentions import Read
from doorward_dsl.syntax import Rule

__all__ = ["Graph", "Vertex", "check_recursion", "components"]

_LONGEST_WAY = 10
"""Rules of a cycle that a message names."""

_MOST_MESSAGES = 20
"""For one knot of rules: the way round is looked for from each rule anew."""

_MOST_APART = 4
"""Places that a reference may lead to, or definitions that a call may mean, each with an edge of its own."""


@dataclass(frozen=True, slots=True)
class Knot:
    """Many nodes of the graph that several rules read together, by the identity of what lists them."""

    key: int


Vertex: TypeAlias = Rule | Node | Knot


class Graph:
    """What each rule of a tree reads, and what each place holds. `reads` gives the references of a rule."""

    def __init__(self, tree: RuleTree, reads: Callable[[Rule], Iterable[Read]]) -> None:
        self._tree = tree
        self._reads = reads
        self._edges: dict[Vertex, Sequence[Vertex]] = {}

    def __getitem__(self, vertex: Vertex) -> Sequence[Vertex]:
        known = self._edges.get(vertex)
        if known is None:
            known = self._edges[vertex] = self._found(vertex)
        return known

    def _found(self, vertex: Vertex) -> Sequence[Vertex]:
        if isinstance(vertex, Node):
            return [*vertex.rules, *vertex.children.values()]
        if isinstance(vertex, Rule):
            reads = self._reads(vertex)
            return list(dict.fromkeys(other for read in reads for other in self._read(read)))
        raise AssertionError("a knot has its edges from the start")

    def _read(self, read: Read) -> list[Vertex]:
        if read.call:
            node = self._tree.find_names(str(key[1]) for key in read.path if key is not None)
            return [] if node is None else self._together(node.rules, node.rules)
        on_the_way, ends = self._tree.reached(read.path)
        found: list[Vertex] = []
        for places in on_the_way:
            found += self._together(places.rules, places.rules)
        return found + self._together(ends, ends.nodes)

    def _together(self, key: object, members: Sequence[Vertex]) -> list[Vertex]:
        """The members if they are few; else one vertex, the same for the same `key`, that leads to them all."""
        if len(members) <= _MOST_APART:
            return list(members)
        knot = Knot(id(key))
        self._edges.setdefault(knot, members)
        return [knot]


def check_recursion(graph: Graph, roots: Iterable[Rule], faulty: Container[object] = ()) -> list[Diagnostic]:
    """A message for each rule that `roots` reach and that depends on itself, with the way round; none for what is
    faulty anyway."""
    report = []
    for component in components(graph, roots):
        rules = [vertex for vertex in component if isinstance(vertex, Rule) and vertex not in faulty]
        if not rules or (len(component) == 1 and rules[0] not in graph[rules[0]]):
            continue
        members = set(component)
        rules.sort(key=lambda rule: (rule.span.source.name, rule.span.start))
        for rule in rules[:_MOST_MESSAGES]:
            way = _cycle(rule, graph, members)
            names = [rule_name(step) for step in way]
            if len(names) > _LONGEST_WAY:
                names[_LONGEST_WAY - 2 : -1] = ["…"]
            message = f"rule `{rule_name(rule)}` is recursive: {' -> '.join(names)}"
            steps = way[1:-1][:_LONGEST_WAY]
            notes = tuple((f"`{rule_name(step)}` is defined here", step.head.span) for step in steps)
            report.append(Diagnostic("rego_recursion_error", message, rule.head.span, notes=notes))
    return report


def _cycle(start: Rule, graph: Graph, members: set[Vertex]) -> list[Rule]:
    """The shortest way from a rule back to itself, places left out."""
    came: dict[Vertex, Vertex] = {}
    level: list[Vertex] = [start]
    while level:
        following: list[Vertex] = []
        for vertex in level:
            for other in graph[vertex]:
                if other is start:
                    way = [start]
                    step = vertex
                    while step is not start:
                        if isinstance(step, Rule):
                            way.append(step)
                        step = came[step]
                    return [start, *reversed(way[1:]), start]
                if other in members and other not in came:
                    came[other] = vertex
                    following.append(other)
        level = following
    return [start, start]


def components(graph: Graph, roots: Iterable[Vertex]) -> Iterator[list[Vertex]]:
    """The strongly connected components that `roots` reach, each after those it depends on (Tarjan's algorithm, without
    recursion)."""
    index: dict[Vertex, int] = {}
    low: dict[Vertex, int] = {}
    on_stack: set[Vertex] = set()
    stack: list[Vertex] = []
    for root in roots:
        if root in index:
            continue
        index[root] = low[root] = len(index)
        stack.append(root)
        on_stack.add(root)
        work = [(root, iter(graph[root]))]
        while work:
            vertex, rest = work[-1]
            for other in rest:
                if other not in index:
                    index[other] = low[other] = len(index)
                    stack.append(other)
                    on_stack.add(other)
                    work.append((other, iter(graph[other])))
                    break
                if other in on_stack:
                    low[vertex] = min(low[vertex], index[other])
            else:
                work.pop()
                if work:
                    parent = work[-1][0]
                    low[parent] = min(low[parent], low[vertex])
                if low[vertex] == index[vertex]:
                    component = []
                    while True:
                        member = stack.pop()
                        on_stack.discard(member)
                        component.append(member)
                        if member is vertex:
                            break
                    yield component
