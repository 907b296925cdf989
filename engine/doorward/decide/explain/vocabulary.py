"""What values a fact may be given: those that its type allows, and those that the policies compare it with."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any, Final

from doorward.decide.explain.changes import InputPath
from doorward.run.reference.literals import literal
from doorward.run.values import UNDEFINED, Value, equal, unkey
from doorward_dsl.program import Program
from doorward_dsl.syntax import Body, Call, Ref, Scalar, Term, Unify, Var
from doorward_dsl.syntax import Literal as Line
from doorward_dsl.walk import deep_nodes, rule_chain

__all__ = ["Vocabulary"]

_COMPARES: Final = frozenset({"equal", "neq", "internal.member_2"})
_MOST: Final = 6


class Vocabulary:
    """The values worth trying for a fact."""

    def __init__(self, program: Program, schemas: Mapping[str, Any]) -> None:
        self._compared: dict[InputPath, list[Value]] = defaultdict(list)
        self._schemas = schemas
        for body in _bodies(program):
            for left, right in _comparisons(body):
                self._note(left, right)
                self._note(right, left)

    def _note(self, place: Term, value: Term) -> None:
        path = _path(place)
        if path is None:
            return
        known = self._compared[path]
        found = literal(value)
        several = isinstance(found, list | frozenset)
        for one in [] if found is UNDEFINED else map(unkey, found) if several else [found]:
            if len(known) < _MOST and not any(equal(one, other) for other in known):
                known.append(one)

    def others(self, kind: str, path: InputPath, value: Value) -> list[Value]:
        """Values that a fact may have instead of `value`, the likeliest first; never many, and perhaps none."""
        if isinstance(value, bool):
            return [not value]
        choices = self._choices(kind, path)
        compared = [one for one in self._compared.get(path, ()) if type(one) is type(value)]
        found = [one for one in compared if choices is None or one in choices]
        if choices is not None:
            found += [one for one in choices if one and one not in found]
        elif isinstance(value, str):
            found += ["other"]
        elif isinstance(value, int | float):
            found += [value + 1, value - 1, 0]
        elif isinstance(value, list):
            found += [[]]
        elif isinstance(value, dict):
            found += [{}]
        return [one for one in found if not equal(one, value)][:_MOST]

    def present(self, path: InputPath) -> list[Value]:
        """Values for a fact that is missing."""
        return [*self._compared.get(path, ())][:2] or ["some value"]

    def _choices(self, kind: str, path: InputPath) -> list[Value] | None:
        """The values that the schema of the kind names for a place, if it does."""
        schema: Any = self._schemas.get(kind)
        root = schema
        for step in path:
            schema = _resolved(schema, root)
            schema = schema.get("properties", {}).get(step) if isinstance(schema, Mapping) else None
        schema = _resolved(schema, root)
        return list(schema["enum"]) if isinstance(schema, Mapping) and "enum" in schema else None


def _resolved(schema: Any, root: Any) -> Any:
    while isinstance(schema, Mapping) and "$ref" in schema:
        schema = root.get("$defs", {}).get(str(schema["$ref"]).rpartition("/")[2])
    return schema


def _bodies(program: Program) -> Iterator[Body]:
    for one in program.statements:
        yield from (body for body in (one.statement.when, one.statement.unless) if body is not None)
    for rules in program.rules.values():
        for rule in rules:
            yield from (link.body for link in rule_chain(rule))


def _comparisons(body: Body) -> Iterator[tuple[Term, Term]]:
    for node in deep_nodes(bodies=(body,)):
        if isinstance(node, Line):
            if isinstance(node.expr, Unify):
                yield node.expr.left, node.expr.right
        elif isinstance(node, Call) and ".".join(node.name) in _COMPARES and len(node.args) == 2:
            yield node.args[0], node.args[1]


def _path(term: Term) -> InputPath | None:
    if not (isinstance(term, Ref) and isinstance(term.head, Var) and term.head.name == "input"):
        return None
    names = [step.value for step in term.path if isinstance(step, Scalar) and isinstance(step.value, str)]
    return tuple(names) if len(names) == len(term.path) else None
