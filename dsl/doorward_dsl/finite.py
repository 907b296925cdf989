"""Variables that can only hold one of a few constants, as far as the lines of one body tell.

`x := "q"; data.t[x]` reads `data.t.q` and nothing else, so that a rule of `data.t` may say it without depending on
itself. As in OPA, a line tells it to those after it.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from decimal import Decimal
from typing import Final, TypeAlias

from doorward_dsl.check.tree import Constant, constant
from doorward_dsl.syntax import Array, Assign, Literal, Object, Ref, Set, SomeIn, Term, Unify, Var

__all__ = ["Known", "also_known", "narrowed"]

_Value: TypeAlias = tuple[str, Hashable]
"""A constant: a scalar as in the tree of rules, or a kind of collection with what it holds."""

Known: TypeAlias = Mapping[str, tuple[_Value, ...]]
"""What variables can hold."""

_MOST: Final = 64
"""Values that a variable is followed to, and paths that one reference is taken for."""

_NO_PLACE: Final[Constant] = ("collection", None)
"""No rule is at the place of a collection: those that have one in their name are at the place before it."""


def also_known(literal: Literal, known: Known) -> Known:
    """What is known after a line of a body, of what was known before it."""
    if literal.withs:
        return known
    for name, term in _bindings(literal):
        values = _values(term, known)
        if values is not None:
            return known if name in known else {**known, name: values}
    return known


def narrowed(path: tuple[Term, ...], known: Known) -> list[tuple[Constant | None, ...]]:
    """The paths that a reference can have, with None for what can be anything; always at least one."""
    found: list[tuple[Constant | None, ...]] = [()]
    for part in path:
        values = () if not known and isinstance(part, Var) else _values(part, known)
        if not values or len(found) * len(values) > _MOST:
            found = [(*before, constant(part)) for before in found]
        else:
            found = [(*before, _key(value)) for before in found for value in values]
    return found


def _key(value: _Value) -> Constant:
    kind, what = value
    if isinstance(what, bool | str | int | Decimal | None):
        return kind, what
    return _NO_PLACE


def _bindings(literal: Literal) -> Iterator[tuple[str, Term]]:
    """The variables that a line binds, each with the term that it gets its value from."""
    expr = literal.expr
    if isinstance(expr, Assign):
        if isinstance(expr.target, Var):
            yield expr.target.name, expr.value
    elif isinstance(expr, Unify):
        for one, other in ((expr.left, expr.right), (expr.right, expr.left)):
            if isinstance(one, Var):
                yield one.name, other
    elif isinstance(expr, SomeIn) and isinstance(expr.value, Var):
        yield expr.value.name, Ref(expr.domain, (expr.key or expr.value,), expr.span)


def _values(term: Term, known: Known) -> tuple[_Value, ...] | None:
    """The constants that a term can be; None where they are not known."""
    if isinstance(term, Var):
        return known.get(term.name)
    if not isinstance(term, Ref):
        value = _constant(term)
        return None if value is None else (value,)
    values = _values(term.head, known)
    for part in term.path:
        if values is None:
            return None
        key = _constant(part)
        found: list[_Value] = []
        for value in values:
            members = _members(value)
            if members is None:
                if key is None:
                    return None
            elif key is None:
                found += members.values()
            elif key in members:
                found.append(members[key])
        if len(found) > _MOST:
            return None
        values = tuple(found)
    return values


def _constant(term: Term) -> _Value | None:
    """A term without variables, references and calls as a value."""
    if isinstance(term, Array | Set):
        items = [_constant(item) for item in term.items]
        known = tuple([item for item in items if item is not None])
        if len(known) < len(items):
            return None
        return ("array", known) if isinstance(term, Array) else ("set", frozenset(known))
    if isinstance(term, Object):
        pairs = [(_constant(key), _constant(value)) for key, value in term.pairs]
        if any(key is None or value is None for key, value in pairs):
            return None
        return ("object", frozenset(dict(pairs).items()))
    return constant(term)


def _members(value: _Value) -> Mapping[_Value, _Value] | None:
    """The members of a collection by their keys; None for a scalar."""
    kind, what = value
    if isinstance(what, tuple):
        return {("number", index): item for index, item in enumerate(what)}
    if isinstance(what, frozenset):
        return dict(what) if kind == "object" else {item: item for item in what}
    return None
