"""Which variables a term has, and which of them must be bound before it can be worked out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from decimal import Decimal
from typing import Any, TypeAlias

from doorward.compile.plan import Const
from doorward.run.values import Value, key, number
from doorward_dsl.signatures import signatures
from doorward_dsl.syntax import (
    Array,
    ArrayComprehension,
    Body,
    Call,
    Literal,
    Object,
    ObjectComprehension,
    Ref,
    Rule,
    Scalar,
    Set,
    SetComprehension,
    Template,
    Term,
    Var,
)
from doorward_dsl.walk import deep_terms, deep_withs

__all__ = [
    "Comprehension",
    "alias",
    "constant",
    "constant_keys",
    "count_variables",
    "dotted",
    "leading_constants",
    "leading_names",
    "needs",
]

Comprehension: TypeAlias = ArrayComprehension | SetComprehension | ObjectComprehension
_GLOBALS = ("data", "input")


def count_variables(*terms: Term, body: Body = ()) -> Counter[str]:
    """How often each local variable occurs in the terms and the body."""
    names = (term.name for term in deep_terms(*terms, bodies=(body,)) if isinstance(term, Var))
    found = Counter(name for name in names if name not in _GLOBALS)
    found.subtract(_functions(*terms, body=body))
    return +found


def _functions(*terms: Term, body: Body) -> Iterator[str]:
    """The names that `with` has for built-ins in place of variables: what it replaces, and what it puts there."""
    for modifier in deep_withs(*terms, bodies=(body,)):
        head, _ = dotted(modifier.target)
        if head not in _GLOBALS:
            yield head
            if isinstance(modifier.value, Var) and modifier.value.name in signatures():
                yield modifier.value.name


def needs(term: Term, bound: Collection[str], uses: Counter[str]) -> set[str]:
    """The unbound variables without which the term has no value.

    A variable in the path of a reference is none of them: the reference runs over its values, and calls further on in
    the path may take what it has met. A comprehension needs those variables that also occur outside of it (`uses`
    counts all of the rule).
    """
    match term:
        case Var(name):
            return set() if name in bound or name in _GLOBALS else {name}
        case Ref(head, path):
            found = needs(head, bound, uses)
            met: Collection[str] = bound
            for step in path:
                if not _is_pattern(step):
                    found |= needs(step, met, uses)
                elif not isinstance(step, Var) or step.name not in met:
                    met = {*met, *count_variables(step)}
            return found
        case Call(_, items) | Array(items) | Set(items):
            return set().union(*(needs(item, bound, uses) for item in items))
        case Object(entries):
            return set().union(*(needs(item, bound, uses) for pair in entries for item in pair))
        case Template(parts):
            return set().union(*(_captured(part, bound, uses) for part in parts if not isinstance(part, str)))
        case ArrayComprehension() | SetComprehension() | ObjectComprehension():
            return _captured(term, bound, uses)
    return set()


def _is_pattern(step: Term) -> bool:
    return isinstance(step, (Var, Array, Object))


def _captured(part: Term | Literal, bound: Collection[str], uses: Counter[str]) -> set[str]:
    inside = count_variables(body=(part,)) if isinstance(part, Literal) else count_variables(part)
    return {name for name, count in inside.items() if name not in bound and uses[name] > count}


def constant(term: Term) -> Const | None:
    """The value of a term that is made of literals only."""
    match term:
        case Scalar(value):
            return Const(number(value) if isinstance(value, Decimal) else value)
        case Array(items):
            members = _constants(items)
            return None if members is None else Const(members)
        case Set(items):
            members = _constants(items)
            return None if members is None else Const(frozenset(map(key, members)))
        case Object(entries):
            keys, members = _constants([k for k, _ in entries]), _constants([v for _, v in entries])
            if keys is None or members is None:
                return None
            return Const(dict(zip(map(key, keys), members, strict=True)))
    return None


def _constants(terms: Iterable[Term]) -> list[Value] | None:
    values = []
    for term in terms:
        folded = constant(term)
        if folded is None:
            return None
        values.append(folded.value)
    return values


def leading_names(path: Sequence[Term]) -> tuple[str, ...]:
    """The string literals that a path starts with."""
    names = []
    for step in path:
        if not isinstance(step, Scalar) or not isinstance(step.value, str):
            break
        names.append(step.value)
    return tuple(names)


def dotted(term: Term) -> tuple[str, tuple[str, ...]]:
    """Head and path of a name such as `input.user`, `data.p.f` or `json.unmarshal`; empty for anything
    else."""
    match term:
        case Var(name):
            return name, ()
        case Ref(Var(name), path) if len(leading_names(path)) == len(path):
            return name, leading_names(path)
    return "", ()


def alias(rule: Rule) -> tuple[str, ...] | None:
    """The place of the input that a rule is another name for (`user := input.user`), `input` first."""
    if rule.body or rule.else_ is not None or rule.default or rule.head.value is None:
        return None
    name, path = dotted(rule.head.value)
    return ("input", *path) if name == "input" else None


def leading_constants(path: Sequence[Term]) -> list[Value]:
    """The values of the literals that a path starts with."""
    found = []
    for step in path:
        fixed = constant(step)
        if fixed is None:
            break
        found.append(fixed.value)
    return found


def constant_keys(pattern: Object) -> dict[Any, Term] | None:
    """The values of an object by key form, when all its keys are literals."""
    found: dict[Any, Term] = {}
    for index, value in pattern.pairs:
        fixed = constant(index)
        if fixed is None:
            return None
        found[key(fixed.value)] = value
    return found
