"""Taking references that iterate out of head terms: `p contains xs[_]` becomes `p contains $ if $ = xs[_]`."""

from __future__ import annotations

from collections.abc import Callable, Set
from dataclasses import replace

from doorward_dsl.resolve.scopes import declared_names
from doorward_dsl.syntax import Array, Body, Call, Literal, Object, Ref, Term, Unify, Var
from doorward_dsl.syntax import Set as SetTerm
from doorward_dsl.walk import open_vars

__all__ = ["lifted_out", "surely_bound"]


def lifted_out(term: Term, known: Set[str], lifted: list[Literal], fresh: Callable[[str], str]) -> Term:
    """The term with a variable for each reference that has variables not `known`; the lines that bind those are
    appended to `lifted`. `fresh` names variables.
    """
    if isinstance(term, Ref) and open_vars(term) - known:
        var = Var(fresh("$"), term.span)
        lifted.append(Literal(Unify(var, term, term.span), (), term.span))
        return var
    if isinstance(term, Array | SetTerm):
        return replace(term, items=tuple([lifted_out(item, known, lifted, fresh) for item in term.items]))
    if isinstance(term, Call):
        return replace(term, args=tuple([lifted_out(arg, known, lifted, fresh) for arg in term.args]))
    if isinstance(term, Object):
        pairs = [
            (lifted_out(key, known, lifted, fresh), lifted_out(value, known, lifted, fresh))
            for key, value in term.pairs
        ]
        return replace(term, pairs=tuple(pairs))
    return term


def surely_bound(body: Body) -> set[str]:
    """The variables of a resolved body to which one of its lines gives a value, whatever stands on the others."""
    names = set(declared_names(body))
    for literal in body:
        expr = literal.expr
        if isinstance(expr, Unify):
            for one, other in ((expr.left, expr.right), (expr.right, expr.left)):
                if isinstance(one, Var) and not isinstance(other, Var):
                    names.add(one.name)
    return names
