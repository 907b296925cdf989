"""Definitions that cannot stand beside each other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Any

from doorward_dsl.check.changes import fresh
from doorward_dsl.check.tree import Node, RuleTree, rule_name
from doorward_dsl.diagnostics import Diagnostic
from doorward_dsl.source import Span
from doorward_dsl.syntax import Module, Rule, Scalar

__all__ = ["check_conflicts", "check_data_conflicts"]

_MOST_NOTES = 8


def check_conflicts(
    modules: Sequence[Module], tree: RuleTree, earlier: RuleTree | None = None
) -> list[Diagnostic]:
    """Rules that contradict each other, and rules where a package is. The modules, and the tree of them, are as parsed;
    what the tree has in common with an `earlier` one is known to be free of conflicts.
    """
    report: list[Diagnostic] = []
    names = _Names(modules)
    for node in tree.root.below() if earlier is None else fresh(tree, earlier):
        if node.rules:
            found = _conflict(node, names)
            if found is not None:
                report.append(found)
    if tree.clashes:
        report += _package_conflicts(modules, tree, names)
    return report


class _Names:
    """The full names of rules as parsed."""

    def __init__(self, modules: Sequence[Module]) -> None:
        self._modules = modules
        self._packages: dict[Rule, tuple[str, ...]] = {}

    def of(self, rule: Rule) -> str:
        """The name of a rule as a user would write it."""
        if not self._packages:  # only a message needs them
            self._packages = {one: module.package for module in self._modules for one in module.rules}
        return rule_name(rule, self._packages[rule])


def check_data_conflicts(tree: RuleTree, data: Mapping[str, Any]) -> list[Diagnostic]:
    """Rules at a place where the base documents have a value already."""
    report = []
    waiting: list[tuple[Node, Any]] = [(tree.root, data)]
    while waiting:
        node, value = waiting.pop()
        for rule in node.rules[:1]:
            place = "/".join(node.path[1:])
            message = f"conflicting rule for data path `{place}` found"
            hint = "the data files already define a value there"
            report.append(Diagnostic("rego_compile_error", message, rule.head.span, hint=hint))
        if not node.rules and isinstance(value, Mapping):
            waiting.extend((child, value[key]) for (_, key), child in node.children.items() if key in value)
    return report


def _conflict(node: Node, named: _Names) -> Diagnostic | None:
    rules = node.rules
    first = rules[0]
    ground = next((rule for rule in rules if _is_ground(rule)), None)
    if node.children:
        nodes = (inner for child in node.children.values() for inner in child.below())
        inside = (rule for inner in nodes for rule in inner.rules)
        if ground is None:  # the keys of an object may be where other rules are, but no function is a value
            inside = (rule for rule in inside if rule.head.args is not None)
        below = list(islice(inside, _MOST_NOTES))
        if below:
            names = ", ".join(f"`{named.of(rule)}`" for rule in below)
            notes = tuple((f"`{named.of(rule)}` is defined here", rule.head.span) for rule in below)
            return _error(f"rule `{_name(node)}` conflicts with {names}", (ground or first).head.span, notes)
    kinds = {rule.head.key is not None for rule in rules}
    arities = {len(rule.head.args) if rule.head.args is not None else None for rule in rules}
    places = {
        _is_ground(rule) for rule in rules
    }  # a value or a set here, or an object whose keys are worked out
    if len(kinds) > 1 or len(arities) > 1 or len(places) > 1:
        notes = tuple((_describe(rule), rule.head.span) for rule in rules)
        return _error(f"conflicting rules `{_name(node)}` found", first.head.span, notes)
    defaults = [rule for rule in rules if rule.default]
    if len(defaults) > 1:
        notes = tuple(("default given here", rule.head.span) for rule in defaults)
        return _error(f"multiple default rules `{_name(node)}` found", defaults[1].head.span, notes)
    return None


def _name(node: Node) -> str:
    return ".".join(node.path)


def _describe(rule: Rule) -> str:
    if rule.head.args is not None:
        count = len(rule.head.args)
        return f"a function of {count} argument{'' if count == 1 else 's'} here"
    if rule.head.key is not None:
        return "a set here (`contains`)"
    return "a single value here" if _is_ground(rule) else "an object, by its keys, here"


def _is_ground(rule: Rule) -> bool:
    return all(isinstance(term, Scalar) for term in rule.head.ref[1:])


def _package_conflicts(modules: Iterable[Module], tree: RuleTree, names: _Names) -> list[Diagnostic]:
    packages: dict[tuple[str, ...], list[Module]] = {}
    for module in modules:
        packages.setdefault(module.package, []).append(module)
    report = []
    for package, members in sorted(packages.items()):
        node = tree.find_names(package)
        rule = None if node is None else next(filter(_is_ground, node.rules), None)
        if rule is not None:
            name = ".".join(("data", *package))
            message = f"package `{'.'.join(package)}` conflicts with rule `{name}`"
            notes = ((f"`{names.of(rule)}` is defined here", rule.head.span),)
            report.append(_error(message, members[0].package_span, notes))
    return report


def _error(message: str, span: Span, notes: tuple[tuple[str, Span], ...]) -> Diagnostic:
    return Diagnostic("rego_type_error", message, span, notes=notes[:_MOST_NOTES])
