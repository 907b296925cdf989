"""Whether two texts say the same: their trees, without places, and their comments.

What the canonical form changes is no difference: the order of imports that stand together, `=` for `:=` in a rule's
head, the value `true` of a rule with a condition, and a condition that is the one word `true`.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from doorward_dsl.format.layout import Layout
from doorward_dsl.format.module import behind_imports, import_order
from doorward_dsl.format.rules import is_true
from doorward_dsl.source import NOWHERE
from doorward_dsl.syntax import Module, Rule, RuleHead, Scalar

__all__ = ["same_comments", "same_module", "same_tree"]

_TRUE = Scalar(True, NOWHERE)
_NOTATION = frozenset(("assign", "imports", "comments"))


def same_module(left: Module, right: Module) -> bool:
    """Whether two modules say the same, comments apart."""
    ordered = [sorted(module.imports, key=import_order) for module in (left, right)]
    return same_tree(left, right) and same_tree(*ordered)


def same_comments(left: Module, right: Module) -> bool:
    """Whether two modules have the same comments, in the same order, those behind imports behind the same ones."""
    return _comments(left) == _comments(right)


def _comments(module: Module) -> tuple[list[str], list[tuple[Any, str]]]:
    behind = behind_imports(module, module.comments, Layout(module.span.source))
    taken = set(behind.values())
    others = [comment.text.rstrip() for comment in module.comments if comment not in taken]
    return others, sorted((import_order(node), comment.text.rstrip()) for node, comment in behind.items())


def same_tree(left: Any, right: Any) -> bool:
    """Whether two trees, or lists of them, are equal but for their places."""
    waiting = [(left, right)]
    while waiting:
        one, other = waiting.pop()
        if type(one) is not type(other):
            return False
        if isinstance(one, Rule):
            one, other = _plain(one), _plain(other)
        if dataclasses.is_dataclass(one):
            waiting.extend((getattr(one, name), getattr(other, name)) for name in _fields(type(one)))
        elif isinstance(one, tuple | list):
            if len(one) != len(other):
                return False
            waiting.extend(zip(one, other, strict=True))
        elif one != other:
            return False
    return True


def _fields(node: type[Any]) -> tuple[str, ...]:
    names = [field.name for field in dataclasses.fields(node)]
    return tuple(name for name in names if not name.endswith("span") and name not in _NOTATION)


def _plain(rule: Rule) -> Rule:
    """A rule with its value, and without a condition that says nothing."""
    head: RuleHead = rule.head
    if head.value is None and head.key is None:
        head = dataclasses.replace(head, value=_TRUE)
    body = () if rule.else_ is None and is_true(rule.body) else rule.body
    return dataclasses.replace(rule, head=head, body=body)
