"""Which variables a line of a body binds, given those that are bound already.

The rules are Rego's own. A reference binds the variables of its path by iterating, if its head is bound. Unification
binds what stands opposite of something known. The arguments of a call must be bound; negation binds nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Set

from doorward_dsl.check.tree import is_global
from doorward_dsl.check.withs import function_name
from doorward_dsl.resolve.globals import ROOTS
from doorward_dsl.resolve.scopes import pattern_vars
from doorward_dsl.signatures import signatures
from doorward_dsl.syntax import (
    Array,
    ArrayComprehension,
    Assign,
    Call,
    Every,
    Literal,
    Not,
    Object,
    ObjectComprehension,
    Ref,
    Scalar,
    SetComprehension,
    SomeIn,
    Template,
    Term,
    Unify,
    Var,
    With,
)
from doorward_dsl.syntax import Set as SetTerm
from doorward_dsl.walk import expr_terms, open_terms, open_vars, subterms

__all__ = ["modifier_vars", "outputs", "variables"]


def variables(literal: Literal) -> set[str]:
    """The variables of a line, without those inside closures."""
    return (open_vars(*expr_terms(literal.expr)) | modifier_vars(literal.withs)) - set(ROOTS)


def modifier_vars(withs: Iterable[With]) -> set[str]:
    """The variables in the targets and values of `with` modifiers; names of built-in functions are none."""
    names: set[str] = set()
    for modifier in withs:
        if isinstance(modifier.target, Ref) and (
            is_global(modifier.target) or is_global(modifier.target, "input")
        ):
            names |= open_vars(*modifier.target.path)
        if not is_builtin(modifier.value):
            names |= open_vars(modifier.value)
    return names - set(ROOTS)


def is_builtin(term: Term) -> bool:
    """Whether a resolved term is the bare name of a built-in function."""
    name = function_name(term)
    return name is not None and ".".join(name) in signatures()


def outputs(literal: Literal, bound: Set[str]) -> set[str]:
    """The variables that a line binds when those in `bound` are."""
    expr = literal.expr
    if isinstance(expr, Not) or (literal.withs and not modifier_vars(literal.withs) <= bound):
        return set()
    if isinstance(expr, SomeIn):
        found = _iterated((expr.domain,), bound)
        if open_vars(expr.domain) - set(ROOTS) <= bound | found:
            found |= {var.name for var in pattern_vars(expr.value)}
            if expr.key is not None:
                found |= _path_vars((expr.key,))
        return found
    if isinstance(expr, Every):
        return _iterated((expr.domain,), bound)
    found = _iterated(expr_terms(expr), bound)
    if isinstance(expr, Unify):
        found |= _unified(bound | found, expr.left, expr.right)
    elif isinstance(expr, Assign):
        found |= _unified(bound | found, expr.target, expr.value)
    return found


def _iterated(terms: tuple[Term, ...], bound: Set[str]) -> set[str]:
    """The variables that references bind by iterating."""
    found: set[str] = set()
    waiting = list(terms)
    while waiting:
        term = waiting.pop()
        if isinstance(term, Ref):
            if not isinstance(term.head, Var):
                found |= _iterated((term.head,), bound)
            if not _is_known(term.head, bound | found):
                continue
            found |= _path_vars(term.path)
        waiting.extend(subterms(term))
    return found


def _path_vars(path: Iterable[Term]) -> set[str]:
    """The variables of a path that a match of it binds; those in calls, sets and keys have to be bound before."""
    found: set[str] = set()
    waiting = list(path)
    while waiting:
        term = waiting.pop()
        if isinstance(term, Var):
            found.add(term.name)
        elif isinstance(term, Ref):
            waiting.extend(term.path)
        elif isinstance(term, Object):
            waiting.extend(value for _, value in term.pairs)
        elif not isinstance(term, Call | SetTerm):
            waiting.extend(subterms(term))
    return found - set(ROOTS)


def _is_known(term: Term, bound: Set[str]) -> bool:
    if isinstance(term, Var):
        return term.name in bound or term.name in ROOTS
    return open_vars(term) - set(ROOTS) <= bound


def _unified(bound: Set[str], left: Term, right: Term) -> set[str]:
    unifier = _Unifier(bound)
    unifier.unify(left, right)
    return unifier.found


class _Unifier:
    """Finds what the equation of two terms binds."""

    def __init__(self, bound: Set[str]) -> None:
        self._bound = bound
        self._waiting: dict[str, set[str]] = {}
        """Variables that become known once all of some others are."""
        self.found: set[str] = set()

    def unify(self, left: Term, right: Term) -> None:
        """Take in that two terms are equal."""
        if isinstance(left, Var) and isinstance(right, Var):
            if self._knows(right.name):
                self._mark(left.name)
            elif self._knows(left.name):
                self._mark(right.name)
            else:
                self._waiting.setdefault(left.name, set()).add(right.name)
                self._waiting.setdefault(right.name, set()).add(left.name)
        elif isinstance(left, Var):
            self._unify_var(left.name, right)
        elif isinstance(right, Var):
            self._unify_var(right.name, left)
        elif isinstance(left, Array) and isinstance(right, Array):
            if len(left.items) == len(right.items):
                for one, other in zip(left.items, right.items, strict=True):
                    self.unify(one, other)
        elif isinstance(left, Object) and isinstance(right, Object):
            self._unify_objects(left, right)
        elif isinstance(left, Array | Object):
            self._unify_pattern(left, right)
        elif isinstance(right, Array | Object):
            self._unify_pattern(right, left)

    def _unify_var(self, name: str, other: Term) -> None:
        if isinstance(other, Array | Object):
            names = {var.name for var in pattern_vars(other)} - set(ROOTS)
            if self._knows(name):
                for inner in names:
                    self._mark(inner)
            unknown = {inner for inner in names if not self._knows(inner)}
            if not unknown:
                self._mark(name)
            else:
                self._waiting.setdefault(name, set()).update(unknown)
        elif not isinstance(other, Ref | Call) or _is_value(other, self._bound):
            self._mark(name)

    def _unify_objects(self, left: Object, right: Object) -> None:
        if len(left.pairs) != len(right.pairs):
            return
        values = {_as_written(key): value for key, value in right.pairs}
        for key, value in left.pairs:
            other = values.get(_as_written(key))
            if other is not None and (
                isinstance(key, Scalar) or (isinstance(key, Var) and self._knows(key.name))
            ):
                self.unify(value, other)

    def _unify_pattern(self, pattern: Array | Object, value: Term) -> None:
        if _is_value(value, self._bound):
            for var in pattern_vars(pattern):
                self._mark(var.name)

    def _knows(self, name: str) -> bool:
        return name in self._bound or name in self.found or name in ROOTS

    def _mark(self, name: str) -> None:
        marked = [name]
        while marked:
            known = marked.pop()
            self.found.add(known)
            marked.extend(self._waiting.pop(known, ()))
            for other, needs in list(self._waiting.items()):
                needs.discard(known)
                if not needs:
                    del self._waiting[other]
                    marked.append(other)


def _as_written(key: Term) -> object:
    """What tells a key of an object from others: a constant by its value, a variable by its name."""
    return repr(key.value) if isinstance(key, Scalar) else ("var", key.name) if isinstance(key, Var) else key


def _is_value(term: Term, bound: Set[str]) -> bool:
    """Whether a term can be worked out, without help from what it is unified with."""
    if isinstance(term, Ref):
        parts = list(open_terms(*term.path))
        given: list[Term] = [part for part in parts if isinstance(part, Call | SetTerm)]
        given += [key for part in parts if isinstance(part, Object) for key, _ in part.pairs]
        return _is_known(term.head, bound) and open_vars(*given) - set(ROOTS) <= bound
    if isinstance(term, Call):
        return open_vars(term) - set(ROOTS) <= bound
    return isinstance(term, ArrayComprehension | SetComprehension | ObjectComprehension | Template | SetTerm)
