"""A query that is compiled once and asked many times."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from doorward.compile import Compiled, Function, run
from doorward.engine.granted import granted_to_queries
from doorward.run.budget import Limits
from doorward.run.context import CallContext, contexts_of
from doorward.run.convert import to_json
from doorward.run.effects import Effect
from doorward.run.errors import BudgetExceeded
from doorward.run.values import UNDEFINED, Value
from doorward_dsl.capabilities import Capabilities
from doorward_dsl.compile import compile_query
from doorward_dsl.parse import parse_query
from doorward_dsl.syntax import Module

__all__ = ["PreparedQuery"]

_AS_IT_IS: Final = frozenset({str, int, float, type(None)})


class PreparedQuery:
    """A Rego query, compiled. Immutable; any number of threads may ask it at once.

    Made by `Engine.prepare`. Called, it gives every answer; `value` is the short way to one value:

        allowed = engine.prepare("data.acme.allow")
        allowed.value({"user": "ana"})  # True
    """

    __slots__ = ("_answers", "_context", "_value", "query")

    def __init__(
        self,
        query: str,
        compiled: Compiled,
        limits: Limits,
        *,
        strict: bool,
        capabilities: Capabilities | None = None,
        within: Module | None = None,
    ) -> None:
        """Compile, under `capabilities` if there are any, in the package and with the imports of `within`. Raises
        PolicyError for the query.
        """
        self.query = query
        grants = granted_to_queries(capabilities)
        self._context = contexts_of(
            limits, strict=strict, grants=grants, data=compiled.data, indexes=compiled.indexes
        )
        body = compile_query(parse_query(query), compiled.program, capabilities=capabilities, within=within)
        self._answers = compiled.prepare(body)
        self._value: Function | None
        try:
            self._value = compiled.prepare_value(body)
        except ValueError:
            self._value = None

    def __call__(
        self,
        input: Value = UNDEFINED,  # noqa: A002 - the name it has in Rego
        *,
        now_ns: int | None = None,
        recording: list[Effect] | None = None,
        replaying: Iterable[Effect] | None = None,
    ) -> list[dict[str, Any]]:
        """Every answer, as the JSON values of the query's variables; see `Engine.query`."""
        call = self._call(input, now_ns)
        if replaying is not None:
            call.replay(replaying)
        try:
            answers = run(self._answers, call)
        finally:
            if recording is not None:
                recording.extend(call.recorded)
        try:
            return [{name: to_json(value) for name, value in answer.items()} for answer in answers]
        except RecursionError as error:
            raise BudgetExceeded("the answer is nested too deeply") from error

    def value(
        self,
        input: Value = UNDEFINED,  # noqa: A002 - the name it has in Rego
        *,
        default: Any = None,
        now_ns: int | None = None,
    ) -> Any:
        """The JSON value of a query that is one term, such as `data.acme.allow`; `default` where it is undefined.

        Of a term with several values (`data.acme.roles[_]`), the first in Rego's order. Raises ValueError for a
        query that is something else, EvaluationError from its evaluation.
        """
        if self._value is None:
            raise ValueError(f"`{self.query}` is not one term")
        # as in `_call` and `run`, which as calls of their own would cost as much as a small policy
        call = self._context()
        call.input, call.memo = input, {}
        if now_ns is not None:
            call.at(now_ns)
        try:
            value = self._value(call)
        except RecursionError as error:
            raise BudgetExceeded("the evaluation went too deep") from error
        if value is True or value is False:
            return value
        return default if value is UNDEFINED else _plain(value)

    def _call(self, given: Value, now_ns: int | None) -> CallContext:
        call = self._context()
        call.input, call.memo = given, {}
        if now_ns is not None:
            call.at(now_ns)
        return call


def _plain(value: Value) -> Any:
    if type(value) in _AS_IT_IS:
        return value
    try:
        return to_json(value)
    except RecursionError as error:
        raise BudgetExceeded("the answer is nested too deeply") from error
