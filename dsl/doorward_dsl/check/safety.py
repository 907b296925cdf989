"""Safety: every variable gets a value, and lines are put in an order in which each finds its inputs bound.

A body is taken apart greedily: the first line whose variables are bound, or bound by it, comes first; then the first of
the rest; and so on. What can never be placed is unsafe. Bodies of closures are ordered the same way, with the variables
that the lines before have bound as known.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from dataclasses import replace
from heapq import heappop, heappush
from typing import Final

from doorward_dsl.check.apart import Splitter
from doorward_dsl.check.bindings import outputs, variables
from doorward_dsl.diagnostics import Diagnostic
from doorward_dsl.resolve.globals import ROOTS
from doorward_dsl.source import Span
from doorward_dsl.suggest import nearest
from doorward_dsl.syntax import (
    Approve,
    Array,
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
    Scalar,
    SomeIn,
    Statement,
    Template,
    Term,
    TermTarget,
    Unify,
    Var,
    With,
)
from doorward_dsl.syntax import Set as SetTerm
from doorward_dsl.walk import (
    body_closures,
    closure_body,
    closure_heads,
    closures_in,
    deep_terms,
    literal_terms,
    open_terms,
    open_vars,
)

__all__ = ["Orderer", "order_query"]


_MOST_ROUNDS: Final = 16
"""How often causes are looked for among what is left when the causes found so far are put aside."""


_MOST_HINTS: Final = 100
"""Unsafe variables of a module for which a near miss is looked for."""


_CONSTANTS: Final = {
    "true": "true",
    "yes": "true",
    "false": "false",
    "no": "false",
    "null": "null",
    "nil": "null",
    "none": "null",
    "undefined": "null",
}
"""Constants as other languages write them."""

_A_COLUMN: Final = "a column is masked as `table.column`, or as `*.column` in every table"


class Orderer:
    """Orders the bodies of one module; what is unsafe is appended to `report`.

    `names` are the names a misspelt variable may have meant; `whole` is as for `Splitter`.
    """

    def __init__(self, report: list[Diagnostic], names: Iterable[str] = (), *, whole: bool = False) -> None:
        self._report = report
        self._names = tuple(names)
        self._undeclared = False
        """Within what OPA rewrites before it looks at safety: `print`, and parts of templates."""
        self._splitter = Splitter(whole=whole)
        self._told: set[tuple[str, Span]] = set()

    def rule(self, rule: Rule) -> Rule:
        """The rule with its bodies, those of its `else` chain too, in order."""
        chain: list[Rule] = []
        link: Rule | None = rule
        while link is not None:
            chain.append(self._link(link))
            link = link.else_
        whole = chain.pop()
        while chain:
            whole = replace(chain.pop(), else_=whole)
        return whole

    def _link(self, rule: Rule) -> Rule:
        head = rule.head
        known = open_vars(*(head.args or ()))
        body = self.body(rule.body, known)
        known = known | _body_vars(body)
        key = None if head.key is None else self._head(head.key, known)
        value = None if head.value is None else self._head(head.value, known)
        ref = (head.ref[0], *[self._head(part, known) for part in head.ref[1:]])
        return replace(rule, head=replace(head, ref=ref, key=key, value=value), body=body)

    def statement(self, statement: Statement) -> Statement:
        """The statement with its condition, exception and head terms in order."""
        when = None if statement.when is None else self.body(statement.when, set())
        known = _body_vars(when or ())
        reason = statement.reason
        if reason is not None and not isinstance(reason, str):
            reason = self._head(reason, known)
        unless = None if statement.unless is None else self.body(statement.unless, known)
        ordered = replace(statement, when=when, unless=unless, reason=reason)
        if isinstance(ordered, Mask):
            targets = tuple(
                TermTarget(self._head(target.term, known, _A_COLUMN), target.span)
                if isinstance(target, TermTarget)
                else target
                for target in ordered.targets
            )
            return replace(ordered, targets=targets)
        if isinstance(ordered, Approve):
            groups = tuple(self._head(group, known, _quoted(group)) for group in ordered.groups)
            return replace(ordered, groups=groups)
        if isinstance(ordered, Credential) and ordered.role is not None:
            return replace(ordered, role=self._head(ordered.role, known, _quoted(ordered.role)))
        return ordered

    # --- bodies ------------------------------------------------------------------------------------------------

    def body(self, body: Body, known: Set[str]) -> Body:
        """The lines of a body in order, those inside its closures too; `known` is bound from outside."""
        ordered, rest = _place(tuple(self._splitter.lift_modifiers(body)), known)
        if rest:
            for literal, missing in _causes(rest, set(known).union(*map(variables, ordered))):
                self._unsafe(literal, missing)
        bound = set(known)
        lines: list[Literal] = []
        for literal in ordered:
            outside, self._undeclared = self._undeclared, self._undeclared or _prints(literal)
            for line in self._splitter.split(literal, bound):
                lines += self._splitter.lift_negated(self._literal(line, bound))
                bound |= variables(line)
            self._undeclared = outside
        return (*lines, *rest)

    def _literal(self, literal: Literal, bound: Set[str]) -> Literal:
        if next(body_closures(literal), None) is None:
            return literal
        withs = tuple(
            With(self._term(modifier.target, bound), self._term(modifier.value, bound), modifier.span)
            for modifier in literal.withs
        )
        return Literal(self._expr(literal.expr, bound), withs, literal.span)

    def _expr(self, expr: Expr, bound: Set[str]) -> Expr:
        if isinstance(expr, ExprTerm):
            return ExprTerm(self._term(expr.term, bound), expr.span)
        if isinstance(expr, Assign):
            return Assign(self._term(expr.target, bound), self._term(expr.value, bound), expr.span)
        if isinstance(expr, Unify):
            return Unify(self._term(expr.left, bound), self._term(expr.right, bound), expr.span)
        if isinstance(expr, SomeIn):
            return replace(expr, domain=self._term(expr.domain, bound))
        if isinstance(expr, Not):
            return Not(self._expr(expr.expr, bound), expr.span)
        if isinstance(expr, Every):
            domain = self._term(expr.domain, bound)
            heads = {head.name for head in (expr.key, expr.value) if head is not None}
            return replace(expr, domain=domain, body=self.body(expr.body, bound | heads))
        return expr

    # --- terms -------------------------------------------------------------------------------------------------

    def _term(self, term: Term, bound: Set[str]) -> Term:
        """The term with the bodies of its closures in order."""
        if isinstance(term, Scalar | Var) or next(closures_in(term), None) is None:
            return term
        if isinstance(term, Ref):
            return Ref(self._term(term.head, bound), self._terms(term.path, bound), term.span)
        if isinstance(term, Call):
            return replace(term, args=self._terms(term.args, bound))
        if isinstance(term, Array | SetTerm):
            return replace(term, items=self._terms(term.items, bound))
        if isinstance(term, Object):
            pairs = tuple((self._term(key, bound), self._term(value, bound)) for key, value in term.pairs)
            return Object(pairs, term.span)
        if isinstance(term, Template):
            return Template(tuple(self._part(part, bound) for part in term.parts), term.span)
        body = self.body(term.body, bound)
        known = bound | _body_vars(body)
        if isinstance(term, ObjectComprehension):
            return replace(
                term, key=self._head(term.key, known), value=self._head(term.value, known), body=body
            )
        return replace(term, head=self._head(term.head, known), body=body)

    def _terms(self, terms: tuple[Term, ...], bound: Set[str]) -> tuple[Term, ...]:
        return tuple([self._term(term, bound) for term in terms])

    def _part(self, part: str | Term | Literal, bound: Set[str]) -> str | Term | Literal:
        """A part of a template: it may use variables, but binds none."""
        if isinstance(part, str):
            return part
        if isinstance(part, Literal):
            self._declared(literal_terms(part), bound)
            return self._literal(part, bound)
        if not isinstance(part, Var):
            self._declared((part,), bound)
        return self._head(part, bound)

    def _declared(self, terms: tuple[Term, ...], bound: Set[str]) -> None:
        """Tell of the variables that a part of a template would have to bind."""
        outside, self._undeclared = self._undeclared, True
        for term in terms:
            self._require(term, bound)
        self._undeclared = outside

    def _head(self, term: Term, known: Set[str], hint: str | None = None) -> Term:
        """A term of which every variable has to be bound."""
        self._require(term, known, hint)
        return self._term(term, known)

    # --- messages ----------------------------------------------------------------------------------------------

    def _require(self, term: Term, known: Set[str], hint: str | None = None) -> None:
        for part in open_terms(term):
            if isinstance(part, Var) and part.name not in known and part.name not in ROOTS:
                self._tell(part.name, part.span, hint)

    def _unsafe(self, literal: Literal, missing: Set[str]) -> None:
        places: dict[str, Span] = {}
        for term in deep_terms(bodies=((literal,),)):
            if isinstance(term, Var) and term.name in missing:
                first = places.setdefault(term.name, term.span)
                if term.span.start < first.start:
                    places[term.name] = term.span
        for name, span in places.items():
            self._tell(name, span)

    def _tell(self, name: str, span: Span, hint: str | None = None) -> None:
        written = name.partition("#")[0]
        if written == "$" or (written, span) in self._told:
            return
        self._told.add((written, span))
        near = None
        after = span.source.text[span.end : span.end + 2].lstrip()
        if written != "_" and len(self._told) <= _MOST_HINTS:
            near = nearest(written, self._names, 0.75)
        if written.lower() in _CONSTANTS:
            hint = f"did you mean `{_CONSTANTS[written.lower()]}`?"
        elif near:
            hint = f"did you mean `{near}`?"
        elif hint is not None:
            pass
        elif after.startswith(":") and not after.startswith(":="):
            hint = f'a key that is a text stands in quotes: `"{written}"`'
        elif written == "_":
            hint = (
                "a wildcard cannot be used where a value is needed; under `not` use a rule or a comprehension"
            )
        else:
            hint = "nothing gives it a value: bind it with `:=`, `some … in`, or a reference outside of `not`"
        code, message = "rego_unsafe_var_error", f"var `{written}` is unsafe"
        if self._undeclared:
            code, message = "rego_compile_error", f"var `{written}` is undeclared"
        self._report.append(Diagnostic(code, message, span, hint=hint))


def _quoted(term: Term) -> str:
    """What helps where a name was to be written, and a variable was."""
    return f'a name stands in quotes: `"{term.span.text}"`'


def _prints(literal: Literal) -> bool:
    term = literal.expr.term if isinstance(literal.expr, ExprTerm) else None
    return isinstance(term, Call) and term.name == ("internal", "print")


def order_query(body: Body, report: list[Diagnostic]) -> Body:
    """A query's body in order; what is unsafe is appended to `report`."""
    return Orderer(report).body(body, set())


def _body_vars(body: Body) -> set[str]:
    names: set[str] = set()
    for literal in body:
        names |= variables(literal)
    return names


def _place(body: Body, known: Set[str]) -> tuple[list[Literal], dict[Literal, set[str]]]:
    """The lines that can be placed, in order, and those that cannot, each with the variables that it misses.

    Lines are tried from first to last, again and again; but a line only when something it uses has been bound since.
    """
    own = [variables(literal) for literal in body]
    shared = set[str]().union(*own) - known
    closed = [_closed_over(literal) & shared for literal in body]
    watchers: dict[str, list[int]] = {}
    for index in range(len(body)):
        for name in (own[index] | closed[index]) - known:
            watchers.setdefault(name, []).append(index)
    bound = set(known)
    ordered: list[Literal] = []
    missing: dict[int, set[str]] = {}
    sweep, following = list(range(len(body))), list[int]()
    queued = set(sweep)
    while sweep:
        index = heappop(sweep)
        queued.discard(index)
        gives = outputs(body[index], bound)
        missing[index] = (own[index] - gives - bound) | (closed[index] - bound)
        if not missing[index]:
            del missing[index]
            ordered.append(body[index])
            fresh = gives - bound
            bound |= gives
            ready = {other for name in fresh for other in watchers.get(name, ()) if other in missing}
            for other in ready - queued:
                heappush(sweep if other > index else following, other)
            queued |= ready
        if not sweep:
            sweep, following = following, []
    return ordered, {body[index]: missing[index] for index in sorted(missing)}


def _causes(rest: Mapping[Literal, set[str]], bound: Set[str]) -> list[tuple[Literal, set[str]]]:
    """The lines that cannot be placed with the variables to blame: those that no other such line would bind.

    What only follows from those is left out.
    """
    blamed: list[tuple[Literal, set[str]]] = []
    assumed = set(bound)
    for _ in range(_MOST_ROUNDS):
        if not rest:
            break
        everything = assumed.union(*rest.values())
        promised = set[str]().union(*(outputs(literal, everything) for literal in rest))
        causes = {literal: missing - promised for literal, missing in rest.items()}
        if not any(causes.values()):
            causes = dict(rest)
        blamed += causes.items()
        assumed = assumed.union(*causes.values())
        _, rest = _place(tuple(rest), assumed)
    return blamed


def _closed_over(literal: Literal) -> set[str]:
    """The names of all variables inside the closures of a line."""
    names: set[str] = set()
    for closure in body_closures(literal):
        for term in deep_terms(*closure_heads(closure), bodies=(closure_body(closure),)):
            if isinstance(term, Var):
                names.add(term.name)
    return names
