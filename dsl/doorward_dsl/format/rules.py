"""Packages, imports and rules."""

from __future__ import annotations

from doorward_dsl.format.layout import Layout
from doorward_dsl.format.logic import LogicPrinter
from doorward_dsl.format.terms import quoted, step
from doorward_dsl.format.writer import Work, Writer, run
from doorward_dsl.syntax import (
    Body,
    ExprTerm,
    Import,
    Literal,
    Module,
    Rule,
    RuleHead,
    Scalar,
    Set,
    Var,
)

__all__ = ["RulePrinter", "is_true", "short"]


class RulePrinter(LogicPrinter):
    """Puts what stands at the top level of a Rego file."""

    def __init__(self, layout: Layout, writer: Writer, *, dotted: bool = True) -> None:
        super().__init__(layout, writer)
        self._dotted = dotted
        """Whether the second step of a rule's name is written with a dot where it can be: `a.b := 1`."""
        self._braces = False
        """Whether the last condition was written in braces."""

    # --- package and imports ---------------------------------------------------------------------------------

    def package(self, module: Module) -> Work:
        """`package a.b`"""
        self.writer.mark(module.package_span.start)
        written = module.package_span.text if self.layout.source is not None else ""
        path = module.package
        rest = "".join(step(part, keyword_quoted=not written or f'"{part}"' in written) for part in path[1:])
        self.writer.put(f"package {path[0]}{rest}")
        return
        yield

    def import_(self, node: Import) -> Work:
        """`import data.a.b as c`"""
        self.writer.mark(node.span.start)
        self.writer.awkward = self.writer.awkward or self.writer.comment_in(node.span.start, node.span.end)
        self.writer.put("import ")
        yield self.term(node.ref)
        if node.alias is not None:
            self.writer.put(f" as {node.alias}")

    # --- rules -----------------------------------------------------------------------------------------------

    def rule(self, rule: Rule) -> Work:
        """A rule with its `else` chain."""
        self.writer.mark(rule.span.start)
        if rule.default:
            self.writer.put("default ")
        yield self._name(rule.head)
        yield self._link(rule)
        link = rule
        while link.else_ is not None:
            before, link = link, link.else_
            self._else(before, link)
            yield self._link(link, is_else=True)

    def _name(self, head: RuleHead) -> Work:
        path = head.ref[1:]
        second = path[0] if len(path) == 1 and not self._dotted else None
        # `if["a"] := 1` would go on with the rule above
        goes_on = isinstance(head.ref[0], Var) and head.ref[0].name in ("as", "if", "in", "with")
        if isinstance(second, Scalar) and isinstance(second.value, str) and not goes_on:
            yield self.term(head.ref[0])
            self.writer.put(f"[{quoted(second.value)}]")
        else:
            yield self.reference(head.ref[0], path)
        if head.args is not None:
            entries = [(arg.span, self.term(arg)) for arg in head.args]
            yield self.items("(", entries, ")", head.span)

    def _link(self, link: Rule, *, is_else: bool = False) -> Work:
        """What follows the name of a rule, or `else`: key, value and body."""
        head, layout = link.head, self.layout
        body = () if link.else_ is None and is_true(link.body) else link.body
        row = layout.first_row(head.span) if is_else else layout.last_row(head.span)
        if head.key is not None:
            self.writer.put(" contains ")
            yield self.term(head.key)
        elif head.value is None and not body:
            self.writer.put(" := true")
        elif head.value is not None and not (body and _is_implied(head, is_else=is_else)):
            self.writer.put(" := ")
            yield self.term(head.value)
        if is_else and head.value is not None:
            row = layout.last_row(head.value.span)
        self._braces = False
        if body:
            self.writer.put(" if")
            yield self.condition(body, row, bare=not is_else or not self._leads_with_brace(body[0]))

    def condition(self, body: Body, row: int, *, bare: bool = True) -> Work:
        """A body after a keyword that stands in line `row`: on that line if it began there and may be `bare` of braces."""
        writer = self.writer
        close = self.layout.braces_end(body[0].span.start, body[-1].span.end)
        begun = bare and len(body) == 1 and self.layout.first_row(body[0].span) == row
        begun = begun and not writer.comment_in(body[-1].span.end, close)
        if begun and not _is_set(body[0]) and not self.too_wide(body[0]):
            writer.put(" ")
            yield self.literal(body[0])
            return
        self._braces = True
        self.guard(body)
        writer.put(" {")
        writer.newline()
        writer.level += 1
        yield self.body(body)
        writer.newline()
        writer.mark(close)
        writer.level -= 1
        writer.put("}")

    def _leads_with_brace(self, literal: Literal) -> bool:
        """Whether a line begins with `{`, which after an `else` would be that of a body."""
        writer = Writer()
        run(type(self)(self.layout, writer).literal(literal))
        return writer.text().startswith("{")

    def _else(self, before: Rule, link: Rule) -> None:
        """`else`, on the line of the closing brace if it was there, or under an empty line."""
        writer, layout = self.writer, self.layout
        word = layout.after(link.span.start)
        below = layout.first_row(link.span) > layout.first_row(before.span)
        if self._braces and (word is None or (below and not layout.begins_line(word))):
            writer.put(" ")
        else:
            writer.blank()
        writer.mark(link.span.start)
        writer.put("else")


def short(body: Body | None) -> bool:
    """Whether a condition fits on the line of what it is the condition of."""
    return not body or (len(body) == 1 and not _is_set(body[0]))


def is_true(body: Body) -> bool:
    """Whether a body is the one word `true`."""
    if len(body) != 1 or body[0].withs:
        return False
    expr = body[0].expr
    return isinstance(expr, ExprTerm) and isinstance(expr.term, Scalar) and expr.term.value is True


def _is_set(literal: Literal) -> bool:
    """Whether a line is a set and nothing else: after `if` its braces would be those of a body."""
    return isinstance(literal.expr, ExprTerm) and isinstance(literal.expr.term, Set)


def _is_implied(head: RuleHead, *, is_else: bool) -> bool:
    """Whether a condition says as much as the value: it is `true`, and not that of a member of an object."""
    if not isinstance(head.value, Scalar) or head.value.value is not True:
        return False
    return is_else or head.args is not None or len(head.ref) != 2 or not isinstance(head.ref[1], Var)
