"""The answers of a query, with the value of each of its expressions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from doorward.decide.explain import Condition
from doorward.decide.explain import why_not as explain_failure
from doorward.engine import Engine
from doorward.run.values import UNDEFINED, Value
from doorward_dsl import PolicyError, Source, parse_module, parse_query
from doorward_dsl.compile import compile_query
from doorward_dsl.syntax import ExprTerm, Literal

__all__ = ["Answer", "Expression", "ask", "why_not"]

_VALUE: Final = "doorward_value_"
"""Variables that stand for the values of expressions."""


@dataclass(frozen=True, slots=True)
class Expression:
    """One expression of a query, and what it is worth in an answer: `true` where it only holds."""

    text: str
    value: Any
    row: int
    column: int


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer: JSON values; sets are sorted lists."""

    expressions: tuple[Expression, ...]
    bindings: dict[str, Any]
    """By variable."""

    @property
    def plain(self) -> Any:
        """What a person asked for: the value of a query that is one term without variables, else the variables."""
        if self.bindings:
            return self.bindings
        return self.expressions[0].value if len(self.expressions) == 1 else {}

    def to_dict(self) -> dict[str, Any]:
        """The answer as `opa eval --format json` gives it."""
        plain: dict[str, Any] = {
            "expressions": [
                {"value": one.value, "text": one.text, "location": {"row": one.row, "col": one.column}}
                for one in self.expressions
            ]
        }
        return {**plain, "bindings": self.bindings} if self.bindings else plain


def ask(
    engine: Engine,
    query: str,
    input: Value = UNDEFINED,  # noqa: A002 - the name it has in Rego
    *,
    within: str = "",
    strict_builtin_errors: bool = False,
    now_ns: int | None = None,
) -> list[Answer]:
    """Every answer to a query; see `Engine.query`. A query that is one term has an answer also where it is `false`."""
    body = parse_query(query)
    engine.prepare(query, strict_builtin_errors=strict_builtin_errors, within=within)  # for errors as written
    texts = [_valued(at, literal, len(body)) for at, literal in enumerate(body)]
    try:
        asked = "\n".join(texts)
        engine.prepare(asked, strict_builtin_errors=strict_builtin_errors, within=within)
    except PolicyError:  # a call that binds its last argument is no value
        asked = query
    found = engine.query(
        asked, input, within=within, strict_builtin_errors=strict_builtin_errors, now_ns=now_ns
    )
    return [_answer(body, bindings) for bindings in found]


def _valued(at: int, literal: Literal, of: int) -> str:
    """The expression, with its value kept in a variable where it has one."""
    text = literal.span.text
    if not isinstance(literal.expr, ExprTerm):
        return text
    name = f"{_VALUE}{at}"
    return f"{name} = {text}" if of == 1 else f"{name} = {text}\n{name}"


def _answer(body: tuple[Literal, ...], bindings: dict[str, Any]) -> Answer:
    expressions = tuple(
        Expression(
            literal.span.text, bindings.get(f"{_VALUE}{at}", True), literal.span.line, literal.span.column
        )
        for at, literal in enumerate(body)
    )
    return Answer(
        expressions, {name: value for name, value in bindings.items() if not name.startswith(_VALUE)}
    )


def why_not(
    engine: Engine,
    query: str,
    input: Value = UNDEFINED,  # noqa: A002 - the name it has in Rego
    *,
    within: str = "",
    now_ns: int | None = None,
) -> Condition | None:
    """The expression on which a query fails; None where it has an answer other than `false`.

    Raises PolicyError for the query, EvaluationError where telling takes too long.
    """
    module = parse_module(Source("query", within)) if within else None
    body = compile_query(parse_query(query), engine.program, within=module)
    return explain_failure(engine.program, engine.policies.data, body, input, now_ns)
