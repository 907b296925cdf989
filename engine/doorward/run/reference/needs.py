"""Which variables a term must have values for before it has one itself."""

from __future__ import annotations

from collections.abc import Collection

from doorward_dsl.syntax import (
    Array,
    ArrayComprehension,
    Call,
    Object,
    ObjectComprehension,
    Ref,
    Set,
    SetComprehension,
    Template,
    Term,
    Var,
)
from doorward_dsl.walk import deep_terms, open_vars

__all__ = ["missing"]

_WHOLE = {"data", "input"}


def missing(term: Term, bound: Collection[str], around: Collection[str]) -> set[str]:
    """The variables that the term still needs.

    A reference does not need the variables of its path: it runs over all that they can be. A comprehension or
    template needs those of the expression it stands in (`around`); the others it has are its own, or bound
    long since.
    """
    match term:
        case Var("data" | "input"):
            return set()
        case Var(name):
            return set() if name in bound else {name}
        case Ref(head, path):
            found = missing(head, bound, around)
            met = {*bound, *open_vars(head)}
            for step in path:
                if not isinstance(step, Var | Array | Object):
                    found |= missing(step, met, around)
                met |= open_vars(step)
            return found
        case Call(_, items) | Array(items) | Set(items):
            return set().union(*(missing(item, bound, around) for item in items))
        case Object(pairs):
            return set().union(*(missing(part, bound, around) for pair in pairs for part in pair))
        case ArrayComprehension() | SetComprehension() | ObjectComprehension() | Template():
            inside = {part.name for part in deep_terms(term) if isinstance(part, Var)} - _WHOLE
            return {name for name in inside if name in around and name not in bound}
    return set()
