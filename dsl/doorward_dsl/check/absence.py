"""Restrictions that a missing value would quietly switch off.

`block if resource.labels.team != "dba"` does not block when there is no such label: the comparison has no answer, so
the condition does not hold. In the condition of a `block`, `approve` or `mask`, a value that may be missing must
therefore not be compared by `!=`, by order, or through a function, unless its absence is handled. Equality and
membership are fine, as absence means no there; so are exceptions, where absence restricts. A negated line has no answer
either where something that it looks up is missing, unless that is the reference itself or a side of an equality.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from doorward_dsl.check.bindings import outputs
from doorward_dsl.check.fields import step
from doorward_dsl.check.tree import is_global
from doorward_dsl.diagnostics import Diagnostic
from doorward_dsl.schemas import without_null
from doorward_dsl.syntax import (
    Approve,
    Assign,
    Block,
    Call,
    Expr,
    ExprTerm,
    Literal,
    Mask,
    Not,
    Ref,
    Scalar,
    Statement,
    Term,
    Unify,
    Var,
)
from doorward_dsl.types import ObjectType, Type, UnionType
from doorward_dsl.walk import expr_terms, open_terms, subterms

__all__ = ["check_absence"]

_ABSENCE_MEANS_NO: Final = frozenset({("equal",), ("internal", "member_2"), ("internal", "member_3")})


def check_absence(statement: Statement, request: Type) -> Iterator[Diagnostic]:
    """What in a restriction of requests of a type may be missing and is not handled."""
    if isinstance(statement, Block | Approve | Mask) and statement.when is not None:
        yield from _Finder(request).check(statement)


class _Finder:
    """Goes through the lines of one condition, in the order in which they run."""

    def __init__(self, request: Type) -> None:
        self._request = request
        self._bound: set[str] = set()
        self._aliases: dict[str, Ref] = {}
        """Variables that stand for a value that may be missing."""
        self._handled: set[str] = set()
        """References that have a line of their own, which says that the rest speaks of their presence."""

    def check(self, statement: Block | Approve | Mask) -> Iterator[Diagnostic]:
        for literal in statement.when or ():
            self._handled |= {_text(ref) for ref in _tested(literal)}
        for literal in statement.when or ():
            if not literal.withs:
                for ref in self._risks(literal.expr):
                    yield _diagnostic(ref, type(statement).__name__.lower())
            self._bound |= outputs(literal, self._bound)

    def _risks(self, expr: Expr) -> Iterator[Ref]:
        if isinstance(expr, Assign | Unify):
            sides = (expr.target, expr.value) if isinstance(expr, Assign) else (expr.left, expr.right)
            for one, other in (sides, sides[::-1]):
                if isinstance(one, Var) and isinstance(other, Ref) and self._may_miss(other):
                    self._aliases[one.name] = other
            for side in sides:
                if isinstance(side, Call):
                    yield from self._in_arguments(side)
        elif isinstance(expr, Not):
            for term in open_terms(*expr_terms(expr.expr)):
                if isinstance(term, Var) and term.name in self._aliases:
                    yield self._aliases[term.name]
        elif isinstance(expr, ExprTerm) and isinstance(expr.term, Call):
            if expr.term.name in _ABSENCE_MEANS_NO:
                for arg in expr.term.args:
                    if isinstance(arg, Call):
                        yield from self._in_arguments(arg)
            else:
                yield from self._in_arguments(expr.term)

    def _in_arguments(self, call: Call) -> Iterator[Ref]:
        for term in open_terms(*call.args):
            if isinstance(term, Var) and term.name in self._aliases:
                yield self._aliases[term.name]
            elif isinstance(term, Ref) and self._may_miss(term):
                yield term

    def _may_miss(self, ref: Ref) -> bool:
        if _text(ref) in self._handled:
            return False
        if is_global(ref, "input"):
            return self._field_may_miss(ref)
        return is_global(ref) and self._document_may_miss(ref)

    def _field_may_miss(self, ref: Ref) -> bool:
        kind: Type | None = self._request
        for part in ref.path:
            if kind is None or self._looks_up(kind, part):
                return True
            kind = step(kind, part)
        return False

    def _looks_up(self, kind: Type, part: Term) -> bool:
        """Whether a path element asks for a member that need not be there."""
        present = without_null(kind)
        if not isinstance(part, Scalar):
            return not self._iterates(part)
        if present != kind or isinstance(present, UnionType):
            return True
        return not (isinstance(present, ObjectType) and present.get(part.value) is not None)

    def _iterates(self, part: Term) -> bool:
        return isinstance(part, Var) and part.name not in self._bound

    def _document_may_miss(self, ref: Ref) -> bool:
        """Whether a key that only the request knows is looked up in `data`."""
        return any(not isinstance(part, Scalar) and not self._iterates(part) for part in ref.path)


def _tested(literal: Literal) -> Iterator[Ref]:
    """The references that a line consists of."""
    expr = literal.expr
    if isinstance(expr, ExprTerm) and isinstance(expr.term, Ref) and not literal.withs:
        yield expr.term


def _text(term: Term) -> str:
    """A form of a reference by which two of the same are equal."""
    if isinstance(term, Var):
        return term.name
    if isinstance(term, Scalar):
        return repr(term.value)
    name = ".".join(term.name) if isinstance(term, Call) else type(term).__name__
    return f"{name}({', '.join(_text(part) for part in subterms(term))})"


def _diagnostic(ref: Ref, verb: str) -> Diagnostic:
    written = " ".join(ref.span.text.split())
    message = f"`{written}` may be missing, and then this {verb} would not apply"
    last = ref.path[-1]
    owner, _, _ = written.rpartition("." if written.endswith(f".{last.span.text}") else "[")
    key = f'"{last.value}"' if isinstance(last, Scalar) else last.span.text
    hint = f"give it a default with `object.get({owner}, {key}, …)`, or test it on a line of its own"
    return Diagnostic("ward_absence_error", message, ref.span, hint=hint)
