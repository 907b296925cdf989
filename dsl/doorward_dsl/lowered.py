"""`and`, `or`, and bodies after `not`, as they were before they were lowered.

The parser makes comprehensions of them, `[[true | a] != [], [true | b] != []] != [false, false]`, whose spans tell that
nobody wrote them so: an operator has the place of a whole expression, or a value the place of an operator.
"""

from __future__ import annotations

from doorward_dsl.syntax import Array, ArrayComprehension, Body, Call, Expr, ExprTerm, Literal

__all__ = ["connected", "connective", "held", "is_parenthesized"]


def connective(expr: Expr) -> str:
    """`and` or `or` where an expression is such a connection."""
    if connected(expr) is None or not isinstance(expr, ExprTerm) or not isinstance(expr.term, Call):
        return ""
    return "and" if expr.term.name == ("equal",) else "or"


def connected(expr: Expr) -> tuple[Literal, Literal] | None:
    """The two sides of `a and b`."""
    term = expr.term if isinstance(expr, ExprTerm) else None
    if not isinstance(term, Call) or term.name not in (("equal",), ("neq",)):
        return None
    if len(term.args) != 2 or term.args[1].span != term.name_span or not isinstance(term.args[0], Array):
        return None
    bodies = [held(ExprTerm(side, side.span)) for side in term.args[0].items]
    left, right = (body[0] if body else None for body in bodies)
    return None if left is None or right is None else (left, right)


def held(expr: Expr) -> Body | None:
    """The body of what is true if the body has an answer: `{ a; b }`, or `(a with input as c)`."""
    term = expr.term if isinstance(expr, ExprTerm) else None
    if not isinstance(term, Call) or term.name != ("neq",) or term.name_span != term.span:
        return None
    answers = term.args[0]
    return answers.body if isinstance(answers, ArrayComprehension) else None


def is_parenthesized(expr: Expr, body: Body) -> bool:
    """Whether what holds the body stands in parentheses, of which its place begins with the first."""
    return expr.span.start < body[0].span.start
