"""Builder methods for expressions and bodies; each is the alias of a production in `grammar/ward.lark`."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeAlias

from doorward_dsl.diagnostics import Diagnostic
from doorward_dsl.lex import Token
from doorward_dsl.parse_terms import MEMBER, MEMBER_WITH_KEY, Refused, TermBuilder, a_kind_of, kind_of
from doorward_dsl.signatures import OPERATORS
from doorward_dsl.source import Span
from doorward_dsl.syntax import (
    Array,
    ArrayComprehension,
    Assign,
    Body,
    Call,
    Every,
    Expr,
    ExprTerm,
    Literal,
    Not,
    Ref,
    Scalar,
    SomeDecl,
    SomeIn,
    Term,
    Unify,
    Var,
    With,
)
from doorward_dsl.walk import open_terms, open_vars

__all__ = ["BodyBuilder"]

_Block: TypeAlias = "tuple[Body, int]"
"""The expressions between braces, and where the closing one ends."""


class BodyBuilder(TermBuilder):
    """Makes what stands in a body: expressions with their modifiers."""

    # --- expressions and bodies ------------------------------------------------------------------------------

    def expr_term(self, term: Term) -> ExprTerm:
        return ExprTerm(term, term.span)

    def assign(self, target: Term, _mark: Token, value: Term) -> Assign:
        return Assign(target, value, Span(self.source, target.span.start, value.span.end))

    def unify(self, left: Term, _mark: Token, right: Term) -> Unify:
        return Unify(left, right, Span(self.source, left.span.start, right.span.end))

    def not_(self, word: Token, expr: Expr) -> Not:
        return Not(expr, Span(self.source, word.start, expr.span.end))

    def some(self, word: Token, items: list[Term]) -> SomeDecl | SomeIn:
        span = Span(self.source, word.start, items[-1].span.end)
        last = items[-1]
        if isinstance(last, Call) and last.name == MEMBER and len(items) <= 2:
            value, domain = last.args
            return SomeIn(items[0] if len(items) == 2 else None, value, domain, span)
        names = []
        for item in items:
            if not isinstance(item, Var):
                raise self.refuse(
                    f"unexpected {kind_of(item)} after `some`",
                    item.span,
                    "write `some x in xs`, `some k, v in xs` or `some x, y`",
                )
            names.append(item)
        return SomeDecl(tuple(names), span)

    def every(self, word: Token, domain: Term, block: _Block) -> Every:
        body, end = block
        key: Term | None
        if isinstance(domain, Call) and domain.name == MEMBER_WITH_KEY:
            key, value, collection = domain.args
        elif isinstance(domain, Call) and domain.name == MEMBER:
            key, (value, collection) = None, domain.args
        else:
            raise self.refuse(
                "expected `x[, y] in xs { ... }` expression", domain.span, "write `every x in xs { … }`"
            )
        if key is not None and not isinstance(key, Var):
            raise self.refuse("expected a variable after `every`", key.span)
        if not isinstance(value, Var):
            raise self.refuse("expected a variable after `every`", value.span)
        return Every(key, value, collection, body, Span(self.source, word.start, end))

    # --- `and`, `or` and bodies after `not` ------------------------------------------------------------------
    #
    # Each side is a query of its own that binds nothing outside itself, so it is lowered to a comprehension here,
    # and no later stage has to know of it: `a or b` is `[[true | a] != [], [true | b] != []] != [false, false]`.
    # A side without braces may not even bind variables of its own, which is what a double negation says.

    def side_block(self, block: _Block) -> ExprTerm:
        body, end = block
        return self._holds(body, Span(self.source, body[0].span.start, end))

    def conjunction(self, left: Expr, word: Token, right: Expr) -> ExprTerm:
        return self._connected("equal", True, left, word, right)

    def disjunction(self, left: Expr, word: Token, right: Expr) -> ExprTerm:
        return self._connected("neq", False, left, word, right)

    def not_group(self, word: Token, expr: Expr) -> Not:
        if "not" not in self.logic:
            hint = "the newer `not` may: `import future.keywords.not`"
            raise self.refuse("`not` cannot stand before a group", expr.span, hint)
        return self.not_(word, expr)

    def not_block(self, word: Token, block: _Block) -> Not:
        return self.not_(word, self.side_block(block))

    def group(self, opening: Token, expr: Expr, closing: Token) -> Expr:
        return replace(expr, span=Span(self.source, opening.start, closing.end))

    def group_with(self, opening: Token, expr: Expr, withs: list[With], closing: Token) -> Expr:
        span = Span(self.source, opening.start, closing.end)
        return self._holds((self.literal_with(self._closed(expr), withs),), span)

    def group_not(self, opening: Token, word: Token, expr: Expr, closing: Token) -> Expr:
        return self.group(opening, self.not_(word, expr), closing)

    def group_not_group(self, opening: Token, word: Token, expr: Expr, closing: Token) -> Expr:
        return self.group(opening, self.not_group(word, expr), closing)

    def group_not_block(self, opening: Token, word: Token, block: _Block, closing: Token) -> Expr:
        return self.group(opening, self.not_block(word, block), closing)

    def group_not_with(
        self, opening: Token, word: Token, expr: Expr, withs: list[With], closing: Token
    ) -> Expr:
        return self.group_with(opening, self.not_(word, expr), withs, closing)

    def _holds(self, body: Body, span: Span) -> ExprTerm:
        """Whether the body has an answer, as a term that is always true or false."""
        answers = ArrayComprehension(Scalar(True, span), body, span)
        return ExprTerm(Call(("neq",), (answers, Array((), span)), span, span), span)

    def _connected(self, name: str, value: bool, left: Expr, word: Token, right: Expr) -> ExprTerm:
        sides = [
            self._holds((self.literal_plain(self._closed(side)),), side.span).term for side in (left, right)
        ]
        span = Span(self.source, left.span.start, right.span.end)
        mark = Span(self.source, word.start, word.end)
        constant = Array((Scalar(value, mark), Scalar(value, mark)), mark)
        return ExprTerm(Call((name,), (Array(tuple(sides), span), constant), span, mark), span)

    def _closed(self, expr: Expr) -> Expr:
        """An operand without braces, which must not bind anything."""
        if isinstance(expr, Assign):
            message = "cannot assign vars inside an operand of `and`, `or` or `not`"
            hint = "put it in braces, `{ x := 1; … }`, or compare with `==`"
            raise Refused(Diagnostic("rego_compile_error", message, expr.span, hint=hint))
        return Not(Not(expr, expr.span), expr.span) if _may_bind(expr) else expr

    def literal_plain(self, expr: Expr) -> Literal:
        return Literal(expr, (), expr.span)

    def literal_with(self, expr: Expr, withs: list[With]) -> Literal:
        if isinstance(expr, SomeDecl):
            raise self.refuse("a `some` declaration has nothing to replace `with`", withs[0].span)
        return Literal(expr, tuple(withs), Span(self.source, expr.span.start, withs[-1].span.end))

    def with_(self, word: Token, target: Term, _as: Token, value: Term) -> With:
        if not isinstance(target, Var | Ref):
            raise self.refuse(
                f"{a_kind_of(target)} cannot be replaced by `with`",
                target.span,
                "expected `input`, `data` or a name",
            )
        return With(target, value, Span(self.source, word.start, value.span.end))

    def block(self, _opening: Token, literals: list[Literal], closing: Token) -> _Block:
        return tuple(literals), closing.end

    def query(self, literals: list[Literal]) -> Body:
        return tuple(literals)

    def template_with(self, term: Term, withs: list[With]) -> Literal:
        return self.literal_with(self.expr_term(term), withs)


def _may_bind(expr: Expr) -> bool:
    """Whether an expression could give a variable its value, were it to stand by itself."""
    if isinstance(expr, Not):
        return False
    if isinstance(expr, ExprTerm):
        call = expr.term
        if (
            isinstance(call, Call)
            and call.name_span.text not in OPERATORS.values()
            and open_vars(*call.args[-1:])
        ):
            return True  # the last argument may be where the value of the call goes
        return any(isinstance(part, Ref) and open_vars(*part.path) for part in open_terms(call))
    return True
