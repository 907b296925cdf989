"""Why a query has no answer: the expression that failed, and the rules it rests on."""

from __future__ import annotations

from typing import Final

from doorward.decide.explain.conditions import condition
from doorward.decide.explain.parts import Condition
from doorward.decide.explain.trace import trace
from doorward.run.budget import Limits
from doorward.run.context import CallContext
from doorward.run.effects import GRANTED_TO_QUERIES
from doorward.run.errors import EvaluationError
from doorward.run.reference.evaluator import Evaluator
from doorward.run.reference.tree import make_tree
from doorward.run.reference.world import World
from doorward.run.values import Value
from doorward_dsl.program import Program
from doorward_dsl.syntax import Body

__all__ = ["why_not"]

_LIMITS: Final = Limits(steps=1_000_000, wall_ms=5_000)


def why_not(
    program: Program,
    data: dict[str, Value],
    body: Body,
    input: Value,  # noqa: A002 - the name it has in Rego
    now_ns: int | None = None,
) -> Condition | None:
    """The expression of a resolved query on which it failed; None where it has an answer other than `false`.

    Raises EvaluationError where telling takes too long.
    """
    evaluator = Evaluator(make_tree(program))
    call = CallContext(now_ns, _LIMITS, strict=False, grants=GRANTED_TO_QUERIES)
    world = World(call, input, data)
    try:
        way = trace(evaluator, body, {}, world)
        if way.held:
            return None
        return condition(
            evaluator,
            body[way.reached],
            way.env,
            world,
            "not_held" if way.error is None else "errored",
            tried=way.tried,
            error=way.error,
        )
    except RecursionError:
        raise EvaluationError("the evaluation went too deep") from None
