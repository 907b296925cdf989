"""Planning references: `input.user.name`, `data.shop.roles[role]`, `xs[_].id`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from doorward.compile import plan
from doorward.compile.free import leading_constants, leading_names, needs
from doorward.compile.globals import Globals
from doorward.compile.plan import Const, Local, Operand
from doorward.compile.scope import Scope
from doorward.compile.tree import Document
from doorward.run.access import get
from doorward.run.values import UNDEFINED
from doorward_dsl.resolve.globals import ROOTS
from doorward_dsl.source import Span
from doorward_dsl.syntax import Array, Object, Ref, Term, Var

__all__ = ["Known", "References", "Side"]


@dataclass(frozen=True, slots=True)
class Known:
    """A side of a unification that has been worked out."""

    operand: Operand


Side: TypeAlias = Term | Known


class References(ABC):
    """Plans references into the steps of one scope."""

    def __init__(self, scope: Scope, program: Globals) -> None:
        self.scope = scope
        self.program = program

    @abstractmethod
    def value(self, term: Term) -> Operand:
        """The steps that work a term out, and where its value is then."""

    @abstractmethod
    def unify(self, left: Side, right: Side, span: Span) -> None:
        """The steps that make both sides equal, binding what is unbound on either."""

    def is_wanted(self, pattern: Term) -> bool:
        """Whether anything needs what a pattern takes."""
        if not isinstance(pattern, Var) or pattern.name in ("data", "input"):
            return True  # documents are no variables: a value is held against them
        return pattern.name in self.scope.env or self.scope.wanted(pattern.name)

    def reference(self, ref: Ref) -> Operand:
        """The steps that follow a reference, and where its value is then."""
        match ref.head:
            case Var("data"):
                return self.data(ref.path, ref.span)
            case Var("input"):
                names = leading_names(ref.path)
                return self._along(self.read(("input", *names), ref.span), ref.path[len(names) :])
        return self._along(self.value(ref.head), ref.path)

    def data(self, path: Sequence[Term], span: Span) -> Operand:
        """The value at a path below `data`: of a rule, of the base document, or of what holds both."""
        node = self.program.tree
        for at, name in enumerate(leading_names(path)):
            if node.document is not None:
                return self._document(node.document, path[at:], span)
            child = node.child(name)
            if child is None:
                names = (*node.path, *leading_names(path[at:]))
                return self._along(self.read(("data", *names), span), path[len(names) :])
            node = child
        rest = path[len(node.path) :]
        if node.document is not None:
            return self._document(node.document, rest, span)
        branch = self.scope.local()
        self.program.plan_below(node)
        self.scope.add(plan.Branch(branch, node.path, span))
        reached = self._along(branch, rest, may_branch=True)
        whole = self.scope.local()
        self.scope.add(plan.Settle(whole, reached, span))
        return whole

    def _document(self, document: Document, rest: Sequence[Term], span: Span) -> Operand:
        if document.kind == "function":
            self.scope.add(plan.Never(span))
            return Const(None)
        fixed = self.program.constant_of(document)
        if fixed is not None:
            return self._along(fixed, rest)
        # Asked for even where it is not called: what is needed tells on what a decision depends (see `timeless`).
        unit = self.program.unit_of(document, tuple(leading_constants(rest)))
        place_of = self.program.alias_of(document)
        if place_of is not None:
            names = leading_names(rest)
            return self._along(self.read((*place_of, *names), span), rest[len(names) :])
        place = ("unit", str(unit))
        value = self.scope.reads.get(place)
        if value is None:
            value = self.scope.reads[place] = self.scope.local()
            is_set = document.kind == "set" and self.program.is_always_a_set(document)
            self.scope.add(plan.RuleCall(value, unit, is_set, span))
        return self._along(value, rest)

    def read(self, place: tuple[str, ...], span: Span) -> Operand:
        """The value at a constant path of `input` or of the base document; read once in a function."""
        known = self.scope.reads.get(place)
        if known is not None:
            return known
        shared = self.scope.shared.get(place)
        if shared is not None:
            read = self._add_read(lambda to: plan.Defined(shared, span), shared)
        elif len(place) == 1:
            root = plan.Input if place[0] == "input" else plan.Base
            read = self._add_read(lambda to: root(to, span))
        else:
            source = self.read(place[:-1], span)
            read = self._add_read(lambda to: plan.Get(to, source, Const(place[-1]), span))
        self.scope.note_read(place, read)
        return read

    def _add_read(self, make: Callable[[Local], plan.Step], read: Local | None = None) -> Local:
        scope = self.scope
        if scope.early():
            return scope.add_early(make, read)
        read = scope.local() if read is None else read
        scope.add(make(read))
        return read

    def _along(self, source: Operand, path: Sequence[Term], *, may_branch: bool = False) -> Operand:
        scope = self.scope
        for step in path:
            if self._runs_over(step):
                index = scope.loop_local() if self.is_wanted(step) else None
                member = scope.loop_local()
                scope.add(plan.Scan(index, member, source, scope.ordered, may_branch, step.span))
                if index is not None:
                    self.unify(step, Known(index), step.span)
                source = member
                continue
            at = self.value(step)
            if isinstance(source, Const) and isinstance(at, Const):
                source = self._part(source, at, step.span)
            else:
                source = self._member(source, at, step.span, may_branch)
        return source

    def _member(self, source: Operand, at: Operand, span: Span, may_branch: bool) -> Operand:
        """The member of a value; of a local at a constant key read once in a function."""
        place: tuple[str, ...] = ()
        if isinstance(source, Local) and isinstance(at, Const) and type(at.value) is str and not may_branch:
            place = ("member", str(source.id), at.value)
        known = self.scope.reads.get(place)
        if known is not None:
            return known
        member = self.scope.local()
        self.scope.add(plan.Get(member, source, at, span, may_branch))
        if place:
            self.scope.reads[place] = member
        return member

    def _part(self, source: Const, at: Const, span: Span) -> Const:
        part = get(source.value, at.value)
        if part is UNDEFINED:
            self.scope.add(plan.Never(span))
            return Const(None)
        return Const(part)

    def _runs_over(self, step: Term) -> bool:
        if isinstance(step, Var):
            return step.name not in self.scope.env and step.name not in ROOTS
        return isinstance(step, (Array, Object)) and bool(self.needs(step))

    def needs(self, term: Term) -> set[str]:
        """The unbound variables without which the term has no value."""
        return needs(term, self.scope.env, self.scope.uses)
