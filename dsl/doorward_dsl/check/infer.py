"""Types: what each rule's value can be, and expressions that can therefore never mean anything.

Rules are taken in the order of their dependencies, so that what a reference reads is typed already. A variable gets its
type where it is first bound. What is not known is `any`, which goes with everything: only what can never hold is an
error, exactly as in Rego.

What was found in an earlier revision holds for every rule and statement none of whose mentions a change has touched.
That a rule's type has changed is itself a change, for those who mention it.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Final, Protocol, TypeAlias

from doorward_dsl.check.changes import DEEPEST, Key, differences, reshaped, touched
from doorward_dsl.check.recursion import Graph, components
from doorward_dsl.check.terms import TermTypes
from doorward_dsl.check.tree import Node, RuleTree
from doorward_dsl.check.typeops import merged, scalar_type
from doorward_dsl.diagnostics import Diagnostic
from doorward_dsl.mentions import Read, keys_of
from doorward_dsl.syntax import (
    Body,
    Rule,
    RuleHead,
    Scalar,
    Statement,
    Term,
)
from doorward_dsl.types import ANY, BOOLEAN, STRING, FunctionType, ObjectType, SetType, Type, bounded, union
from doorward_dsl.walk import rule_chain, statement_terms

__all__ = ["ProgramTypes", "Referring", "Typed", "check_query", "infer"]

_MOST_FIELDS: Final = 128
"""Branches of more rules than this are taken as objects of anything: types must not grow with the program."""

Part: TypeAlias = Rule | Statement


class ProgramTypes:
    """The types of the documents that rules define. `types` gives those of the rules that are known.

    `data` is the type of the base documents.
    """

    def __init__(self, tree: RuleTree, types: Mapping[Rule, Type], data: Type = ANY) -> None:
        self.tree = tree
        self.data = data
        self._types = types
        self._values: dict[Node, Type] = {}
        self._extents: dict[Node, Type] = {}

    def value(self, node: Node) -> Type | None:
        """The type of what the rules at a node themselves define; None where no rule is."""
        if not node.rules:
            return None
        known = self._values.get(node)
        if known is None:
            known = self._values[node] = self.present(node)
        return known

    def present(self, node: Node) -> Type:
        """The same, as far as it is known by now."""
        whole: Type | None = None
        for rule in node.rules:
            kind = self._types.get(rule, ANY)
            whole = bounded(kind if whole is None else merged(whole, kind))
        return whole or ANY

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


class Referring(Protocol):
    """A module, ordered, and what is known of its references."""

    @property
    def parts(self) -> Sequence[Part]:
        """Its rules and statements."""

    @property
    def mentions(self) -> frozenset[Key]:
        """Keys of all that they refer to."""

    @property
    def request(self) -> Type:
        """The type of `input` in them."""

    @property
    def whole(self) -> bool:
        """Whether it is Rego, and negates whole lines."""

    def reads(self, part: Part) -> tuple[Read, ...]:
        """What one of them refers to."""


@dataclass(frozen=True, slots=True)
class Typed:
    """The types of the rules of a tree, and what there is to say of rules and statements."""

    tree: RuleTree
    data: Type
    """That of the base documents."""
    types: Mapping[Rule, Type]
    told: Mapping[Part, Sequence[Diagnostic]]

    def documents(self) -> ProgramTypes:
        """The types by place."""
        return ProgramTypes(self.tree, self.types, self.data)


def infer(
    modules: Iterable[Referring],
    fresh: Sequence[Referring],
    owners: Mapping[Part, Referring],
    tree: RuleTree,
    graph: Graph,
    faulty: Container[Part],
    data: Type,
    earlier: Typed | None = None,
) -> Typed:
    """The types of all rules of a tree, and what is wrong with the types in them and in the statements.

    `fresh` are the modules that `earlier` does not know; `owners` has the module of every rule and statement. Nothing is
    said of what is in `faulty`; its type is taken as `any`. `data` is the type of the base documents, as it was earlier.
    """
    inference = _Inference(fresh, owners, tree, graph, faulty, data, earlier)
    waiting: list[Part] = [part for module in fresh for part in module.parts]
    while waiting:
        inference.take(waiting)
        waiting = inference.touched_since(modules)
    return inference.finished()


def check_query(body: Body, typed: Typed) -> list[Diagnostic]:
    """What is wrong with the types in a query's body, resolved and in order."""
    report: list[Diagnostic] = []
    TermTypes(typed.documents(), ANY, report, comparing=False).body(body)
    return report


class _Inference:
    """One run. What was known earlier is copied, and then brought up to date."""

    def __init__(
        self,
        fresh: Sequence[Referring],
        owners: Mapping[Part, Referring],
        tree: RuleTree,
        graph: Graph,
        faulty: Container[Part],
        data: Type,
        earlier: Typed | None,
    ) -> None:
        self._fresh = set(fresh)
        self._owners = owners
        self._tree = tree
        self._graph = graph
        self._faulty = faulty
        self._before = None if earlier is None else earlier.documents()
        self._types: dict[Rule, Type] = {}
        self._told: dict[Part, list[Diagnostic]] = {}
        self._touched: set[Key] = set()
        self._visited: set[Part] = set()
        self._statements: dict[Statement, None] = {}
        """Those to be looked at once all rules have their types."""
        if earlier is not None:
            self._types = dict(earlier.types)
            for rule in [rule for rule in earlier.types if rule not in owners]:
                del self._types[rule]
            self._told = {part: list(said) for part, said in earlier.told.items() if part in owners}
            self._touched = reshaped(differences(earlier.tree, tree))
        self._documents = ProgramTypes(tree, self._types, data)

    def take(self, parts: Iterable[Part]) -> None:
        """Find the types of rules, and of those they refer to first, as far as they are out of date."""
        rules: list[Rule] = []
        for part in parts:
            if isinstance(part, Rule):
                rules.append(part)
            else:
                self._statements[part] = None
        for component in components(self._graph, rules):
            for vertex in component:
                if isinstance(vertex, Rule) and vertex not in self._visited:
                    self._visited.add(vertex)
                    if self._is_due(vertex):
                        self._rule(vertex, alone=len(component) == 1)

    def touched_since(self, modules: Iterable[Referring]) -> list[Part]:
        """The rules and statements that mention what was touched, and have not been looked at since."""
        if not self._touched:
            return []
        return [
            part
            for module in modules
            if not module.mentions.isdisjoint(self._touched)
            for part in module.parts
            if part not in self._visited and part not in self._statements and self._is_due(part)
        ]

    def finished(self) -> Typed:
        """All types, and all there is to say."""
        for statement in self._statements:
            self._told.pop(statement, None)
            if statement not in self._faulty:
                report: list[Diagnostic] = []
                _statement(statement, TermTypes(self._documents, self._owners[statement].request, report))
                if report:
                    self._told[statement] = report
        return Typed(self._tree, self._documents.data, self._types, self._told)

    def _is_due(self, part: Part) -> bool:
        module = self._owners[part]
        if module in self._fresh:
            return True
        if module.mentions.isdisjoint(self._touched):
            return False
        return not keys_of(module.reads(part)).isdisjoint(self._touched)

    def _rule(self, rule: Rule, *, alone: bool) -> None:
        report: list[Diagnostic] = []
        kind: Type = ANY
        if alone and rule not in self._faulty:
            owner = self._owners[rule]
            kind = _rule(rule, TermTypes(self._documents, owner.request, report, whole=owner.whole))
        self._types[rule] = kind
        self._told.pop(rule, None)
        if report:
            self._told[rule] = report
        if self._before is not None:
            self._compare(rule, self._before)

    def _compare(self, rule: Rule, earlier: ProgramTypes) -> None:
        """Note that the place of a rule has another type than it had, once all rules there have one."""
        node, before = self._tree.place(rule), earlier.tree.place(rule)
        if node is None or before is None or not before.rules:
            return  # a place that came or went has been touched already
        known = all(other in self._types for other in node.rules)
        if known and earlier.value(before) != self._documents.present(node):
            self._touched.update(touched(node.path[1:][:DEEPEST]))


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
