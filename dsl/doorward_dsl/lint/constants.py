"""Conditions that always or never hold, whatever is asked."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from doorward_dsl.diagnostics import Diagnostic
from doorward_dsl.lint.nodes import Part, nodes
from doorward_dsl.program import Program
from doorward_dsl.syntax import Array, Call, ExprTerm, Literal, Not, Rule, Scalar, Set, Term
from doorward_dsl.walk import rule_chain

__all__ = ["constant_conditions"]

_COMPARES: Final[Mapping[tuple[str, ...], Callable[[Any, Any], bool]]] = {
    ("equal",): operator.eq,
    ("neq",): operator.ne,
    ("lt",): operator.lt,
    ("lte",): operator.le,
    ("gt",): operator.gt,
    ("gte",): operator.ge,
}
_MEMBER: Final = ("internal", "member_2")


def constant_conditions(program: Program) -> Iterator[Diagnostic]:
    """Lines of bodies that are made of literals alone, or compare a thing with itself."""
    for module in program.modules:
        for part, node in nodes(module):
            if isinstance(node, Literal) and not node.withs and not _is_given(part, node):
                holds = _constant(node)
                if holds is not None:
                    said = "always holds" if holds else "never holds"
                    message = f"this condition {said}"
                    yield Diagnostic("ward_lint", message, node.span, "warning", rule="constant-condition")


def _is_given(part: Part, literal: Literal) -> bool:
    """Whether the line is the `true` that stands for a body that was left out."""
    if not isinstance(part, Rule):
        return False
    return any(
        link.body == (literal,) and literal.span.start <= link.head.span.start for link in rule_chain(part)
    )


def _constant(literal: Literal) -> bool | None:
    """Whether a line holds, where that can be said from its text."""
    expr, negated = literal.expr, False
    while isinstance(expr, Not):
        expr, negated = expr.expr, not negated
    holds = _holds(expr.term) if isinstance(expr, ExprTerm) else None
    return None if holds is None else holds is not negated


def _holds(term: Term) -> bool | None:
    if isinstance(term, Scalar):
        return term.value is not False
    if not isinstance(term, Call) or len(term.args) != 2:
        return None
    left, right = term.args
    if term.name == _MEMBER:
        return _is_member(left, right)
    compare = _COMPARES.get(term.name)
    if compare is None:
        return None
    if isinstance(left, Scalar) and isinstance(right, Scalar):
        if type(left.value) is not type(right.value) or left.value is None:
            return None
        return compare(left.value, right.value)
    if left.span.text == right.span.text and not isinstance(left, Call):
        return compare(0, 0)
    return None


def _is_member(item: Term, collection: Term) -> bool | None:
    if not isinstance(collection, Array | Set):
        return None
    if not isinstance(item, Scalar) or not all(isinstance(one, Scalar) for one in collection.items):
        return None
    return any(
        type(one.value) is type(item.value) and one.value == item.value
        for one in collection.items
        if isinstance(one, Scalar)
    )
