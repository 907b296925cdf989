"""The statements of a kind: which hold on a request, with what, and which fail."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from doorward.run.errors import BudgetExceeded, EvaluationError
from doorward.run.reference.governed import read_rule
from doorward.run.reference.solver import Env, Solver
from doorward.run.reference.statements import payload_of
from doorward.run.reference.world import World
from doorward_dsl.program import GovernedRule, GovernedStatement, Program
from doorward_dsl.source import NOWHERE
from doorward_dsl.syntax import Ref, Scalar, Term, Var

__all__ = ["Outcome", "decide"]

Payload: TypeAlias = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the statements of a kind say. A payload is a tuple of what its verb carries:

    | verb           | payload                                                                   |
    | -------------- | ------------------------------------------------------------------------- |
    | allow, block   | `(reason,)`                                                               |
    | mask           | `(reason, ((target kind, target text), …), (masker name, masker args))`   |
    | approve        | `(reason, groups, within_ms)`                                             |
    | credential     | `(reason, ttl_ms, single_use, role)`                                      |
    """

    held: list[tuple[str, str, Payload]] = field(default_factory=list)
    """Id, verb and payload."""
    errors: list[tuple[str | None, EvaluationError]] = field(default_factory=list)
    """Id and error; None for the evaluation as a whole, which its budget has ended."""


def decide(solver: Solver, program: Program, kind: str, world: World) -> Outcome:
    """Try the statements and governed rules of a kind one by one."""
    outcome = Outcome()
    governing: list[GovernedStatement | GovernedRule] = [*program.statements, *program.governed_rules]
    for one in governing:
        if kind not in one.kinds and "*" not in one.kinds:
            continue
        try:
            for payload in _payloads(solver, one, world):
                outcome.held.append((one.id, one.verb, payload))
        except BudgetExceeded as error:
            outcome.errors.append((None, error))
            break
        except RecursionError:
            outcome.errors.append((None, BudgetExceeded("the evaluation went too deep")))
            break
        except EvaluationError as error:
            error.span = error.span or one.span
            outcome.errors.append((one.id, error))
    return outcome


def _payloads(solver: Solver, one: GovernedStatement | GovernedRule, world: World) -> Iterator[Payload]:
    if isinstance(one, GovernedRule):
        for value, _ in solver.values(_name(one), {}, world):
            yield from read_rule(one, value)
        return
    for env in _answers(solver, one, world):
        yield payload_of(solver, one.statement, env, world)


def _answers(solver: Solver, one: GovernedStatement, world: World) -> Iterator[Env]:
    """The environments in which the condition of a statement holds and its exception does not."""
    for env in solver.solve(one.statement.when or (), {}, world):
        if one.statement.unless is None or next(solver.solve(one.statement.unless, env, world), None) is None:
            solver.answered(one.statement)
            yield env


def _name(rule: GovernedRule) -> Term:
    return Ref(Var("data", NOWHERE), tuple(Scalar(name, NOWHERE) for name in rule.path), NOWHERE)
