"""Terms as they are written."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from decimal import Decimal
from itertools import pairwise

from doorward_dsl.format.layout import Layout
from doorward_dsl.format.writer import Work, Writer, run
from doorward_dsl.lex import KEYWORDS
from doorward_dsl.source import Span
from doorward_dsl.syntax import (
    Array,
    ArrayComprehension,
    Body,
    Call,
    Literal,
    Object,
    ObjectComprehension,
    Ref,
    Scalar,
    Set,
    SetComprehension,
    Template,
    Term,
    Var,
)

__all__ = ["MEMBER", "MEMBER_WITH_KEY", "OPERATORS", "TermPrinter"]

MEMBER = ("internal", "member_2")
MEMBER_WITH_KEY = ("internal", "member_3")

OPERATORS: dict[tuple[str, ...], tuple[str, int]] = {
    MEMBER: ("in", 1),
    ("equal",): ("==", 2),
    ("neq",): ("!=", 2),
    ("lt",): ("<", 2),
    ("lte",): ("<=", 2),
    ("gt",): (">", 2),
    ("gte",): (">=", 2),
    ("or",): ("|", 3),
    ("and",): ("&", 4),
    ("plus",): ("+", 5),
    ("minus",): ("-", 5),
    ("mul",): ("*", 6),
    ("div",): ("/", 6),
    ("rem",): ("%", 6),
}
"""How a built-in of two arguments is written between them, and how tightly it binds."""

_MANY = 50
"""Operators in a row that are written without parentheses around each."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z_0-9]*")


class TermPrinter:
    """Puts terms, laid out as `layout` says, on a writer."""

    def __init__(self, layout: Layout, writer: Writer) -> None:
        self.layout = layout
        self.writer = writer
        self.guarded: Term | None = None
        """A union that stands in parentheses, because it is the first in the braces of a body: `{ (a | b) … }`."""

    def term(self, term: Term, parens: bool = False) -> Work:
        """Any term; an operation stands in parentheses where `parens` asks for it."""
        self.writer.mark(term.span.start)
        parens = parens or term is self.guarded
        if isinstance(term, Scalar):
            self.writer.put(self.scalar(term))
        elif isinstance(term, Var):
            self.writer.put(variable(term))
        elif isinstance(term, Ref):
            yield self.reference(term.head, term.path)
        elif isinstance(term, Call):
            yield self._call(term, parens)
        elif isinstance(term, Object):
            yield self._object(term)
        elif isinstance(term, Array):
            entries = [(item.span, self._item(item)) for item in term.items]
            yield self.items("[", entries, "]", term.span, wide=self.too_wide(term))
        elif isinstance(term, Set):
            yield self._set(term)
        elif isinstance(term, Template):
            yield self._template(term)
        else:
            yield self._comprehension(term)

    def too_wide(self, node: Term | Literal) -> bool:
        """Whether a node, on one line, would go over the width."""
        width = self.layout.width
        if width is None or isinstance(node, Scalar | Var):
            return False
        writer = Writer()
        printer = type(self)(Layout(), writer)
        run(printer.literal(node) if isinstance(node, Literal) else printer.term(node))
        return self.writer.column + len(writer.text().rstrip("\n")) > width

    def scalar(self, scalar: Scalar) -> str:
        """A literal: as it was written where that is known."""
        value = scalar.value
        if isinstance(value, str):
            return self.layout.word(scalar.span, "STRING") or quoted(value)
        if value is None or isinstance(value, bool):
            return {None: "null", True: "true", False: "false"}[value]
        written = self.layout.word(scalar.span, "NUMBER")
        if written is None:
            return str(value)
        negative = value < 0 or (isinstance(value, Decimal) and value.is_signed())
        if not value:
            negative = "-" in scalar.span.text.partition(written)[0]
        return f"-{written}" if negative else written

    # --- references and calls --------------------------------------------------------------------------------

    def reference(self, head: Term, path: Iterable[Term]) -> Work:
        """`head.a["b c"][i]`"""
        yield self.term(head, parens=isinstance(head, Call) and is_operation(head))
        for part in path:
            if isinstance(part, Scalar) and isinstance(part.value, str):
                quote = self.layout.source is None or self.layout.starts_with(part.span, '"')
                self.writer.put(step(part.value, keyword_quoted=quote))
            else:
                self.writer.put("[")
                yield self.term(part)
                self.writer.mark(self.layout.closing(part.span.end, default=part.span.end))
                self.writer.put("]")

    def _call(self, call: Call, parens: bool) -> Work:
        if call.name == MEMBER_WITH_KEY and len(call.args) == 3:
            self.writer.put("(")
            yield self.keyed(call)
            self.writer.put(")")
        elif is_operation(call):
            chain = _chain(call)
            if parens:
                self.writer.put("(")
            yield self.term(chain[-1].args[0], parens=True)
            for link in reversed(chain):
                self.writer.put(f" {OPERATORS[link.name][0]} ")
                yield self.term(link.args[1], parens=True)
            if parens:
                self.writer.put(")")
        else:
            self.writer.put(self.callee(call))
            entries = [(arg.span, self._argument(arg)) for arg in call.args]
            wide = self.too_wide(call)
            yield self.items("(", entries, ")", call.span, after=call.name_span.end, wide=wide)

    def callee(self, call: Call) -> str:
        """The name of what is called."""
        written = call.name_span.text if self.layout.source is not None else ""
        return call.name[0] + "".join(
            step(part, keyword_quoted=not written or f'"{part}"' in written) for part in call.name[1:]
        )

    def keyed(self, call: Call) -> Work:
        """`k, v in xs`, without parentheses."""
        key, value, domain = call.args
        yield self.term(key, parens=True)
        self.writer.put(", ")
        yield self.term(value, parens=True)
        self.writer.put(" in ")
        yield self.term(domain, parens=True)

    def operation(self, call: Call) -> Work:
        """`a + b > c` on a line of its own: operands have parentheses only where they are needed."""
        if len(_chain(call)) > 1:
            yield self._call(call, parens=False)
            return
        symbol, strength = OPERATORS[call.name]
        left, right = call.args
        loose = call.name == MEMBER
        yield self.term(left, parens=(loose and _name(left) != MEMBER) or _strength(left) < strength)
        self.writer.put(f" {symbol} ")
        yield self.term(right, parens=loose or _strength(right) <= strength)

    def _argument(self, term: Term) -> Work:
        yield self.term(term, parens=is_union(term) and self.layout.starts_with(term.span, "("))

    # --- collections -----------------------------------------------------------------------------------------

    def items(
        self,
        opening: str,
        entries: Sequence[tuple[Span, Work]],
        closing: str,
        span: Span,
        *,
        after: int | None = None,
        wide: bool = False,
    ) -> Work:
        """What stands between brackets, with commas: on one line, or as many as the user gave it.

        `after` is where the opening bracket of a call is to be looked for; a call opens a line for its arguments only
        if they themselves stand on several. What is `wide` gets a line for each entry.
        """
        writer, layout = self.writer, self.layout
        rows = [layout.first_row(place) for place, _ in entries]
        begin = span.start if after is None else after
        end = entries[-1][0].end if entries else begin + len(opening)
        close = layout.closing(end, default=max(begin, span.end - 1))
        several = wide or any(later > earlier for earlier, later in pairwise(rows))
        if after is None and rows and rows[0] > layout.row(span.start):
            several = True
        first = entries[0][0].start if entries else close
        if writer.comment_in(begin, first) or writer.comment_in(end, close):
            several = True
        writer.put(opening)
        if several:
            writer.newline()
            writer.level += 1
        for at, (_, work) in enumerate(entries):
            if at and (wide or rows[at] > rows[at - 1]):
                writer.put(",")
                writer.newline()
            elif at:
                writer.put(", ")
            yield work
        if several:
            if entries:
                writer.put(",")
            writer.newline()
        writer.mark(close)
        if several:
            writer.level -= 1
        writer.put(closing)

    def _item(self, term: Term) -> Work:
        yield self.term(term, parens=is_union(term))

    def _set(self, node: Set) -> Work:
        if node.items:
            entries = [(item.span, self._item(item)) for item in node.items]
            yield self.items("{", entries, "}", node.span, wide=self.too_wide(node))
        else:
            self.writer.put("set()")

    def _object(self, node: Object) -> Work:
        entries = [(key.span, self._pair(key, value)) for key, value in node.pairs]
        last = node.pairs[-1][1].span.end if node.pairs else 0
        if entries:
            entries[-1] = (Span(node.span.source, entries[-1][0].start, last), entries[-1][1])
        yield self.items("{", entries, "}", node.span, wide=self.too_wide(node))

    def _pair(self, key: Term, value: Term) -> Work:
        yield self._item(key)
        self.writer.put(": ")
        yield self._item(value)

    # --- comprehensions --------------------------------------------------------------------------------------

    def _comprehension(self, node: ArrayComprehension | SetComprehension | ObjectComprehension) -> Work:
        writer, layout = self.writer, self.layout
        opening, closing = "[]" if isinstance(node, ArrayComprehension) else "{}"
        writer.put(opening)
        if isinstance(node, ObjectComprehension):
            head = node.key
            if layout.first_row(head.span) > layout.first_row(node.span) + 1:
                writer.newline()
            yield self._item(node.key)
            writer.put(": ")
            yield self._collected(node.value)
        else:
            head = node.head
            if layout.first_row(head.span) > layout.first_row(node.span):
                writer.newline()
            yield self._collected(head)
        writer.put(" |")
        yield self.inner_body(node.body, layout.first_row(head.span), node.span.end - 1)
        writer.put(closing)

    def _collected(self, term: Term) -> Work:
        parens = isinstance(term, Call) and (is_union(term) or self.layout.starts_with(term.span, "("))
        yield self.term(term, parens)

    def inner_body(self, body: Body, row: int, close: int, end: str = "") -> Work:
        """A body within a line: `| a; b` and `end`, or on lines of its own if it was not all in `row`."""
        raise NotImplementedError

    # --- template strings ------------------------------------------------------------------------------------

    def _template(self, node: Template) -> Work:
        quote = "`" if self.layout.starts_with(node.span, "$`") else '"'
        self.writer.put(f"${quote}")
        for part in node.parts:
            if isinstance(part, str):
                text = part if quote == "`" else quoted(part)[1:-1]
                self.writer.put(text.replace("{", "\\{"))
                continue
            self.writer.put("{")
            yield self.template_part(part)
            self.writer.put("}")
        self.writer.put(quote)

    def literal(self, literal: Literal) -> Work:
        """One line of a body."""
        raise NotImplementedError

    def template_part(self, part: Term | Literal) -> Work:
        """What stands between the braces of a template string."""
        raise NotImplementedError


def variable(var: Var) -> str:
    """A variable's name, without what `resolve` has added to it."""
    return var.name.partition("#")[0]


def quoted(text: str) -> str:
    """A string literal."""
    return json.dumps(text, ensure_ascii=False)


def step(name: str, *, keyword_quoted: bool = True) -> str:
    """A step of a reference by a string: `.name`, or `["any text"]`."""
    if _NAME.fullmatch(name) and not (name in KEYWORDS and keyword_quoted):
        return f".{name}"
    return f"[{quoted(name)}]"


def is_operation(call: Call) -> bool:
    """Whether a call is written with an operator between its arguments."""
    return call.name in OPERATORS and len(call.args) == 2


def _name(term: Term) -> tuple[str, ...]:
    return term.name if isinstance(term, Call) else ()


def is_union(term: Term) -> bool:
    """Whether a term is `a | b`."""
    return isinstance(term, Call) and term.name == ("or",) and len(term.args) == 2


def _chain(call: Call) -> list[Call]:
    """The operations that are written in one row, the last first: only this one, unless there are very many.

    Each in parentheses, they would be nested deeper than the parser reads.
    """
    chain = [call]
    left = call.args[0]
    while isinstance(left, Call) and is_operation(left) and _strength(left) >= _strength(chain[-1]):
        chain.append(left)
        left = left.args[0]
    return chain if len(chain) > _MANY else chain[:1]


def _strength(term: Term) -> int:
    """How tightly a term holds together as an operand."""
    return OPERATORS[term.name][1] if isinstance(term, Call) and is_operation(term) else 10
