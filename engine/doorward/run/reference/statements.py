"""What a Ward statement says in one of its answers."""

from __future__ import annotations

from typing import Any

from doorward.run.errors import TypeMismatchError
from doorward.run.reference.solver import Env, Solver
from doorward.run.reference.targets import field_path, read_target
from doorward.run.reference.world import World
from doorward.run.values import type_name
from doorward_dsl.syntax import (
    Approve,
    ContentTarget,
    Credential,
    FieldTarget,
    JsonPathTarget,
    Mask,
    MaskTarget,
    Statement,
    Term,
    TermTarget,
)

__all__ = ["payload_of"]


def payload_of(solver: Solver, statement: Statement, env: Env, world: World) -> tuple[Any, ...]:
    """The payload, as `Outcome` describes it. Raises EvaluationError where a part is undefined or no string."""

    def text(term: Term) -> str:
        values = [value for value, _ in solver.values(term, env, world)]
        if not values:
            raise TypeMismatchError("a part of this statement's head is undefined", statement.span)
        for value in values:
            if not isinstance(value, str):
                raise TypeMismatchError(
                    f"expected a string in a statement's head, not {type_name(value)}", statement.span
                )
        return "; ".join(sorted(set(values)))

    def target(one: MaskTarget) -> tuple[str, str]:
        match one:
            case TermTarget(term):
                return read_target(text(term))
            case FieldTarget(parts):
                return "field", ".".join(parts)
            case JsonPathTarget(steps):
                return "json_path", field_path(steps)
            case ContentTarget(detector):
                return "content", detector

    given = statement.reason
    reason = given if given is None or isinstance(given, str) else text(given)
    match statement:
        case Mask(targets=targets, masker=masker):
            stated = ("redact", ()) if masker is None else (masker.name, masker.args)
            return reason, tuple(map(target, targets)), stated
        case Approve(groups=groups, within_ms=within_ms):
            return reason, tuple(sorted({text(group) for group in groups})), within_ms
        case Credential(ttl_ms=ttl_ms, single_use=single_use, role=role):
            return reason, ttl_ms, single_use, None if role is None else text(role)
    return (reason,)
