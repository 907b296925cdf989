"""Terms that are values already."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from doorward.run.values import UNDEFINED, Value, key, number
from doorward_dsl.syntax import Array, Object, Scalar, Set, Term

__all__ = ["literal", "scalar"]


def scalar(term: Scalar) -> Value:
    """The value of a scalar."""
    return number(term.value) if isinstance(term.value, Decimal) else term.value


def literal(term: Term) -> Value:
    """The value of a term in which there are only literals; UNDEFINED for any other."""
    match term:
        case Scalar():
            return scalar(term)
        case Array(items):
            return _all(items)
        case Set(items):
            members = _all(items)
            return UNDEFINED if members is UNDEFINED else frozenset(map(key, members))
        case Object(pairs):
            names, values = _all([name for name, _ in pairs]), _all([value for _, value in pairs])
            if names is UNDEFINED or values is UNDEFINED:
                return UNDEFINED
            return dict(zip(map(key, names), values, strict=True))
    return UNDEFINED


def _all(terms: Sequence[Term]) -> Value:
    values = [literal(term) for term in terms]
    return UNDEFINED if any(value is UNDEFINED for value in values) else values
