"""How far a body gets, and on what it fails: with the reference evaluator, one expression after the other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from doorward.run.errors import BudgetExceeded, EvaluationError
from doorward.run.reference.evaluator import Evaluator
from doorward.run.reference.solver import Env
from doorward.run.reference.world import World
from doorward_dsl.syntax import Body

__all__ = ["Trace", "trace"]


@dataclass(slots=True)
class Trace:
    """The way of a body. Of many bindings the one that got furthest is kept, the first of those."""

    held: bool
    reached: int
    """The expression that failed, or had an error: its place in the body. Where the body held: its length."""
    env: Env
    """What was bound before that expression; where the body held: its first answer."""
    tried: int
    """With how many bindings that expression was tried."""
    error: EvaluationError | None = None


class _Failed(Exception):
    def __init__(self, at: int, env: Env, error: EvaluationError) -> None:
        self.at, self.env, self.error = at, env, error


def trace(evaluator: Evaluator, body: Body, env: Env, world: World, *, whole: bool = False) -> Trace:
    """Follow a body to its first answer, or `whole` to its last, so that an error behind the first is met.

    Raises BudgetExceeded and RecursionError like any evaluation.
    """
    tried = [0] * (len(body) + 1)
    nearest: tuple[int, Env] = (-1, env)

    def follow(at: int, now: Env) -> Iterator[Env]:
        nonlocal nearest
        tried[at] += 1
        if at > nearest[0]:
            nearest = (at, now)
        if at == len(body):
            yield now
            return
        answers = evaluator.solve(body[at : at + 1], now, world)
        while True:
            try:
                after = next(answers)
            except StopIteration:
                return
            except BudgetExceeded:
                raise
            except EvaluationError as error:
                raise _Failed(at, now, error) from None
            yield from follow(at + 1, after)

    try:
        for _ in follow(0, env):
            if not whole:
                break
    except _Failed as failed:
        return Trace(False, failed.at, failed.env, tried[failed.at], failed.error)
    reached, bound = nearest
    return Trace(reached == len(body), reached, bound, tried[reached])
