"""Taking lines apart whose arguments iterate over what the line uses elsewhere.

In `k > xs[k]` the second argument binds what the first one needs. Such a line becomes two, `$ = xs[k]; k > $`, so that
whoever runs a line can work out its arguments from left to right.

Negation speaks of a call or a comparison, not of whether its arguments exist: `not startswith(input.name, "a")` has no
answer where there is no name, just as without the `not`. So what a negated line has to look up or to call first gets a
line of its own before it. Only a reference, alone or as a side of `==` and `=`, is negated with its absence. So it is
in Rego v1; a module that imports the newer `not` negates the whole line instead.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Set
from dataclasses import replace
from typing import Final

from doorward_dsl.resolve.globals import ROOTS
from doorward_dsl.syntax import (
    Array,
    Assign,
    Body,
    Call,
    Expr,
    ExprTerm,
    Literal,
    Module,
    Not,
    Object,
    Ref,
    Scalar,
    Term,
    Unify,
    Var,
    With,
)
from doorward_dsl.syntax import Set as SetTerm
from doorward_dsl.walk import expr_terms, open_terms, open_vars

__all__ = ["Splitter", "negates_whole_lines"]

_NEWER_NOT: Final = (("future", "keywords"), ("future", "keywords", "not"), ("rego", "v2"))


def negates_whole_lines(module: Module) -> bool:
    """Whether a module, as parsed, imports the `not` that holds as well where something in its line is missing."""
    return any(_dotted(one.ref) in _NEWER_NOT for one in module.imports)


def _dotted(term: Term) -> tuple[object, ...]:
    if not isinstance(term, Ref) or not isinstance(term.head, Var):
        return ()
    return (term.head.name, *(part.value for part in term.path if isinstance(part, Scalar)))


class Splitter:
    """Takes the lines of one rule apart, with variables that no other line of it has.

    `whole`: negated lines stay whole.
    """

    def __init__(self, *, whole: bool = False) -> None:
        self._made = 0
        self._whole = whole

    def split(self, literal: Literal, bound: Set[str]) -> Iterator[Literal]:
        """The line, after those that bind what its arguments iterate over; `bound` is bound before."""
        expr = literal.expr
        if isinstance(expr, ExprTerm | Assign | Unify):
            shared = _shared(expr_terms(expr), bound)
            if shared:
                lifted: list[Literal] = []
                lift = _Lift(shared, lifted, literal, self._name)
                if isinstance(expr, ExprTerm):
                    expr = replace(expr, term=lift.term(expr.term))
                elif isinstance(expr, Assign):
                    expr = replace(expr, value=lift.term(expr.value))
                else:
                    expr = replace(expr, left=lift.term(expr.left), right=lift.term(expr.right))
                yield from lifted
                literal = replace(literal, expr=expr)
        yield literal

    def lift_modifiers(self, body: Body) -> Iterator[Literal]:
        """The lines of a body, each after those that work out what its modifiers iterate over.

        `p with input.x as xs[i]` is `$ = xs[i]; p with input.x as $`, whatever `i` is.
        """
        for literal in body:
            if not any(map(_iterates, literal.withs)):
                yield literal
                continue
            withs = []
            for modifier in literal.withs:
                if _iterates(modifier):
                    span = modifier.value.span
                    var = Var(self._name(), span)
                    yield Literal(Unify(var, modifier.value, span), (), span)
                    modifier = replace(modifier, value=var)
                withs.append(modifier)
            yield replace(literal, withs=tuple(withs))

    def lift_negated(self, literal: Literal) -> Iterator[Literal]:
        """A line, after those that look up and call what it negates a statement about."""
        if isinstance(literal.expr, Not) and not self._whole:
            lifted: list[Literal] = []
            lift = _LiftNegated(lifted, literal.withs, self._name)
            literal = replace(literal, expr=replace(literal.expr, expr=lift.expr(literal.expr.expr)))
            yield from lifted
        yield literal

    def _name(self) -> str:
        self._made += 1
        return f"$#s{self._made}"


def _shared(terms: tuple[Term, ...], bound: Set[str]) -> set[str]:
    """The unbound variables that stand in several places of a line that has calls."""
    parts = list(open_terms(*terms))
    if not any(isinstance(part, Call) for part in parts):
        return set()
    counts = Counter(part.name for part in parts if isinstance(part, Var))
    return {name for name, count in counts.items() if count > 1 and name not in bound and name not in ROOTS}


def _iterates(modifier: With) -> bool:
    """Whether the value of a modifier looks up variables."""
    return any(
        isinstance(term, Ref) and any(map(open_vars, term.path)) for term in open_terms(modifier.value)
    )


class _Lift:
    """Replaces references in arguments by variables."""

    def __init__(
        self, shared: Set[str], lifted: list[Literal], literal: Literal, name: Callable[[], str]
    ) -> None:
        self._shared = shared
        self._lifted = lifted
        self._literal = literal
        self._name = name

    def term(self, term: Term, *, argument: bool = False) -> Term:
        if isinstance(term, Ref):
            if not argument or not open_vars(term) & self._shared:
                return term
            var = Var(self._name(), term.span)
            self._lifted.append(Literal(Unify(var, term, term.span), self._literal.withs, term.span))
            return var
        if isinstance(term, Call):
            return replace(term, args=tuple([self.term(arg, argument=True) for arg in term.args]))
        if isinstance(term, Array | SetTerm):
            return replace(term, items=tuple([self.term(item, argument=argument) for item in term.items]))
        if isinstance(term, Object):
            pairs = [
                (self.term(key, argument=argument), self.term(value, argument=argument))
                for key, value in term.pairs
            ]
            return Object(tuple(pairs), term.span)
        return term


class _LiftNegated:
    """Replaces what has to be there before a negated expression can be judged by variables."""

    def __init__(self, lifted: list[Literal], withs: tuple[With, ...], name: Callable[[], str]) -> None:
        self._lifted = lifted
        self._withs = withs
        self._name = name

    def expr(self, expr: Expr) -> Expr:
        if isinstance(expr, Unify):
            left, right = expr.left, expr.right
            if isinstance(right, Call) and right.span == expr.span:  # `f(x, out)`, and no `out = f(x)`
                return replace(expr, left=self._part(left), right=self._call(right))
            return replace(expr, left=self._side(left), right=self._side(right))
        if not isinstance(expr, ExprTerm):
            return expr
        term = expr.term
        return replace(expr, term=self._call(term) if isinstance(term, Call) else self._side(term))

    def _call(self, call: Call) -> Call:
        part = self._side if call.name == ("equal",) else self._part
        return replace(call, args=tuple(map(part, call.args)))

    def _side(self, term: Term) -> Term:
        """A term whose own absence is what may be negated; that of its parts is not."""
        if isinstance(term, Ref):
            return replace(term, head=self._side(term.head), path=tuple(map(self._part, term.path)))
        return term if isinstance(term, Var) else self._part(term)

    def _part(self, term: Term) -> Term:
        if isinstance(term, Ref | Call) or (isinstance(term, Var) and term.name in ROOTS):
            var = Var(self._name(), term.span)
            self._lifted.append(Literal(Unify(var, term, term.span), self._withs, term.span))
            return var
        if isinstance(term, Array | SetTerm):
            return replace(term, items=tuple(map(self._part, term.items)))
        if isinstance(term, Object):
            return replace(
                term, pairs=tuple((self._part(key), self._part(value)) for key, value in term.pairs)
            )
        return term
