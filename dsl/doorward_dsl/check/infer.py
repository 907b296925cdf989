"""Types: what each rule's value can be, and expressions that can therefore never mean anything.

Rules are taken in the order of their dependencies, so that what a reference reads is typed already. A variable gets its
type where it is first bound. What is not known is `any`, which goes with everything: only what can never hold is an
error, exactly as in Rego.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from functools import reduce
from typing import Final

from doorward_dsl.check.recursion import Graph, components
from doorward_dsl.check.terms import TermTypes
from doorward_dsl.check.tree import Node, RuleTree
from doorward_dsl.check.typeops import merged, scalar_type
from doorward_dsl.diagnostics import Diagnostic
from doorward_dsl.syntax import (
    Body,
    Module,
    Rule,
    RuleHead,
    Scalar,
    Statement,
    Term,
)
from doorward_dsl.types import ANY, BOOLEAN, STRING, FunctionType, ObjectType, SetType, Type, bounded, union
from doorward_dsl.walk import rule_chain, statement_terms

__all__ = ["ProgramTypes", "infer"]

_MOST_FIELDS: Final = 128
"""Branches of more rules than this are taken as objects of anything: types must not grow with the program."""


class ProgramTypes:
    """The types of the documents that rules define."""

    def __init__(self, tree: RuleTree) -> None:
        self.tree = tree
        self._values: dict[Node, Type] = {}
        self._extents: dict[Node, Type] = {}

    def add(self, node: Node, kind: Type) -> None:
        """Take in that some rule at `node` gives values of a type."""
        before = self._values.get(node)
        self._values[node] = bounded(kind if before is None else merged(before, kind))

    def value(self, node: Node) -> Type | None:
        """The type of what the rules at a node themselves define; None where no rule is."""
        return self._values.get(node, ANY) if node.rules else None

    def extent(self, node: Node) -> Type:
        """The type of everything at and below a node."""
        known = self._extents.get(node)
        if known is None:
            known = self._extents[node] = self._measure(node)
        return known

    def _measure(self, node: Node) -> Type:
        value = self.value(node)
        if value is not None:
            return ObjectType((), (ANY, ANY)) if node.children else value
        fields = []
        if len(node.children) <= _MOST_FIELDS:
            for (kind, key), child in sorted(node.children.items(), key=lambda entry: str(entry[0])):
                inner = self.extent(child) if child.rules and not child.children else ANY
                if kind == "str" and not isinstance(inner, FunctionType):
                    fields.append((key, inner))
        return bounded(ObjectType(tuple(fields), (STRING, ANY)))


def infer(
    modules: Iterable[Module],
    tree: RuleTree,
    graph: Graph,
    requests: Mapping[Module, Type],
    faulty: Container[Rule | Statement],
) -> list[Diagnostic]:
    """What is wrong with the types in modules. `requests` gives the type of `input` in each.

    Nothing is said of what is in `faulty`; its type is taken as `any`.
    """
    modules = list(modules)
    types = ProgramTypes(tree)
    request_of = {rule: requests[module] for module in modules for rule in module.rules}
    places = {rule: node for node in tree.root.below() for rule in node.rules}
    report: list[Diagnostic] = []
    for component in components(graph):
        for vertex in component:
            if not isinstance(vertex, Rule):
                continue
            if vertex in faulty or len(component) > 1:
                kind: Type = ANY
            else:
                kind = _rule(vertex, TermTypes(types, request_of[vertex], report))
            types.add(places[vertex], kind)
    for module in modules:
        for statement in module.statements:
            if statement not in faulty:
                _statement(statement, TermTypes(types, requests[module], report))
    return report


def _rule(rule: Rule, terms: TermTypes) -> Type:
    """The type of what a rule defines at the constant part of its name; `any` where something is wrong."""
    before = len(terms.report)
    kinds = []
    for link in rule_chain(rule):
        terms.clear()
        terms.body(link.body)
        kinds.append(_head(link.head, terms))
    if len(terms.report) > before:
        return ANY
    if all(isinstance(kind, FunctionType) for kind in kinds):
        return reduce(merged, kinds)
    return union(kinds) or ANY


def _head(head: RuleHead, terms: TermTypes) -> Type:
    for term in (*head.ref[1:], head.key, head.value):
        if term is not None:
            terms.visit(term)
    if head.key is not None:
        kind: Type = SetType(terms.kind(head.key) or ANY)
    else:
        kind = BOOLEAN if head.value is None else terms.kind(head.value) or ANY
    if head.args is not None:
        return FunctionType(tuple([terms.pattern(arg) for arg in head.args]), kind)
    dynamic = _dynamic(head.ref)
    for term in reversed(dynamic):
        if isinstance(term, Scalar):
            kind = ObjectType((), (scalar_type(term.value), kind))
        else:
            kind = ObjectType((), (terms.kind(term) or ANY, kind))
    return kind


def _dynamic(ref: tuple[Term, ...]) -> tuple[Term, ...]:
    """The part of a rule's name from its first element that is not a constant on."""
    for index, term in enumerate(ref[1:], start=1):
        if not isinstance(term, Scalar):
            return ref[index:]
    return ()


def _statement(statement: Statement, terms: TermTypes) -> None:
    body: Body = statement.when or ()
    terms.body(body)
    for term in statement_terms(statement):
        terms.visit(term)
    terms.body(statement.unless or ())
