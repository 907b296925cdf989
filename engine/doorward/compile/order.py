"""Which literals of a body to try first.

A test that only looks at the request cannot fail to be evaluated, costs next to nothing and binds nothing:
it goes to the
front, so that what it rules out is never worked out, and so that an index can take its place. A conjunction
with a false
part is false even where another part would be an error; indexed or not, the answer is the same.
"""

from __future__ import annotations

from typing import Final

from doorward.compile.free import constant, dotted
from doorward_dsl.syntax import Body, Call, Expr, ExprTerm, Not, Term, Unify

__all__ = ["cheapest_first"]

_TESTS: Final = frozenset({"equal", "neq", "lt", "lte", "gt", "gte", "internal.member_2"})


def cheapest_first(body: Body) -> Body:
    """The literals with the tests of the request at the front, each group in its old order."""
    first = [literal for literal in body if not literal.withs and _is_test(literal.expr)]
    if not first or len(first) == len(body):
        return body
    return (*first, *(literal for literal in body if literal.withs or not _is_test(literal.expr)))


def _is_test(expr: Expr) -> bool:
    match expr:
        case ExprTerm(Call(name, args)):
            return ".".join(name) in _TESTS and len(args) == 2 and all(map(_is_given, args))
        case ExprTerm(term):
            return _is_given(term)
        case Unify(left, right):
            return _is_given(left) and _is_given(right)
        case Not(inner):
            return _is_test(inner)
    return False


def _is_given(term: Term) -> bool:
    """Whether the term is a literal or a constant place of the input."""
    return dotted(term)[0] == "input" or constant(term) is not None
