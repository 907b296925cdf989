"""Matching terms with each other and with types, within one rule."""

from __future__ import annotations

from collections.abc import Callable

from doorward_dsl.check.tree import constant
from doorward_dsl.check.typeops import select, unifies
from doorward_dsl.syntax import Array, Call, Object, Scalar, Set, Term, Var
from doorward_dsl.types import ANY, AnyType, ArrayType, ObjectType, SetType, Type, UnionType, union
from doorward_dsl.walk import subterms

__all__ = ["Matcher"]


class Matcher:
    """Says whether terms can be equal or of a type, and gives variables met for the first time theirs.

    `kind` gives the type of a term, None while it is not known; `variables` is where types of variables are kept.
    """

    def __init__(self, kind: Callable[[Term], Type | None], variables: dict[str, Type]) -> None:
        self._kind = kind
        self._variables = variables

    def match(self, left: Term, right: Term) -> bool:
        """Whether two terms can be equal; variables met for the first time get their types."""
        one, other = self._kind(left), self._kind(right)
        if one is None and other is not None:
            return self.bind(left, other)
        if other is None and one is not None:
            return self.bind(right, one)
        if one is not None:
            return unifies(one, other)
        if isinstance(left, Array) and isinstance(right, Array):
            return len(left.items) == len(right.items) and all(
                self.match(first, second) for first, second in zip(left.items, right.items, strict=True)
            )
        if isinstance(left, Object) and isinstance(right, Object):
            return self._match_objects(left, right)
        if not isinstance(left, Var) and not isinstance(right, Var):
            return type(left) is type(right) and self.bind(left, ANY) and self.bind(right, ANY)
        pattern, var = (right, left) if isinstance(left, Var) else (left, right)
        return self.bind(pattern, ANY) and self.bind(var, self._kind(pattern) or ANY)

    def _match_objects(self, left: Object, right: Object) -> bool:
        ours, theirs = _by_key(left), _by_key(right)
        return ours.keys() == theirs.keys() and all(self.match(ours[key], theirs[key]) for key in ours)

    def bind(self, term: Term, kind: Type, *, among: bool = False) -> bool:
        """Whether a term can be of a type; variables in it met for the first time get theirs.

        `among`: the type is one of several that the term may have, and a variable in it can be of any of them.
        """
        if isinstance(term, Var):
            known = self._kind(term)
            if known is None or among:
                self._variables[term.name] = union([known, kind]) or ANY
                return True
            return unifies(known, kind)
        if isinstance(term, Array | Object | Set):
            if isinstance(kind, AnyType):
                for part in subterms(term):
                    self.bind(part, ANY, among=True)
                return True
            if isinstance(kind, UnionType):
                found = [self.bind(term, member, among=True) for member in kind.of]
                return any(found)
            return self._bind_composite(term, kind, among=among)
        if among and isinstance(term, Call):
            return True  # to OPA the value of a call is a variable
        return unifies(self._kind(term), kind)

    def _bind_composite(self, term: Array | Object | Set, kind: Type, *, among: bool) -> bool:
        if isinstance(term, Array):
            if not isinstance(kind, ArrayType) or (kind.rest is None and len(term.items) != len(kind.items)):
                return False
            kinds = [select(kind, index) for index in range(len(term.items))]
            return all(
                inner is not None and self.bind(item, inner, among=among)
                for item, inner in zip(term.items, kinds, strict=True)
            )
        if isinstance(term, Set):
            of = kind.of if isinstance(kind, SetType) else None
            return isinstance(kind, SetType) and all(
                of is not None and self.bind(item, of, among=among) for item in term.items
            )
        if not isinstance(kind, ObjectType) or (kind.rest is None and len(term.pairs) != len(kind.fields)):
            return False
        for key, value in term.pairs:
            if not isinstance(key, Scalar):
                self.bind(value, ANY, among=among)
                continue
            inner_kind = select(kind, key.value)
            if inner_kind is None or not self.bind(value, inner_kind, among=among):
                return False
        return True


def _by_key(pattern: Object) -> dict[object, Term]:
    """The values of an object by what stands as their keys; keys that cannot be compared as written differ."""
    found: dict[object, Term] = {}
    for key, value in pattern.pairs:
        known = constant(key)
        found[known if known is not None else key.name if isinstance(key, Var) else key] = value
    return found
