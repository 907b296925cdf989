"""What an explanation is made of: conditions and what they saw, statements and what became of them.

Plain slotted objects; texts are bounded, and values stand as Rego writes them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from doorward.decide.combine import NOTHING_ALLOWS, NOTHING_GRANTS
from doorward.decide.decision import Decision, DecisionError, Verdict
from doorward.decide.explain.changes import Change

__all__ = ["Condition", "Nearest", "Outcome", "RuleOutcome", "Seen", "StatementOutcome", "is_refused"]

Outcome: TypeAlias = Literal["held", "not_held", "errored", "unknown"]
"""`unknown`: the evaluation as a whole ended, by its budget, and the statement may not have been tried."""


@dataclass(slots=True)
class Seen:
    """A reference, variable or call of a condition, and what it was worth."""

    text: str
    value: str
    """As Rego writes it, cut where it is long; `undefined` where there was none."""


@dataclass(slots=True)
class Condition:
    """One expression of a body, and what became of it."""

    text: str
    """As the policy has it, on one line."""
    place: str
    """`file:line:column`."""
    outcome: Outcome
    part: Literal["if", "unless"]
    """`unless`: the expression is (the last) of the exception; that it held kept the statement from holding."""
    tried: int
    """With how many bindings of the variables before it the expression was tried; what is shown is the nearest."""
    seen: tuple[Seen, ...] = ()
    rules: tuple[RuleOutcome, ...] = ()
    """Why rules that the expression asks for did not hold."""
    error: str = ""


@dataclass(slots=True)
class RuleOutcome:
    """A rule without a value (or worth `false`), and for each of its definitions what it failed on."""

    name: str
    definitions: tuple[Condition, ...]
    left_out: int = 0
    """How many more definitions there are."""


@dataclass(slots=True)
class StatementOutcome:
    """One statement, or one Rego rule that takes part in decisions."""

    id: str
    verb: str
    reason: str
    """As the policy writes it; empty where it gives none, or where only holding would tell."""
    place: str
    outcome: Outcome
    """As the decision has it: a statement that failed counts as errored, also where it held before it did."""
    determining: bool
    """Whether it is among the reasons of the verdict."""
    says: tuple[str, ...] = ()
    """What it asked for when it held: `mask customers.ssn with partial(4)`."""
    conditions: tuple[Condition, ...] = ()
    """Of a statement that held: every condition. Of another: the one that failed (for a rule, one a definition)."""
    error: DecisionError | None = None


@dataclass(slots=True)
class Nearest:
    """Changes of the request under which the policies really decide `verdict`; without any one of them they do not."""

    verdict: Verdict
    changes: tuple[Change, ...]


def is_refused(decision: Decision) -> bool:
    """Whether the engine itself refuses the operation, whatever the policies say."""
    return decision.verdict == "block" and any(
        not reason.id and reason.text not in (NOTHING_ALLOWS, NOTHING_GRANTS) for reason in decision.reasons
    )
