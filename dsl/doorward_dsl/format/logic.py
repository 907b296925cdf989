"""`and`, `or`, and bodies after `not`.

Trees without a source are written as they are lowered, which means the same and needs no import.
"""

from __future__ import annotations

from doorward_dsl.format.bodies import BodyPrinter
from doorward_dsl.format.writer import Work
from doorward_dsl.lowered import connected, connective, held, is_parenthesized
from doorward_dsl.syntax import Body, Expr, Literal, Not

__all__ = ["LogicPrinter"]


class LogicPrinter(BodyPrinter):
    """Puts expressions as they were before they were lowered."""

    def expression(self, expr: Expr) -> Work:
        """An expression without modifiers."""
        written = self.layout.source is not None
        sides = connected(expr) if written else None
        body = held(expr) if written else None
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
        if is_parenthesized(expr, body) or self._opener(body) == "(":
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
        return "" if self.layout.source is None else connective(expr)
