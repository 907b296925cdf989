"""Where in the request the values of variables and references come from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from doorward.decide.explain.changes import InputPath, at
from doorward.run.reference.literals import scalar
from doorward.run.values import Value, equal, unkey
from doorward_dsl.syntax import Assign, Body, Ref, Scalar, SomeIn, Term, Unify, Var

__all__ = ["Origin", "Origins", "bind", "extend", "origin_of"]


@dataclass(frozen=True, slots=True)
class Origin:
    """A place of the request. Of a `member` the place is the collection's: any member of it would have done."""

    path: InputPath
    member: bool = False
    index: str | int | None = None
    """Which member it is, if that is known."""

    @property
    def exact(self) -> InputPath | None:
        """The place of the value itself; None for a member that is not known."""
        if not self.member:
            return self.path
        return None if self.index is None else (*self.path, self.index)


Origins: TypeAlias = Mapping[str, Origin]
"""By variable."""


def origin_of(term: Term, env: Mapping[str, Value], origins: Origins) -> Origin | None:
    """The place that the term reads; None where it is worked out, or a literal, or no one place."""
    if isinstance(term, Var):
        return origins.get(term.name)
    if not isinstance(term, Ref):
        return None
    start: InputPath
    if isinstance(term.head, Var) and term.head.name == "input":
        start = ()
    else:
        inner = origin_of(term.head, env, origins)
        exact = None if inner is None else inner.exact
        if exact is None:
            return None
        start = exact
    path = list(start)
    for number, step in enumerate(term.path):
        if isinstance(step, Scalar):
            known: Value = scalar(step)
        elif isinstance(step, Var) and step.name in env:
            known = env[step.name]
        elif isinstance(step, Var) and number == len(term.path) - 1 and path:
            return Origin(tuple(path), member=True)
        else:
            return None
        if isinstance(known, bool) or not isinstance(known, str | int):
            return None
        path.append(known)
    if not path:
        return None
    last = term.path[-1]
    if isinstance(last, Var) and len(path) > 1:
        return Origin(tuple(path[:-1]), member=True, index=path[-1])
    return Origin(tuple(path))


def extend(body: Body, env: Mapping[str, Value], origins: Origins, document: Value) -> Origins:
    """The origins of the variables that a body has bound, each to its value in `env`."""
    known = dict(origins)
    for literal in body:
        if literal.withs:
            continue
        match literal.expr:
            case Assign(left, right) | Unify(left, right):
                for variable, source in ((left, right), (right, left)):
                    if isinstance(variable, Var) and not isinstance(source, Var):
                        found = origin_of(source, env, known)
                        if found is not None:
                            known.setdefault(variable.name, found)
            case SomeIn(_, Var(name), domain):
                found = origin_of(domain, env, known)
                exact = None if found is None else found.exact
                if exact is not None:
                    index = _index(at(document, exact), env.get(name))
                    known.setdefault(name, Origin(exact, member=True, index=index))
    return known


def bind(
    patterns: tuple[Term, ...], args: tuple[Term, ...], env: Mapping[str, Value], origins: Origins
) -> Origins:
    """The origins of a function's parameters, by what it is called with."""
    found: dict[str, Origin] = {}
    for pattern, arg in zip(patterns, args, strict=False):
        known = origin_of(arg, env, origins)
        if isinstance(pattern, Var) and known is not None:
            found[pattern.name] = known
    return found


def _index(collection: Value, member: Value) -> str | int | None:
    if isinstance(collection, list):
        return next((place for place, one in enumerate(collection) if equal(one, member)), None)
    if isinstance(collection, dict):
        return next((str(unkey(form)) for form, one in collection.items() if equal(one, member)), None)
    return None
