"""Bodies, and the expressions they are made of."""

from __future__ import annotations

from itertools import pairwise

from doorward_dsl.format.terms import MEMBER_WITH_KEY, TermPrinter, is_operation, is_union
from doorward_dsl.format.writer import Work
from doorward_dsl.source import Span
from doorward_dsl.syntax import (
    Assign,
    Body,
    Call,
    Every,
    Expr,
    ExprTerm,
    Literal,
    Not,
    SomeDecl,
    SomeIn,
    Term,
    Unify,
    With,
)

__all__ = ["BodyPrinter"]


class BodyPrinter(TermPrinter):
    """Puts the lines of bodies."""

    def body(self, body: Body) -> Work:
        """One expression a line; an empty line stays where the user left one."""
        layout = self.layout
        for at, literal in enumerate(body):
            if at:
                gap = layout.first_row(literal.span) - layout.last_row(body[at - 1].span)
                self.writer.blank() if gap > 1 else self.writer.newline()
            yield self.literal(literal)

    def inner_body(self, body: Body, row: int, close: int, end: str = "") -> Work:
        """A body after `|` or in the braces of `every`: on lines of its own, or on the line it was on."""
        writer = self.writer
        rows = [row, *(self.layout.first_row(literal.span) for literal in body)]
        if any(later > earlier for earlier, later in pairwise(rows)):
            writer.newline()
            writer.level += 1
            yield self.body(body)
            writer.newline()
            writer.mark(close)
            writer.level -= 1
            return
        for at, literal in enumerate(body):
            writer.put("; " if at else " ")
            yield self.literal(literal)
        writer.mark(close)
        writer.put(end)

    def literal(self, literal: Literal) -> Work:
        """One expression with its modifiers; as it was where a comment stands in the midst of it."""
        yield self.unit(literal.span, self._literal(literal))

    def unit(self, span: Span, work: Work) -> Work:
        """What a task writes; where a comment would have nowhere to stand, the text as it was."""
        writer = self.writer
        writer.mark(span.start)
        outer, writer.awkward = writer.awkward, False
        start = writer.save()
        yield work
        writer.mark(span.end)
        following = self.layout.after(span.end)
        writer.settle(span.end if following is None else following.start)
        if writer.awkward:
            writer.restore(start)
            writer.put(span.text)
            writer.skip(span.end)
        writer.awkward = outer

    def _literal(self, literal: Literal) -> Work:
        yield self.expression(literal.expr)
        yield self._withs(literal)

    def _withs(self, literal: Literal) -> Work:
        layout, writer = self.layout, self.writer
        row = layout.last_row(literal.expr.span)
        level = writer.level
        for at, modifier in enumerate(literal.withs):
            own = layout.first_row(modifier.span)
            if own > row:
                writer.newline()
                writer.level = level + 1
                writer.mark(modifier.span.start)
            else:
                writer.put(" ")
            if own > row or at == 0:
                row = own
            yield self._with(modifier)
        writer.level = level

    def _with(self, modifier: With) -> Work:
        self.writer.put("with ")
        yield self.term(modifier.target)
        self.writer.put(" as ")
        yield self.term(modifier.value)

    # --- expressions -----------------------------------------------------------------------------------------

    def expression(self, expr: Expr) -> Work:
        """An expression without modifiers."""
        writer = self.writer
        writer.mark(expr.span.start)
        if isinstance(expr, ExprTerm):
            yield self._plain(expr.term)
        elif isinstance(expr, Assign):
            yield self.term(expr.target)
            writer.put(" := ")
            yield self.term(expr.value)
        elif isinstance(expr, Unify):
            yield self.term(expr.left)
            writer.put(" = ")
            yield self.term(expr.right)
        elif isinstance(expr, Not):
            writer.put("not ")
            yield self.expression(expr.expr)
        elif isinstance(expr, Every):
            yield self._every(expr)
        elif isinstance(expr, SomeIn):
            writer.put("some ")
            if expr.key is not None:
                yield self.term(expr.key, parens=True)
                writer.put(", ")
            yield self.term(expr.value, parens=True)
            writer.put(" in ")
            yield self.term(expr.domain, parens=True)
        else:
            yield self._some(expr)

    def _plain(self, term: Term) -> Work:
        if isinstance(term, Call) and is_operation(term) and term is not self.guarded:
            yield self.operation(term)
        elif isinstance(term, Call) and term.name == MEMBER_WITH_KEY and len(term.args) == 3:
            yield self.keyed(term)
        else:
            yield self.term(term)

    def _some(self, expr: SomeDecl) -> Work:
        writer, layout = self.writer, self.layout
        writer.put("some ")
        row = layout.first_row(expr.span)
        for at, name in enumerate(expr.names):
            if layout.first_row(name.span) > row:
                row = layout.first_row(name.span)
                writer.newline()
                writer.level += 1
                yield self.term(name)
                writer.level -= 1
            else:
                writer.put(" " if at else "")
                yield self.term(name)
            if at < len(expr.names) - 1:
                writer.put(",")

    def _every(self, expr: Every) -> Work:
        writer = self.writer
        writer.put("every ")
        if expr.key is not None:
            yield self.term(expr.key)
            writer.put(", ")
        yield self.term(expr.value)
        writer.put(" in ")
        domain = expr.domain
        member = isinstance(domain, Call) and is_operation(domain) and domain.name[0] == "internal"
        yield self.term(domain, parens=member)
        writer.put(" {")
        yield self.inner_body(expr.body, self.layout.first_row(expr.span), expr.span.end - 1, " ")
        writer.put("}")

    def guard(self, body: Body) -> None:
        """A body is about to be put in braces: `{ a | b … }` would be a comprehension."""
        expr = body[0].expr
        first: Term | None = None
        if isinstance(expr, ExprTerm):
            first = expr.term
            if isinstance(first, Call) and is_operation(first) and not is_union(first):
                first = first.args[0]
        elif isinstance(expr, Assign | Unify):
            first = expr.target if isinstance(expr, Assign) else expr.left
        self.guarded = first if first is not None and is_union(first) else self.guarded

    def template_part(self, part: Term | Literal) -> Work:
        """`{x}` or `{x with input as y}`"""
        if isinstance(part, Literal):
            yield self.literal(part)
        else:
            yield self.term(part)
