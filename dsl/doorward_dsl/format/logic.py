"""`and`, `or`, and bodies after `not`.

The parser lowers them to comprehensions, `[[true | a] != [], [true | b] != []] != [false, false]`, whose spans tell that
nobody wrote them so: an operator has the place of a whole expression, or a value the place of an operator. Trees without
a source are written as they are, which means the same and needs no import.
"""

from __future__ import annotations

from doorward_dsl.format.bodies import BodyPrinter
from doorward_dsl.format.writer import Work
from doorward_dsl.syntax import (
    Array,
    ArrayComprehension,
    Body,
    Call,
    Expr,
    ExprTerm,
    Literal,
    Not,
    Term,
)

__all__ = ["LogicPrinter"]


class LogicPrinter(BodyPrinter):
    """Puts expressions as they were before they were lowered."""

    def expression(self, expr: Expr) -> Work:
        """An expression without modifiers."""
        term = expr.term if isinstance(expr, ExprTerm) else None
        sides = self._connected(term)
        body = self._held(term)
        if sides is not None:
            yield self._connection(expr, sides)
        elif body is not None:
            yield self._block(expr, body)
        elif isinstance(expr, Not) and self._word(expr.expr):
            self.writer.mark(expr.span.start)
            self.writer.put("not (")
            yield self.expression(expr.expr)
            self.writer.put(")")
        else:
            yield super().expression(expr)

    def _connection(self, expr: Expr, sides: tuple[Literal, Literal]) -> Work:
        """`a and b`"""
        word = self._word(expr)
        for at, side in enumerate(sides):
            inner = self._word(side.expr)
            closer = word == "or" and inner == "and"
            parens = bool(inner) and not closer and not (at == 0 and inner == word)
            if at:
                self.writer.put(f" {word} ")
            if parens:
                self.writer.put("(")
            yield self.literal(side)
            if parens:
                self.writer.put(")")

    def _block(self, expr: Expr, body: Body) -> Work:
        """`{ a; b }`, or `(a and b with input as c)`"""
        if expr.span.start < body[0].span.start or self._opener(body) == "(":
            self.writer.put("(")
            yield self.literal(body[0])
            self.writer.put(")")
            return
        brace = self.layout.before(body[0].span.start)
        row = self.layout.first_row(expr.span) if brace is None else self.layout.row(brace.start)
        self.writer.put("{")
        yield self.inner_body(body, row, expr.span.end - 1, " ")
        self.writer.put("}")

    def _opener(self, body: Body) -> str:
        word = self.layout.before(body[0].span.start)
        return "" if word is None else word.text

    def _word(self, expr: Expr) -> str:
        """`and` or `or` where an expression is such a connection."""
        term = expr.term if isinstance(expr, ExprTerm) else None
        if not isinstance(term, Call) or self._connected(term) is None:
            return ""
        return "and" if term.name == ("equal",) else "or"

    def _connected(self, term: Term | None) -> tuple[Literal, Literal] | None:
        """The two sides of `a and b`."""
        if (
            self.layout.source is None
            or not isinstance(term, Call)
            or term.name not in (("equal",), ("neq",))
        ):
            return None
        if len(term.args) != 2 or term.args[1].span != term.name_span or not isinstance(term.args[0], Array):
            return None
        held = [self._held(side) for side in term.args[0].items]
        left, right = (body[0] if body else None for body in held)
        return None if left is None or right is None else (left, right)

    def _held(self, term: Term | None) -> Body | None:
        """The body of what is true if the body has an answer."""
        if self.layout.source is None or not isinstance(term, Call) or term.name != ("neq",):
            return None
        answers = term.args[0]
        if term.name_span != term.span or not isinstance(answers, ArrayComprehension):
            return None
        return answers.body
