"""The reference evaluator's face."""

from __future__ import annotations

from doorward.run.context import CallContext
from doorward.run.effects import GRANTED_TO_QUERIES
from doorward.run.errors import BudgetExceeded
from doorward.run.reference.deciding import Outcome, decide
from doorward.run.reference.evaluator import Evaluator
from doorward.run.reference.tree import make_tree
from doorward.run.reference.world import World
from doorward.run.values import UNDEFINED, Value
from doorward_dsl.program import Program
from doorward_dsl.syntax import Body

__all__ = ["ReferenceProgram"]


class ReferenceProgram:
    """A checked program over base documents `data`."""

    def __init__(self, program: Program, data: dict[str, Value]) -> None:
        self.program = program
        self.data = data
        self._evaluator = Evaluator(make_tree(program))

    def query(
        self,
        body: Body,
        input: Value = UNDEFINED,  # noqa: A002 - the language's own name
        *,
        call: CallContext | None = None,
    ) -> list[dict[str, Value]]:
        """The answers of a resolved query: for each, its variables and their Rego values.

        `call` is fresh; without one the errors of built-ins make undefined. Raises EvaluationError.
        """
        context = call if call is not None else CallContext(strict=False, grants=GRANTED_TO_QUERIES)
        world = World(context, input, self.data)
        try:
            return [
                {name: value for name, value in env.items() if _is_visible(name)}
                for env in self._evaluator.solve(body, {}, world)
            ]
        except RecursionError as error:
            raise BudgetExceeded("the evaluation went too deep") from error

    def evaluate(self, kind: str, document: Value, call: CallContext) -> Outcome:
        """What the statements and governed rules of a kind say of a request document.

        Never raises for what a policy or a request does: errors are part of the outcome.
        """
        return decide(self._evaluator, self.program, kind, World(call, document, self.data))


def _is_visible(name: str) -> bool:
    return name[0].isalpha() and name.isidentifier()
