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
from doorward_dsl.check.described import reached
from doorward_dsl.check.fields import step
from doorward_dsl.check.tree import RuleTree, is_global
from doorward_dsl.check.typeops import values_of
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
    SomeIn,
    Statement,
    Term,
    Unify,
    Var,
)
from doorward_dsl.types import AnyType, ObjectType, Type, UnionType
from doorward_dsl.walk import expr_terms, open_terms, subterms

__all__ = ["check_absence"]

_ABSENCE_MEANS_NO: Final = frozenset({("equal",), ("internal", "member_2"), ("internal", "member_3")})


def check_absence(statement: Statement, request: Type, tree: RuleTree, data: Type) -> Iterator[Diagnostic]:
    """What in a restriction of requests of a type may be missing and is not handled.

    `tree` has the rules of the program, and `data` is the type of the base documents.
    """
    if isinstance(statement, Block | Approve | Mask) and statement.when is not None:
        yield from _Finder(request, tree, data).check(statement)


class _Finder:
    """Goes through the lines of one condition, in the order in which they run."""

    def __init__(self, request: Type, tree: RuleTree, data: Type) -> None:
        self._request = request
        self._tree = tree
        self._data = data
        self._bound: set[str] = set()
        self._aliases: dict[str, Ref] = {}
        """Variables that stand for a value that may be missing."""
        self._handled: set[str] = set()
        """References that have a line of their own, which says that the rest speaks of their presence."""
        self._held: dict[str, Type] = {}
        """Variables that hold a part of what a schema describes."""

    def check(self, statement: Block | Approve | Mask) -> Iterator[Diagnostic]:
        for literal in statement.when or ():
            self._handled |= {_text(ref) for ref in _tested(literal)}
        for literal in statement.when or ():
            if not literal.withs:
                for ref in self._risks(literal.expr):
                    yield _diagnostic(ref, type(statement).__name__.lower())
                self._hold(literal.expr)
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

    def _hold(self, expr: Expr) -> None:
        """Note what a line binds to a part of a base document."""
        pairs: list[tuple[Term, Type | None]] = []
        if isinstance(expr, SomeIn):
            domain = self._kind(expr.domain)
            pairs = [(expr.value, None if domain is None else values_of(without_null(domain)))]
        elif isinstance(expr, Assign):
            pairs = [(expr.target, self._kind(expr.value))]
        elif isinstance(expr, Unify):
            pairs = [(expr.left, self._kind(expr.right)), (expr.right, self._kind(expr.left))]
        for term, kind in pairs:
            if isinstance(term, Var) and kind is not None and term.name not in self._bound:
                self._held[term.name] = kind

    def _kind(self, term: Term) -> Type | None:
        """The type of a part of a base document; None of all else."""
        if isinstance(term, Var):
            return self._held.get(term.name)
        kind, path = self._start(term) if isinstance(term, Ref) else (None, ())
        for part in path:
            if kind is None or not _speaks_of(kind, part):
                return None
            kind = step(kind, part)
        return kind

    def _start(self, ref: Ref) -> tuple[Type | None, tuple[Term, ...]]:
        """The type of what a schema describes of where a reference starts, and the rest of its path."""
        if is_global(ref):
            kind, start = reached(self._tree, self._data, ref.path)
            return kind, ref.path[start:]
        return self._held.get(ref.head.name) if isinstance(ref.head, Var) else None, ref.path

    def _may_miss(self, ref: Ref) -> bool:
        if _text(ref) in self._handled:
            return False
        if is_global(ref, "input"):
            return self._field_may_miss(ref)
        held = isinstance(ref.head, Var) and ref.head.name in self._held
        return (held or is_global(ref)) and self._document_may_miss(ref)

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
        if not isinstance(present, ObjectType) or present.get(part.value) is None:
            return True
        return part.value in present.optional

    def _iterates(self, part: Term) -> bool:
        return isinstance(part, Var) and part.name not in self._bound

    def _document_may_miss(self, ref: Ref) -> bool:
        """Whether what is looked up in `data` need not be there: what a schema says so of, or a key that is not constant.

        A constant path is what the author knows to be there where no schema speaks of it.
        """
        kind, path = self._start(ref)
        for part in path:
            if kind is None or not _speaks_of(kind, part):
                kind = None
                if not isinstance(part, Scalar) and not self._iterates(part):
                    return True
            elif self._looks_up(kind, part):
                return True
            else:
                kind = step(kind, part)
        return False


def _speaks_of(kind: Type, part: Term) -> bool:
    """Whether a schema says what there is at a key."""
    if isinstance(kind, ObjectType) and kind.rest is not None and isinstance(kind.rest[0], AnyType):
        return isinstance(part, Scalar) and kind.get(part.value) is not None
    return not isinstance(kind, AnyType)


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
