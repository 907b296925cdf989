"""Builder methods for terms, expressions and bodies; each is the alias of a production in `grammar/ward.lark`."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any, TypeAlias

from doorward_dsl.diagnostics import Diagnostic
from doorward_dsl.lex import Token
from doorward_dsl.lex_strings import number_value, string_value, template_value
from doorward_dsl.source import Source, Span
from doorward_dsl.syntax import (
    Array,
    ArrayComprehension,
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

__all__ = ["MEMBER", "MEMBER_WITH_KEY", "Refused", "TermBuilder", "a_kind_of", "kind_of"]

MEMBER = ("internal", "member_2")
MEMBER_WITH_KEY = ("internal", "member_3")

_OPERATORS = {
    "in": (MEMBER, 1),
    "==": (("equal",), 2),
    "!=": (("neq",), 2),
    "<": (("lt",), 2),
    "<=": (("lte",), 2),
    ">": (("gt",), 2),
    ">=": (("gte",), 2),
    "|": (("or",), 3),
    "&": (("and",), 4),
    "+": (("plus",), 5),
    "-": (("minus",), 5),
    "*": (("mul",), 6),
    "/": (("div",), 6),
    "%": (("rem",), 6),
}
"""The built-in an infix operator stands for, and how tightly it binds; all associate to the left."""

Operators: TypeAlias = list[Any]
"""A term, an operator's token, a term, and so on in turns, which no type can say."""


class Refused(Exception):
    """The statement matches the grammar but is not in the language."""

    def __init__(self, diagnostic: Diagnostic) -> None:
        super().__init__(diagnostic.message)
        self.diagnostic = diagnostic


_Step: TypeAlias = "tuple[Term | tuple[Term, ...], int]"
"""One step of a reference, and where it ends: a term in brackets or after a dot, or the arguments of a call."""


def kind_of(term: Term) -> str:
    """What a user calls this kind of term."""
    if isinstance(term, Scalar):
        value = term.value
        if value is None:
            return "null"
        return {bool: "boolean", str: "string"}.get(type(value), "number")
    return {
        Var: "variable",
        Ref: "reference",
        Call: "call",
        Array: "array",
        Set: "set",
        Object: "object",
        Template: "template string",
    }.get(type(term), "comprehension")


def a_kind_of(term: Term) -> str:
    """`kind_of` with its article."""
    kind = kind_of(term)
    return f"{'an' if kind[0] in 'ao' else 'a'} {kind}"


class TermBuilder:
    """Makes the nodes of one source. `logic` are those of the keywords `and`, `or` and `not` that it imports."""

    def __init__(self, source: Source, logic: frozenset[str] = frozenset()) -> None:
        self.source = source
        self.logic = logic
        self.parenthesized: dict[int, Term] = {}
        """Terms that stood in parentheses, by identity: they are operands of their own, not parts of a chain."""

    def span(self, start: int, end: int) -> Span:
        """A place in this source."""
        return Span(self.source, start, end)

    def refuse(self, message: str, span: Span, hint: str | None = None) -> Refused:
        """The error to raise for a construct that the grammar lets through."""
        return Refused(Diagnostic("rego_parse_error", message, span, hint=hint))

    # --- lists -----------------------------------------------------------------------------------------------

    def list_empty(self) -> list[Any]:
        """An empty list."""
        return []

    def list_of_one(self, item: Any) -> list[Any]:
        """The first of a list."""
        return [item]

    def list_more(self, items: list[Any], item: Any) -> list[Any]:
        """One more of a list."""
        items.append(item)
        return items

    def list_after_separator(self, items: list[Any], _separator: Token, item: Any) -> list[Any]:
        """One more of a list, after a comma or a line end."""
        items.append(item)
        return items

    # --- scalars and names -----------------------------------------------------------------------------------

    def var(self, token: Token) -> Var:
        """`x`"""
        return Var(token.text, Span(self.source, token.start, token.end))

    def string(self, token: Token) -> Scalar:
        """`"text"` or a raw string."""
        span = Span(self.source, token.start, token.end)
        try:
            return Scalar(string_value(token.text), span)
        except ValueError as error:
            raise self.refuse(str(error), span) from None

    def number(self, token: Token) -> Scalar:
        """`1`, `.5`, `1e3`"""
        span = Span(self.source, token.start, token.end)
        try:
            return Scalar(number_value(token.text), span)
        except ValueError as error:
            raise self.refuse(str(error), span) from None

    def true(self, token: Token) -> Scalar:
        """`true`"""
        return Scalar(True, Span(self.source, token.start, token.end))

    def false(self, token: Token) -> Scalar:
        """`false`"""
        return Scalar(False, Span(self.source, token.start, token.end))

    def null(self, token: Token) -> Scalar:
        """`null`"""
        return Scalar(None, Span(self.source, token.start, token.end))

    def negative(self, sign: Token, operand: Term) -> Term:
        """`-1`, or `-x`, which is `0 - x`."""
        span = Span(self.source, sign.start, operand.span.end)
        value = operand.value if isinstance(operand, Scalar) else None
        if (
            isinstance(value, int | Decimal)
            and not isinstance(value, bool)
            and id(operand) not in self.parenthesized
        ):
            return Scalar(-value, span)
        plain = isinstance(operand, Var | Ref | Call) and id(operand) not in self.parenthesized
        if not plain:
            raise self.refuse(
                f"`-` cannot stand before {a_kind_of(operand)}",
                span,
                "write `0 - …` for the negative of a value",
            )
        zero = Scalar(0, self.span(sign.start, sign.start))
        return Call(("minus",), (zero, operand), span, self.span(sign.start, sign.end))

    def parenthesize(self, opening: Token, term: Term, closing: Token) -> Term:
        """`(x)`: the term itself, with the parentheses in its place."""
        inner = replace(term, span=Span(self.source, opening.start, closing.end))
        self.parenthesized[id(inner)] = inner
        return inner

    # --- references and calls --------------------------------------------------------------------------------

    def attribute(self, token: Token) -> _Step:
        """`.name`"""
        return Scalar(token.text[1:], Span(self.source, token.start + 1, token.end)), token.end

    def index(self, _opening: Token, term: Term, closing: Token) -> _Step:
        """`[x]` right after what it indexes."""
        return term, closing.end

    def call_empty(self, opening: Token, closing: Token) -> _Step:
        """`()` right after a name."""
        return (), closing.end

    def call(self, opening: Token, items: list[Term], closing: Token) -> _Step:
        """`(x, y)` right after a name."""
        return tuple(items), closing.end

    def call_comma(self, opening: Token, items: list[Term], _comma: Token, closing: Token) -> _Step:
        """`(x, y,)` right after a name."""
        return tuple(items), closing.end

    def reference(self, head: Term, steps: list[_Step]) -> Term:
        """`head.a["b"](x)`: a term and all that continues it."""
        start = head.span.start
        inside = id(head) in self.parenthesized
        if isinstance(head, Scalar | Template) or (isinstance(head, Ref) and inside):
            raise self.refuse(f"illegal ref (head cannot be {kind_of(head)})", head.span)
        path: list[Term] = []
        end = head.span.end
        for step, after in steps:
            if isinstance(step, tuple):
                head = self._call(head, path, step, Span(self.source, start, end), after, inside)
                path = []
            else:
                path.append(step)
            end = after
        return Ref(head, tuple(path), Span(self.source, start, end)) if path else head

    def _call(
        self, head: Term, path: list[Term], args: tuple[Term, ...], name_span: Span, end: int, inside: bool
    ) -> Term:
        if not isinstance(head, Var) or inside:
            raise self.refuse(
                f"{a_kind_of(head)} cannot be called", name_span, "only a function has a name to call"
            )
        name = [head.name]
        for part in path:
            if not isinstance(part, Scalar) or not isinstance(part.value, str):
                hint = f"a function is called by its name, which cannot contain {a_kind_of(part)}"
                message = f"undefined function `{name_span.text}`"
                raise Refused(Diagnostic("rego_type_error", message, name_span, hint=hint))
            name.append(part.value)
        span = Span(self.source, name_span.start, end)
        if not args and name == ["set"]:
            return Set((), span)
        return Call(tuple(name), args, span, name_span)

    # --- operators -------------------------------------------------------------------------------------------

    def infix_first(self, left: Term, operator: Token, right: Term) -> Operators:
        """`a + b`: the beginning of a chain, still flat."""
        return [left, operator, right]

    def infix_more(self, chain: Operators, operator: Token, right: Term) -> Operators:
        """`… + c`: one more link of the chain."""
        chain += operator, right
        return chain

    def infix(self, chain: Operators) -> Term:
        """The chain as calls, by precedence."""
        if len(chain) == 3:
            return self._operation(*chain)
        operands = [chain[0]]
        waiting: Operators = []
        for operator, operand in zip(chain[1::2], chain[2::2], strict=True):
            strength = _OPERATORS[operator.text][1]
            while waiting and _OPERATORS[waiting[-1].text][1] >= strength:
                right = operands.pop()
                operands[-1] = self._operation(operands[-1], waiting.pop(), right)
            waiting.append(operator)
            operands.append(operand)
        while waiting:
            right = operands.pop()
            operands[-1] = self._operation(operands[-1], waiting.pop(), right)
        result: Term = operands[0]
        return result

    def _operation(self, left: Any, operator: Any, right: Any) -> Call:
        source = self.source
        return Call(
            _OPERATORS[operator.text][0],
            (left, right),
            Span(source, left.span.start, right.span.end),
            Span(source, operator.start, operator.end),
        )

    def keyed_membership(self, key: Term, comma: Token, chain: Operators) -> Term:
        """`k, v in xs`, and what follows it: `k, v in xs in ys` asks for the answer of the first in `ys`."""
        ins = [at for at in range(1, len(chain), 2) if chain[at].text == "in"]
        if not ins or self.is_membership(key):
            raise self.refuse(
                "unexpected `,`",
                self.span(comma.start, comma.end),
                "two names before `in` are written `k, v in xs`",
            )
        stop = ins[1] if len(ins) > 1 else len(chain)
        value = self._part(chain[: ins[0]])
        domain = self._part(chain[ins[0] + 1 : stop])
        mark = chain[ins[0]]
        span = Span(self.source, key.span.start, domain.span.end)
        member = Call(MEMBER_WITH_KEY, (key, value, domain), span, Span(self.source, mark.start, mark.end))
        return self._part([member, *chain[stop:]])

    def _part(self, chain: Operators) -> Term:
        whole: Term = chain[0] if len(chain) == 1 else self.infix(chain)
        return whole

    def is_membership(self, term: Term) -> bool:
        """Whether the term is `x in xs` without parentheses around it."""
        return isinstance(term, Call) and term.name == MEMBER and id(term) not in self.parenthesized

    # --- collections -----------------------------------------------------------------------------------------

    def array_empty(self, opening: Token, closing: Token) -> Array:
        """`[]`"""
        return Array((), self.span(opening.start, closing.end))

    def array(self, opening: Token, items: list[Term], closing: Token) -> Array:
        """`[x, y]`"""
        return Array(tuple(items), Span(self.source, opening.start, closing.end))

    def array_comma(self, opening: Token, items: list[Term], _comma: Token, closing: Token) -> Array:
        """`[x, y,]`"""
        return self.array(opening, items, closing)

    def array_leading(self, opening: Token, _comma: Token, items: list[Term], *closing: Token) -> Array:
        """`[, x]`, which OPA still reads."""
        return self.array(opening, items, closing[-1])

    def set(self, opening: Token, items: list[Term], closing: Token) -> Set:
        """`{x, y}`"""
        return Set(tuple(items), Span(self.source, opening.start, closing.end))

    def set_comma(self, opening: Token, items: list[Term], _comma: Token, closing: Token) -> Set:
        """`{x, y,}`"""
        return self.set(opening, items, closing)

    def set_leading(self, opening: Token, _comma: Token, items: list[Term], *closing: Token) -> Set:
        """`{, x}`, which OPA still reads."""
        return self.set(opening, items, closing[-1])

    def object_empty(self, opening: Token, closing: Token) -> Object:
        """`{}`"""
        return Object((), self.span(opening.start, closing.end))

    def object(self, opening: Token, pairs: list[tuple[Term, Term]], closing: Token) -> Object:
        """`{k: v}`"""
        return Object(tuple(pairs), Span(self.source, opening.start, closing.end))

    def object_comma(
        self, opening: Token, pairs: list[tuple[Term, Term]], _comma: Token, closing: Token
    ) -> Object:
        """`{k: v,}`"""
        return self.object(opening, pairs, closing)

    def object_leading(
        self, opening: Token, _comma: Token, pairs: list[tuple[Term, Term]], *closing: Token
    ) -> Object:
        """`{, k: v}`, which OPA still reads."""
        return self.object(opening, pairs, closing[-1])

    def pair_first(self, key: Term, _colon: Token, value: Term) -> list[tuple[Term, Term]]:
        """`k: v`"""
        return [(key, value)]

    def pair_more(
        self, pairs: list[tuple[Term, Term]], _comma: Token, key: Term, _colon: Token, value: Term
    ) -> list[tuple[Term, Term]]:
        """`…, k: v`"""
        pairs.append((key, value))
        return pairs

    def array_comprehension(
        self, opening: Token, head: Term, _bar: Token, body: list[Literal], closing: Token
    ) -> ArrayComprehension:
        """`[x | body]`"""
        return ArrayComprehension(head, tuple(body), self.span(opening.start, closing.end))

    def set_comprehension(
        self, opening: Token, head: Term, _bar: Token, body: list[Literal], closing: Token
    ) -> SetComprehension:
        """`{x | body}`"""
        return SetComprehension(head, tuple(body), self.span(opening.start, closing.end))

    def object_comprehension(
        self,
        opening: Token,
        key: Term,
        _colon: Token,
        value: Term,
        _bar: Token,
        body: list[Literal],
        closing: Token,
    ) -> ObjectComprehension:
        """`{k: v | body}`"""
        return ObjectComprehension(key, value, tuple(body), self.span(opening.start, closing.end))

    # --- template strings ------------------------------------------------------------------------------------

    def template_plain(self, token: Token) -> Template:
        """`$"text"`"""
        text = self._piece(token, 2, token.text[1] == "`")
        return Template((text,) if text else (), self.span(token.start, token.end))

    def template_first(self, token: Token, hole: Term | Literal) -> tuple[Token, list[str | Term | Literal]]:
        """`$"text{x`"""
        raw = token.text[1] == "`"
        return token, self._extend([], self._piece(token, 2, raw), hole)

    def template_more(
        self, pieces: tuple[Token, list[str | Term | Literal]], token: Token, hole: Term | Literal
    ) -> tuple[Token, list[str | Term | Literal]]:
        """`}text{x`"""
        first, parts = pieces
        return first, self._extend(parts, self._piece(token, 1, first.text[1] == "`"), hole)

    def template(self, pieces: tuple[Token, list[str | Term | Literal]], token: Token) -> Template:
        """`}text"`: the whole template string."""
        first, parts = pieces
        self._extend(parts, self._piece(token, 1, first.text[1] == "`"))
        return Template(tuple(parts), self.span(first.start, token.end))

    def _extend(
        self, parts: list[str | Term | Literal], text: str, *hole: Term | Literal
    ) -> list[str | Term | Literal]:
        if text:
            parts.append(text)
        parts.extend(hole)
        return parts

    def _piece(self, token: Token, marks: int, raw: bool) -> str:
        try:
            return template_value(token.text[marks:-1], raw)
        except ValueError as error:
            raise self.refuse(str(error), self.span(token.start, token.end)) from None
