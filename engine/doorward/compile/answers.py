"""Planning the body of a rule: which steps find its answers, in which order.

Everything that is mutually recursive in Rego is so here: literals hold terms, terms hold comprehensions,
comprehensions
hold bodies.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Final, NoReturn

from doorward.compile import plan
from doorward.compile.folding import folded
from doorward.compile.free import (
    Comprehension,
    constant,
    constant_keys,
)
from doorward.compile.plan import Block, Const, Operand, Operator
from doorward.compile.references import Known, References, Side
from doorward.compile.replacing import plan_change
from doorward.compile.tree import Document, function_at
from doorward_dsl.diagnostics import CompileError, Diagnostic
from doorward_dsl.source import Span
from doorward_dsl.syntax import (
    Array,
    ArrayComprehension,
    Assign,
    Call,
    Every,
    Expr,
    ExprTerm,
    Literal,
    Not,
    Object,
    ObjectComprehension,
    Ref,
    Set,
    SetComprehension,
    SomeDecl,
    SomeIn,
    Template,
    Term,
    Unify,
    Var,
)
from doorward_dsl.syntax import Body as TreeBody

__all__ = ["Answers", "Known"]

_OPERATORS: Final[dict[str, Operator]] = {
    "equal": "equal",
    "neq": "neq",
    "lt": "lt",
    "lte": "lte",
    "gt": "gt",
    "gte": "gte",
    "plus": "plus",
    "minus": "minus",
    "internal.member_2": "in",
}
_COMPARISONS: Final = frozenset({"equal", "neq", "lt", "lte", "gt", "gte", "internal.member_2"})
_SILENT: Final = frozenset({"print", "internal.print", "internal.test_case"})


class Answers(References):
    """Plans literals and terms into the steps of one scope."""

    # --- literals ---

    def body(self, body: TreeBody) -> None:
        """The steps of all literals, one after the other."""
        for literal in body:
            self.literal(literal)

    def literal(self, literal: Literal) -> None:
        """The steps of one literal, under its modifiers."""
        if not literal.withs:
            self.expression(literal.expr)
            return
        changes = tuple(
            plan_change(modifier, self.scope, self.program, self.value) for modifier in literal.withs
        )
        self.scope.add(plan.With(changes, literal.span))
        with self.scope.elsewhere():
            self.expression(literal.expr)
        self.scope.add(plan.EndWith(literal.span))

    def expression(self, expr: Expr) -> None:
        """The steps of one expression."""
        add, scope = self.scope.add, self.scope
        match expr:
            case ExprTerm(term, span):
                self._holds(term, span)
            case Assign(target, value, span):
                self.unify(target, Known(self.value(value)), span)
            case Unify(left, right, span):
                self.unify(left, right, span)
            case SomeIn(index, value, domain, span):
                source = self.value(domain)
                at = scope.loop_local() if index is not None and self.is_wanted(index) else None
                member = scope.loop_local() if self.is_wanted(value) else None
                add(plan.Scan(at, member, source, scope.ordered, False, span))
                if index is not None and at is not None:
                    self.unify(index, Known(at), span)
                if member is not None:
                    self.unify(value, Known(member), span)
            case Every(index_var, value_var, domain, body, span):
                source = self.value(domain)
                with scope.nested(ordered=False) as steps:
                    at = scope.local() if index_var is not None else None
                    member = scope.local()
                    if index_var is not None and at is not None:
                        scope.bind(index_var.name, at)
                    scope.bind(value_var.name, member)
                    self.body(body)
                add(plan.ForAll(at, member, source, Block(tuple(steps), (), True), span))
            case Not(inner, span):
                with scope.nested(ordered=False) as steps:
                    self.expression(inner)
                add(plan.Absent(Block(tuple(steps), (), True), span))
            case SomeDecl():
                pass

    def _holds(self, term: Term, span: Span) -> None:
        if isinstance(term, Call):
            name = ".".join(term.name)
            if name in _SILENT:
                return
            if name in _COMPARISONS and len(term.args) == 2:
                left, right = self._values(term.args)
                self.scope.add(plan.Test(_OPERATORS[name], left, right, span))
                return
            if len(term.args) == self._arity(term) + 1:
                inner = Call(term.name, term.args[:-1], term.span, term.name_span)
                self.unify(term.args[-1], inner, span)
                return
        self.scope.add(plan.Truthy(self.value(term), span))

    def _arity(self, call: Call) -> int:
        function = self._function(call)
        if function is not None:
            return function.arity
        arity = self.program.builtin_arity(".".join(call.name))
        return -2 if arity is None or arity < 0 else arity

    def _function(self, call: Call) -> Document | None:
        return function_at(self.program.tree, call.name[1:]) if call.name[0] == "data" else None

    # --- terms ---

    def value(self, term: Term) -> Operand:
        """The steps that work a term out, and where its value is then."""
        folded = constant(term)
        if folded is not None:
            return folded
        scope = self.scope
        match term:
            case Var("input", span):
                return self.read(("input",), span)
            case Var("data", span):
                return self.data((), span)
            case Var(name, span):
                if name not in scope.env:
                    _unsafe(name, span)
                return scope.env[name]
            case Ref():
                return self.reference(term)
            case Call():
                return self._call(term)
            case Array(items, span):
                parts = self._values(items)
                if all(isinstance(part, Const) for part in parts):
                    return Const([part.value for part in parts if isinstance(part, Const)])
                scope.add(plan.MakeArray(made := scope.local(), parts, span))
                return made
            case Set(items, span):
                parts = self._values(items)
                scope.add(plan.MakeSet(made := scope.local(), parts, span))
                return made
            case Object(entries, span):
                parts = self._values([part for entry in entries for part in entry])
                pairs = tuple(zip(parts[::2], parts[1::2], strict=True))
                scope.add(plan.MakeObject(made := scope.local(), pairs, span))
                return made
            case ArrayComprehension() | SetComprehension() | ObjectComprehension():
                return self._comprehension(term)
            case Template(pieces, span):
                return self._template(pieces, span)
        raise AssertionError(f"not a term: {term!r}")

    def _values(self, terms: Sequence[Term]) -> tuple[Operand, ...]:
        """The values of terms, those last that need what others bind by running over it (`x ==
        input.p[x]`)."""
        found: dict[int, Operand] = {}
        for may_lack in (False, True):
            for at, term in enumerate(terms):
                if at not in found and (may_lack or not self.needs(term)):
                    found[at] = self.value(term)
        return tuple(found[at] for at in range(len(terms)))

    def _comprehension(self, term: Comprehension) -> Operand:
        scope = self.scope
        floor = scope.loops
        with scope.nested(ordered=isinstance(term, ArrayComprehension)) as steps:
            self.body(term.body)
            if isinstance(term, ObjectComprehension):
                result: tuple[Operand, ...] = (self.value(term.key), self.value(term.value))
            else:
                result = (self.value(term.head),)
        block = scope.block(steps, result, loops=floor)
        made = scope.local()
        match term:
            case ArrayComprehension():
                scope.add(plan.Collect(made, "array", block, term.span))
            case SetComprehension():
                scope.add(plan.Collect(made, "set", block, term.span))
            case ObjectComprehension():
                scope.add(plan.Collect(made, "object", block, term.span))
        return made

    def _template(self, pieces: Sequence[str | Term | Literal], span: Span) -> Operand:
        # Each term becomes the set of its values: an empty one is how the built-in sees what is undefined.
        parts: list[Operand] = []
        for piece in pieces:
            if isinstance(piece, str):
                parts.append(Const(piece))
                continue
            with self.scope.nested(ordered=False) as steps:
                result = (self._piece(piece),)
            collected = self.scope.local()
            block = self.scope.block(steps, result)
            self.scope.add(plan.Collect(collected, "set", block, piece.span))
            parts.append(collected)
        self.scope.add(plan.MakeArray(array := self.scope.local(), tuple(parts), span))
        made = self.scope.local()
        self.scope.add(plan.BuiltinCall(made, "internal.template_string", (array,), False, span))
        return made

    def _piece(self, piece: Term | Literal) -> Operand:
        if not isinstance(piece, Literal):
            return self.value(piece)
        if not isinstance(piece.expr, ExprTerm):
            raise AssertionError(f"not a part of a template: {piece!r}")
        changes = tuple(
            plan_change(modifier, self.scope, self.program, self.value) for modifier in piece.withs
        )
        self.scope.add(plan.With(changes, piece.span))
        with self.scope.elsewhere():
            result = self.value(piece.expr.term)
        self.scope.add(plan.EndWith(piece.span))
        return result

    def _call(self, call: Call) -> Operand:
        scope, name = self.scope, ".".join(call.name)
        args = self._values(call.args)
        if name in _SILENT:
            return Const(True)
        mocked = self.program.is_mocked(name)
        function = self._function(call)
        if function is not None:
            unit = self.program.unit_of(function, ())
            scope.add(plan.FunctionCall(made := scope.local(), unit, name, args, mocked, call.span))
            return made
        if self.program.builtin_arity(name) is None:
            if not mocked:
                _refuse("rego_type_error", f"undefined function `{name}`", call.name_span)
            scope.add(plan.MockCall(made := scope.local(), name, args, call.span))
            return made
        known = None if mocked else folded(name, args)
        if known is not None:
            return known
        if name in _OPERATORS and len(args) == 2 and not mocked:
            made = scope.local()
            scope.add(plan.Compute(made, _OPERATORS[name], args[0], args[1], call.span))
            return made
        if self.program.is_relation(name) and not mocked:
            made = scope.loop_local()
            scope.add(plan.Walk(made, name, args, call.span))
            return made
        scope.add(plan.BuiltinCall(made := scope.local(), name, args, mocked, call.span))
        return made

    # --- unification ---

    def unify(self, left: Side, right: Side, span: Span) -> None:
        """The steps that make both sides equal, binding what is unbound on either."""
        pending = deque([(left, right)])
        waited = 0
        while pending:
            equation = pending.popleft()
            opened = self._open(*equation, span)
            if opened is not None:
                pending.extendleft(reversed(opened))
                waited = 0
                continue
            pending.append(equation)
            waited += 1
            if waited > len(pending):
                sides = [side for pair in pending for side in pair if not isinstance(side, Known)]
                _unsafe(", ".join(sorted(set().union(*map(self.needs, sides)))), span)

    def _open(self, left: Side, right: Side, span: Span) -> list[tuple[Side, Side]] | None:
        """Do one equation: the smaller ones it comes down to, or None when it has to wait for others."""
        match left, right:
            case Array(), Array():
                if len(left.items) != len(right.items):
                    self.scope.add(plan.Never(span))
                    return []
                return list(zip(left.items, right.items, strict=True))
            case Object(), Object():
                ours, theirs = constant_keys(left), constant_keys(right)
                if ours is not None and theirs is not None:
                    if ours.keys() != theirs.keys():
                        self.scope.add(plan.Never(span))
                        return []
                    return [(ours[name], theirs[name]) for name in ours]
        if self._is_ready(right) and self._can_open(left):
            return self._against(left, self._known(right), span)
        if self._is_ready(left) and self._can_open(right):
            return self._against(right, self._known(left), span)
        return None

    def _can_open(self, side: Side) -> bool:
        if isinstance(side, Object):
            return not any(map(self.needs, (index for index, _ in side.pairs)))
        return isinstance(side, (Var, Array)) or self._is_ready(side)

    def _is_ready(self, side: Side) -> bool:
        return isinstance(side, Known) or not self.needs(side)

    def _known(self, side: Side) -> Operand:
        return side.operand if isinstance(side, Known) else self.value(side)

    def _against(self, pattern: Side, operand: Operand, span: Span) -> list[tuple[Side, Side]]:
        if isinstance(pattern, Known):
            self.scope.add(plan.Test("equal", pattern.operand, operand, span))
            return []
        if not self.needs(pattern):
            # Asked only now: working the other side out may have bound what was missing (`x = data.p[x]`).
            self.scope.add(plan.Test("equal", self.value(pattern), operand, span))
            return []
        parts: list[tuple[Term, Operand]] = []
        match pattern:
            case Var(name):
                self.scope.bind(name, operand)
                return []
            case Array(items):
                self.scope.add(plan.Shape("array", operand, len(items), span))
                parts = [(item, Const(at)) for at, item in enumerate(items)]
            case Object(entries):
                self.scope.add(plan.Shape("object", operand, len(entries), span))
                parts = [(item, self.value(index)) for index, item in entries]
            case _:
                raise AssertionError(f"not a pattern: {pattern!r}")
        opened: list[tuple[Side, Side]] = []
        for item, at in parts:
            if isinstance(pattern, Array) and isinstance(item, Var) and not self.is_wanted(item):
                continue  # an array of that length has the item; an object of that size may not have the key
            member = self.scope.local()
            self.scope.add(plan.Get(member, operand, at, span))
            opened.append((item, Known(member)))
        return opened


def _unsafe(name: str, span: Span) -> NoReturn:
    _refuse("rego_unsafe_var_error", f"var `{name}` is unsafe", span)


def _refuse(code: str, message: str, span: Span) -> NoReturn:
    raise CompileError([Diagnostic(code, message, span)])
