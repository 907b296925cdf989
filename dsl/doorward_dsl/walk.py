"""Ways through a syntax tree that passes share.

A *closure* is a part of a term with a body of its own: a comprehension, or the inside of a template string (each of
whose parts is looked up on its own). What stands in a closure can see the variables around it, and binds none of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeAlias

from doorward_dsl.syntax import (
    Approve,
    Array,
    ArrayComprehension,
    Assign,
    Body,
    Call,
    Credential,
    Every,
    Expr,
    ExprTerm,
    Literal,
    Mask,
    Not,
    Object,
    ObjectComprehension,
    Ref,
    Rule,
    RuleHead,
    Scalar,
    Set,
    SetComprehension,
    SomeDecl,
    SomeIn,
    Statement,
    Template,
    Term,
    TermTarget,
    Unify,
    Var,
    With,
)

__all__ = [
    "Closure",
    "body_closures",
    "body_terms",
    "closure_body",
    "closure_heads",
    "closures_in",
    "deep_nodes",
    "deep_terms",
    "deep_withs",
    "every_of",
    "expr_terms",
    "head_terms",
    "is_operand",
    "literal_terms",
    "open_terms",
    "open_vars",
    "rule_chain",
    "statement_terms",
    "subterms",
]

Closure: TypeAlias = ArrayComprehension | SetComprehension | ObjectComprehension | Template | Every


def subterms(term: Term) -> tuple[Term, ...]:
    """The terms that `term` is directly made of, without those inside a closure."""
    kind = type(term)
    if kind is Var or kind is Scalar:
        return ()
    if isinstance(term, Ref):
        return (term.head, *term.path)
    if isinstance(term, Call):
        return term.args
    if isinstance(term, Array | Set):
        return term.items
    if isinstance(term, Object):
        return tuple(part for pair in term.pairs for part in pair)
    return ()


def open_terms(*roots: Term) -> Iterator[Term]:
    """Every term in `roots`, themselves first, from left to right, without those inside a closure."""
    waiting = list(reversed(roots))
    while waiting:
        term = waiting.pop()
        yield term
        kind = type(term)
        if kind is not Var and kind is not Scalar:
            waiting.extend(reversed(subterms(term)))


def open_vars(*roots: Term) -> set[str]:
    """The names of the variables in `roots`, without those inside a closure."""
    return {term.name for term in open_terms(*roots) if isinstance(term, Var)}


def expr_terms(expr: Expr) -> tuple[Term, ...]:
    """The terms an expression is directly made of; of `every` the domain only."""
    while isinstance(expr, Not):
        expr = expr.expr
    if isinstance(expr, ExprTerm):
        return (expr.term,)
    if isinstance(expr, Assign):
        return (expr.target, expr.value)
    if isinstance(expr, Unify):
        return (expr.left, expr.right)
    if isinstance(expr, SomeIn):
        return (expr.value, expr.domain) if expr.key is None else (expr.key, expr.value, expr.domain)
    if isinstance(expr, Every):
        return (expr.domain,)
    return expr.names if isinstance(expr, SomeDecl) else ()


def literal_terms(literal: Literal) -> tuple[Term, ...]:
    """The terms of an expression and of its modifiers."""
    terms = expr_terms(literal.expr)
    if literal.withs:
        terms += tuple(term for modifier in literal.withs for term in (modifier.target, modifier.value))
    return terms


def body_terms(body: Body) -> Iterator[Term]:
    """Every term of a body, without those inside a closure."""
    for literal in body:
        yield from open_terms(*literal_terms(literal))


def every_of(expr: Expr) -> Every | None:
    """The `every` that an expression is, negated or not."""
    while isinstance(expr, Not):
        expr = expr.expr
    return expr if isinstance(expr, Every) else None


def closures_in(*roots: Term) -> Iterator[Closure]:
    """The closures in `roots` that stand in no other closure."""
    for term in open_terms(*roots):
        if isinstance(term, ArrayComprehension | SetComprehension | ObjectComprehension | Template):
            yield term


def body_closures(literal: Literal) -> Iterator[Closure]:
    """The closures of one line of a body that stand in no other closure."""
    yield from closures_in(*literal_terms(literal))
    every = every_of(literal.expr)
    if every is not None:
        yield every


def closure_heads(closure: Closure) -> tuple[Term, ...]:
    """The terms of a closure that its body does not hold: what it collects, or the parts of a template."""
    if isinstance(closure, ObjectComprehension):
        return (closure.key, closure.value)
    if isinstance(closure, Template):
        return tuple(part for part in closure.parts if not isinstance(part, str | Literal))
    if isinstance(closure, Every):
        return (closure.value,) if closure.key is None else (closure.key, closure.value)
    return (closure.head,)


def is_operand(closure: Closure) -> bool:
    """Whether a closure is what the parser makes of an operand of `and`, `or` and the newer `not`: nobody wrote its head."""
    return isinstance(closure, ArrayComprehension) and closure.head.span == closure.span


def closure_body(closure: Closure) -> Body:
    """The body of a closure; of a template the parts that have modifiers."""
    if isinstance(closure, Template):
        return tuple(part for part in closure.parts if isinstance(part, Literal))
    return closure.body


def deep_nodes(*roots: Term, bodies: Iterable[Body] = ()) -> Iterator[Term | Literal]:
    """Every term, and every line of a body, in `roots` and `bodies` at any depth; a term before its parts."""
    waiting: list[Term | Literal] = [*roots, *(literal for body in bodies for literal in body)]
    waiting.reverse()
    while waiting:
        node = waiting.pop()
        yield node
        kind = type(node)
        if kind is Var or kind is Scalar:
            continue
        if isinstance(node, Literal):
            every = every_of(node.expr)
            if every is not None:
                waiting.extend(reversed(every.body))
                waiting.extend(closure_heads(every))
            waiting.extend(reversed(literal_terms(node)))
        elif isinstance(node, ArrayComprehension | SetComprehension | ObjectComprehension | Template):
            waiting.extend(reversed(closure_body(node)))
            waiting.extend(reversed(closure_heads(node)))
        else:
            waiting.extend(reversed(subterms(node)))


def deep_terms(*roots: Term, bodies: Iterable[Body] = ()) -> Iterator[Term]:
    """Every term in `roots` and `bodies`, those inside closures too."""
    return (node for node in deep_nodes(*roots, bodies=bodies) if not isinstance(node, Literal))


def deep_withs(*roots: Term, bodies: Iterable[Body] = ()) -> Iterator[With]:
    """Every `with` modifier in `roots` and `bodies`."""
    for node in deep_nodes(*roots, bodies=bodies):
        if isinstance(node, Literal):
            yield from node.withs


def rule_chain(rule: Rule) -> Iterator[Rule]:
    """A rule and the links of its `else` chain."""
    link: Rule | None = rule
    while link is not None:
        yield link
        link = link.else_


def head_terms(head: RuleHead) -> list[Term]:
    """The terms of a rule's head: arguments, the dynamic part of its name, key, and value."""
    terms = [*(head.args or ()), *head.ref[1:]]
    terms += [term for term in (head.key, head.value) if term is not None]
    return terms


def statement_terms(statement: Statement) -> list[Term]:
    """The terms that a statement has besides its condition and exception."""
    terms: list[Term] = []
    if statement.reason is not None and not isinstance(statement.reason, str):
        terms.append(statement.reason)
    if isinstance(statement, Mask):
        terms += [target.term for target in statement.targets if isinstance(target, TermTarget)]
    elif isinstance(statement, Approve):
        terms += statement.groups
    elif isinstance(statement, Credential) and statement.role is not None:
        terms.append(statement.role)
    return terms
