"""Matching terms with each other and with types, within one rule."""

from __future__ import annotations

from collections.abc import Callable

from doorward_dsl.check.tree import constant
from doorward_dsl.check.typeops import select, unifies
from doorward_dsl.syntax import Array, Object, Scalar, Set, Term, Var
from doorward_dsl.types import ANY, AnyType, ArrayType, ObjectType, SetType, Type, UnionType
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
        return self.bind(left, ANY) and self.bind(right, ANY)

    def _match_objects(self, left: Object, right: Object) -> bool:
        if len(left.pairs) != len(right.pairs):
            return False
        values = {constant(key): value for key, value in right.pairs}
        for key, value in left.pairs:
            known = constant(key)
            if known is not None and known in values and not self.match(value, values[known]):
                return False
        return True

    def bind(self, term: Term, kind: Type) -> bool:
        """Whether a term can be of a type; variables in it met for the first time get theirs."""
        if isinstance(term, Var):
            known = self._kind(term)
            if known is None:
                self._variables[term.name] = kind
                return True
            return unifies(known, kind)
        if isinstance(term, Array | Object | Set):
            if isinstance(kind, AnyType):
                for part in subterms(term):
                    self.bind(part, ANY)
                return True
            if isinstance(kind, UnionType):
                members = [member for member in kind.of if self._could_be(term, member)]
                if len(members) == 1:
                    return self.bind(term, members[0])
                for part in subterms(term):
                    self.bind(part, ANY)
                return bool(members)
            return self._bind_composite(term, kind)
        return unifies(self._kind(term), kind)

    def _could_be(self, term: Term, kind: Type) -> bool:
        known = self._kind(term)
        if known is not None:
            return unifies(known, kind)
        wanted = ArrayType if isinstance(term, Array) else SetType if isinstance(term, Set) else ObjectType
        return isinstance(kind, wanted)

    def _bind_composite(self, term: Array | Object | Set, kind: Type) -> bool:
        if isinstance(term, Array):
            if not isinstance(kind, ArrayType) or (kind.rest is None and len(term.items) != len(kind.items)):
                return False
            kinds = [select(kind, index) for index in range(len(term.items))]
            return all(
                inner is not None and self.bind(item, inner)
                for item, inner in zip(term.items, kinds, strict=True)
            )
        if isinstance(term, Set):
            return isinstance(kind, SetType) and all(self.bind(item, kind.of) for item in term.items)
        if not isinstance(kind, ObjectType):
            return False
        for key, value in term.pairs:
            if not isinstance(key, Scalar):
                self.bind(value, ANY)
                continue
            inner_kind = select(kind, key.value)
            if inner_kind is None or not self.bind(value, inner_kind):
                return False
        return True
