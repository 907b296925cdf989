"""Resolved trees turned back into what a user could have written.

`resolve` gives every variable of a rule a name of its own (`x#2`) and every global its full path. Here names become
legal again, and rules of the own package lose their path.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from doorward_dsl.resolve.globals import ROOTS
from doorward_dsl.syntax import (
    Array,
    Assign,
    Body,
    Call,
    Every,
    Expr,
    ExprTerm,
    Literal,
    Not,
    Object,
    ObjectComprehension,
    Ref,
    Rule,
    RuleHead,
    Scalar,
    Set,
    SetComprehension,
    SomeDecl,
    SomeIn,
    Template,
    Term,
    Unify,
    Var,
    With,
)

__all__ = ["Plain"]


class Plain:
    """Turns the parts of one rule back; `taken` are names that no variable may have."""

    def __init__(self, package: tuple[str, ...], taken: Iterable[str]) -> None:
        self._package = package
        self._names: dict[str, str] = {}
        self._taken = {*taken, *ROOTS}

    def name(self, unique: str) -> str:
        """A variable's name as it can be written; the same each time it is asked for."""
        if unique in ROOTS:
            return unique
        known = self._names.get(unique)
        if known is not None:
            return known
        base, _, _ = unique.partition("#")
        if base == "_":
            return "_"
        base = "value" if base == "$" else base
        name, number = base, 1
        while name in self._taken:
            number += 1
            name = f"{base}_{number}"
        self._taken.add(name)
        self._names[unique] = name
        return name

    # --- terms -------------------------------------------------------------------------------------------------

    def term(self, term: Term) -> Term:
        """A term with legal names."""
        if isinstance(term, Scalar):
            return term
        if isinstance(term, Var):
            return Var(self.name(term.name), term.span)
        if isinstance(term, Ref):
            return self._ref(term)
        if isinstance(term, Call):
            return self._call(term)
        if isinstance(term, Array | Set):
            return replace(term, items=self._terms(term.items))
        if isinstance(term, Object):
            pairs = tuple((self.term(key), self.term(value)) for key, value in term.pairs)
            return Object(pairs, term.span)
        if isinstance(term, Template):
            return Template(tuple(self._part(part) for part in term.parts), term.span)
        if isinstance(term, ObjectComprehension):
            body = self.body(term.body)
            return ObjectComprehension(self.term(term.key), self.term(term.value), body, term.span)
        return replace(term, head=self.term(term.head), body=self.body(term.body))

    def _terms(self, terms: tuple[Term, ...]) -> tuple[Term, ...]:
        return tuple([self.term(term) for term in terms])

    def _part(self, part: str | Term | Literal) -> str | Term | Literal:
        if isinstance(part, str):
            return part
        return self._literal(part) if isinstance(part, Literal) else self.term(part)

    def _ref(self, ref: Ref) -> Term:
        path = self._terms(ref.path)
        if isinstance(ref.head, Var) and ref.head.name == "data":
            depth = len(self._package)
            leading = [part.value if isinstance(part, Scalar) else None for part in path[: depth + 1]]
            if len(leading) == depth + 1 and leading[:-1] == list(self._package) and _is_name(leading[-1]):
                own = Var(str(leading[-1]), ref.span)
                return Ref(own, path[depth + 1 :], ref.span) if path[depth + 1 :] else own
        return Ref(self.term(ref.head), path, ref.span)

    def _call(self, call: Call) -> Call:
        if call.name == ("internal", "print") and isinstance(call.args[0], Array):
            printed = [part.body[0].expr for part in call.args[0].items if isinstance(part, SetComprehension)]
            args = tuple(self.term(expr.right) for expr in printed if isinstance(expr, Unify))
            return Call(("print",), args, call.span, call.name_span)
        name = call.name
        if name[:-1] == ("data", *self._package):
            name = name[-1:]
        return Call(name, self._terms(call.args), call.span, call.name_span)

    # --- bodies ------------------------------------------------------------------------------------------------

    def body(self, body: Body) -> Body:
        """The lines of a body with legal names."""
        return tuple([self._literal(literal) for literal in body])

    def _literal(self, literal: Literal) -> Literal:
        withs = tuple(
            With(self.term(modifier.target), self.term(modifier.value), modifier.span)
            for modifier in literal.withs
        )
        return Literal(self._expr(literal.expr), withs, literal.span)

    def _expr(self, expr: Expr) -> Expr:
        if isinstance(expr, ExprTerm):
            return ExprTerm(self.term(expr.term), expr.span)
        if isinstance(expr, Assign):
            return Assign(self.term(expr.target), self.term(expr.value), expr.span)
        if isinstance(expr, Unify):
            return Unify(self.term(expr.left), self.term(expr.right), expr.span)
        if isinstance(expr, SomeIn):
            key = None if expr.key is None else self.term(expr.key)
            return SomeIn(key, self.term(expr.value), self.term(expr.domain), expr.span)
        if isinstance(expr, Every):
            key_var = None if expr.key is None else self._var(expr.key)
            domain = self.term(expr.domain)
            return Every(key_var, self._var(expr.value), domain, self.body(expr.body), expr.span)
        if isinstance(expr, Not):
            return Not(self._expr(expr.expr), expr.span)
        return SomeDecl(tuple(self._var(name) for name in expr.names), expr.span)

    def _var(self, var: Var) -> Var:
        return Var(self.name(var.name), var.span)

    # --- rules -------------------------------------------------------------------------------------------------

    def rule(self, rule: Rule) -> Rule:
        """A rule, and its `else` chain, under its name in the package."""
        chain: list[Rule] = []
        link: Rule | None = rule
        while link is not None:
            chain.append(replace(link, head=self._head(link.head), body=self.body(link.body), else_=None))
            link = link.else_
        whole = chain.pop()
        while chain:
            whole = replace(chain.pop(), else_=whole)
        return whole

    def _head(self, head: RuleHead) -> RuleHead:
        own = head.ref[len(self._package) + 1 :]
        first = own[0]
        name = Var(str(first.value), first.span) if isinstance(first, Scalar) else first
        return replace(
            head,
            ref=(name, *self._terms(own[1:])),
            args=None if head.args is None else self._terms(head.args),
            key=None if head.key is None else self.term(head.key),
            value=None if head.value is None else self.term(head.value),
        )


def _is_name(value: object) -> bool:
    return isinstance(value, str) and value.isidentifier() and value not in ROOTS
