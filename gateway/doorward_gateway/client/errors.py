"""What a client raises: nothing else comes out of a call.

ClientError
├── EngineUnavailable   there is no decision (or no other answer): refuse the operation
└── QueryRefused        the engine says what is wrong with a query, or with its evaluation
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["ClientError", "EngineUnavailable", "QueryProblem", "QueryRefused"]


class ClientError(Exception):
    """Base of the errors that a client raises."""


class EngineUnavailable(ClientError):
    """There is no clean decision: refuse the operation. `reason` is one sentence for logs and callers."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class QueryProblem:
    """One thing that is wrong with a query."""

    code: str
    """The class, as OPA names it: `rego_parse_error`, `eval_conflict_error`, …"""
    message: str
    place: str
    """`file:line:column`; the query itself is the file `<query>`. Empty where there is none."""


class QueryRefused(ClientError):
    """The query is not Rego, means nothing under the policies in force, or failed; `code` is that of the first problem."""

    def __init__(self, problems: Sequence[QueryProblem]) -> None:
        super().__init__("; ".join(f"{one.place}: {one.message} [{one.code}]" for one in problems))
        self.problems = tuple(problems)
        self.code = problems[0].code
