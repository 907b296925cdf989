"""Which names a body declares and uses: scope analysis, before any name is given its meaning.

A name belongs to the innermost body that declares it (`:=`, `some`, `every`, a function's argument). A name that nobody
declares and that is not global either is a variable of the outermost body that uses it outside of a closure.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal as OneOf

from doorward_dsl.source import Span
from doorward_dsl.syntax import Array, Assign, Body, Literal, Object, Ref, SomeDecl, SomeIn, Term, Var
from doorward_dsl.walk import expr_terms, open_vars, subterms

__all__ = [
    "WILDCARD",
    "Local",
    "Occurrence",
    "Scope",
    "declared_names",
    "pattern_vars",
    "some_vars",
    "used_names",
]

WILDCARD = "_"

Occurrence = OneOf["assigned", "declared", "arg"]
"""How a name was declared: by `:=`, by `some` or `every`, or as an argument."""


@dataclass(slots=True)
class Local:
    """A declared name of one scope."""

    unique: str
    """The variable's name after resolution, unique in its rule."""
    occurrence: Occurrence
    span: Span
    uses: int = 0


@dataclass(slots=True)
class Scope:
    """The names of one body while it is being resolved."""

    declared: frozenset[str]
    """Names that this body declares anywhere: they hide global names in all of it."""
    used: frozenset[str]
    """Names used in this body, outside of closures, that it does not declare."""
    locals: dict[str, Local] = field(default_factory=dict)
    """What has been declared so far."""
    seen: set[str] = field(default_factory=set)
    """Names of `declared` that were used before they were declared."""
    implicit: dict[str, str] = field(default_factory=dict)
    """Variables that nobody declares, by name, with their unique names."""


def pattern_vars(*patterns: Term) -> Iterator[Var]:
    """The variables that a pattern binds: in arrays and in the values of objects, nowhere else."""
    waiting = list(reversed(patterns))
    while waiting:
        term = waiting.pop()
        if isinstance(term, Var):
            yield term
        elif isinstance(term, Array):
            waiting.extend(reversed(term.items))
        elif isinstance(term, Object):
            waiting.extend(value for _, value in reversed(term.pairs))


def some_vars(expr: SomeIn) -> Iterator[Var]:
    """The variables that `some … in` declares: all in its key and value but for those of references."""
    waiting: list[Term] = [expr.value] if expr.key is None else [expr.value, expr.key]
    while waiting:
        term = waiting.pop()
        if isinstance(term, Var):
            yield term
        elif not isinstance(term, Ref):
            waiting.extend(reversed(subterms(term)))


def declared_names(body: Body) -> frozenset[str]:
    """The names that the lines of a body declare."""
    names: set[str] = set()
    for literal in body:
        expr = literal.expr
        if isinstance(expr, Assign):
            names.update(var.name for var in pattern_vars(expr.target))
        elif isinstance(expr, SomeDecl):
            names.update(var.name for var in expr.names)
        elif isinstance(expr, SomeIn):
            names.update(var.name for var in some_vars(expr))
    names.discard(WILDCARD)
    return frozenset(names)


def used_names(body: Iterable[Literal], heads: Iterable[Term] = ()) -> set[str]:
    """The names used in a body and in the terms `heads` that go with it, outside of closures.

    What a `with` modifier replaces is not a use: it names an input, a document or a function.
    """
    names = open_vars(*heads)
    for literal in body:
        names |= open_vars(*expr_terms(literal.expr))
        for modifier in literal.withs:
            if isinstance(modifier.target, Ref):
                names |= open_vars(*modifier.target.path)
            if not isinstance(modifier.value, Var):
                names |= open_vars(modifier.value)
    names.discard(WILDCARD)
    return names
