"""Recursion: no rule may depend on itself, in however many steps.

The graph has the rules and the places of the rule tree as its nodes: a reference that reads a whole branch has one edge
to the branch, not one to each rule in it; and one that may lead to many places has one edge to all of them together. So
the graph stays linear in the size of the policies.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from doorward_dsl.check.tree import Node, RuleTree, is_global, rule_name
from doorward_dsl.diagnostics import Diagnostic
from doorward_dsl.syntax import Call, Ref, Rule, Term, Var
from doorward_dsl.walk import deep_terms, head_terms, rule_chain

__all__ = ["Graph", "check_recursion", "components", "dependencies", "rule_terms"]

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
Graph: TypeAlias = Mapping[Vertex, Sequence[Vertex]]


def rule_terms(rule: Rule) -> Iterator[Term]:
    """Every term of a rule and its `else` chain, at any depth."""
    for link in rule_chain(rule):
        yield from deep_terms(*head_terms(link.head), bodies=[link.body])


def dependencies(tree: RuleTree) -> dict[Vertex, list[Vertex]]:
    """What each rule reads, and what each place holds."""
    graph: dict[Vertex, list[Vertex]] = {}
    for node in tree.root.below():
        graph[node] = [*node.rules, *node.children.values()]
        for rule in node.rules:
            graph[rule] = list(_reads(rule, tree, graph))
    return graph


def _reads(rule: Rule, tree: RuleTree, graph: dict[Vertex, list[Vertex]]) -> Iterator[Vertex]:
    seen: set[Vertex] = set()
    heads: set[Term] = set()
    for term in rule_terms(rule):
        found: list[Vertex] = []
        if isinstance(term, Ref) and is_global(term):
            heads.add(term.head)
            found = _read(term.path, tree, graph)
        elif isinstance(term, Var) and term.name == "data" and term not in heads:
            found = [tree.root]
        elif isinstance(term, Call) and term.name[0] == "data":
            node = tree.find_names(term.name[1:])
            found = [] if node is None else _together(node.rules, node.rules, graph)
        for vertex in found:
            if vertex not in seen:
                seen.add(vertex)
                yield vertex


def _read(path: tuple[Term, ...], tree: RuleTree, graph: dict[Vertex, list[Vertex]]) -> list[Vertex]:
    on_the_way, ends = tree.reached(path)
    found: list[Vertex] = []
    for places in on_the_way:
        found += _together(places.rules, places.rules, graph)
    return found + _together(ends, ends.nodes, graph)


def _together(key: object, members: Sequence[Vertex], graph: dict[Vertex, list[Vertex]]) -> list[Vertex]:
    """The members if they are few; else one node of the graph, the same for the same `key`, that leads to them all."""
    if len(members) <= _MOST_APART:
        return list(members)
    knot = Knot(id(key))
    if knot not in graph:
        graph[knot] = list(members)
    return [knot]


def check_recursion(graph: Graph, faulty: Container[object] = ()) -> list[Diagnostic]:
    """A message for each rule that depends on itself, with the way round; none for what is faulty anyway."""
    report = []
    for component in components(graph):
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


def components(graph: Graph) -> Iterator[list[Vertex]]:
    """The strongly connected components, each after those it depends on (Tarjan's algorithm, without recursion)."""
    index: dict[Vertex, int] = {}
    low: dict[Vertex, int] = {}
    on_stack: set[Vertex] = set()
    stack: list[Vertex] = []
    for root in graph:
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
