"""What a test replaces, as the `with` modifiers of a query."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from doorward.compile import Function, FunctionName, Replacements
from doorward.run.context import CallContext
from doorward.run.values import UNDEFINED, Value
from doorward_dsl.compile_tests import SHARED
from doorward_dsl.source import NOWHERE
from doorward_dsl.syntax import Ref, Scalar, Term, Var, With

__all__ = ["VALUE", "data_at", "first_value", "modifiers"]

VALUE: Final = "value"
"""The variable that `first_value` gives the value of."""


def data_at(path: Sequence[str]) -> Term:
    """The document at a path below `data`."""
    return Ref(Var("data", NOWHERE), tuple(Scalar(part, NOWHERE) for part in path), NOWHERE)


def _named(name: str) -> Term:
    head, *path = name.split(".")
    if not path:
        return Var(head, NOWHERE)
    return Ref(Var(head, NOWHERE), tuple(Scalar(part, NOWHERE) for part in path), NOWHERE)


def modifiers(replacements: Replacements) -> tuple[tuple[With, ...], dict[str, Value]]:
    """Replacements as `with` modifiers, and the values that these take from what the running test keeps."""
    withs: list[With] = []
    values: dict[str, Value] = {}

    def kept(value: Value) -> Term:
        name = f"given {len(values)}"
        values[name] = value
        return data_at((SHARED, name))

    for path, value in replacements.data.items():
        withs.append(With(data_at(path), kept(value), NOWHERE))
    for name, function in replacements.functions.items():
        if isinstance(function, FunctionName):
            withs.append(With(_named(name), _named(".".join(function.path)), NOWHERE))
        else:
            withs.append(With(_named(name), kept(function), NOWHERE))
    return tuple(withs), values


def first_value(answers: Function) -> Function:
    """The value of the variable in the first answer of a query."""

    def first(call: CallContext) -> Value:
        for answer in answers(call):
            return answer[VALUE]
        return UNDEFINED

    return first
