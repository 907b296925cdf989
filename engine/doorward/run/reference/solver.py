"""What the parts of the evaluator need of each other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from doorward.run.reference.world import World
from doorward.run.values import Value
from doorward_dsl.syntax import Body, Rule, Statement, Term

__all__ = ["Answer", "Env", "Equation", "Given", "Side", "Solver"]

Env: TypeAlias = Mapping[str, Value]
"""The variables that have values. Never changed: binding one makes another environment."""

Answer: TypeAlias = tuple[Value, Env]
"""A value of a term, and the environment it has it in."""


@dataclass(frozen=True, slots=True)
class Given:
    """A value in the place of a term."""

    value: Value


Side: TypeAlias = Term | Given
Equation: TypeAlias = tuple[Side, Side]


class Solver(Protocol):
    """Bodies, terms and equations, each with all the environments that satisfy them."""

    def solve(self, body: Body, env: Env, world: World) -> Iterator[Env]:
        """The environments in which all of a body holds."""

    def values(self, term: Term, env: Env, world: World) -> Iterator[Answer]:
        """The values that a term has; none when it is undefined."""

    def unify(self, equations: Sequence[Equation], env: Env, world: World) -> Iterator[Env]:
        """The environments in which both sides of all equations are equal."""

    def along(self, value: Value, path: Sequence[Term], env: Env, world: World) -> Iterator[Answer]:
        """The parts of a value that a path leads to."""

    def answered(self, what: Rule | Statement) -> None:
        """A definition or a statement has an answer."""

    def runs_over(self, step: Term, env: Env) -> bool:
        """Whether a step of a path stands for all keys that it fits, rather than for one that is known."""
