"""Errors of evaluation.

EvaluationError
├── ConflictError       eval_conflict_error   one document, two values
├── TypeMismatchError   eval_type_error       a value of the wrong type reached a place that cannot take it
├── BuiltinError        eval_builtin_error    a built-in refused its arguments
├── WithMergeError      eval_with_merge_error `with` over a place that cannot hold it
└── BudgetExceeded      eval_budget_error     steps, time, size or depth went over the limit
"""

from __future__ import annotations

from doorward_dsl.diagnostics import DoorwardError
from doorward_dsl.source import Span

__all__ = [
    "BudgetExceeded",
    "BuiltinError",
    "ConflictError",
    "EvaluationError",
    "TypeMismatchError",
    "WithMergeError",
]


class EvaluationError(DoorwardError):
    """Evaluation failed. `code` is the class as OPA names it; `span` the place in the policy, where known."""

    code: str = "eval_internal_error"

    def __init__(self, message: str, span: Span | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.span = span

    def __str__(self) -> str:
        place = f"{self.span.source.name}:{self.span.line}: " if self.span is not None else ""
        return f"{place}{self.code}: {self.message}"


class ConflictError(EvaluationError):
    """A complete rule, function or object key was given two different values."""

    code = "eval_conflict_error"


class TypeMismatchError(EvaluationError):
    """A built-in was called with an argument of a type it does not take."""

    code = "eval_type_error"


class BuiltinError(EvaluationError):
    """A built-in could not do what was asked of it."""

    code = "eval_builtin_error"


class WithMergeError(EvaluationError):
    """A `with` modifier would have to replace part of a value that has no parts."""

    code = "eval_with_merge_error"


class BudgetExceeded(EvaluationError):
    """The evaluation went over its budget of steps, time, size or depth."""

    code = "eval_budget_error"
