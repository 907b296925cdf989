"""One operation on its way: asked about, waited for, written down, or refused."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from doorward_gateway.attribution import Attribution
from doorward_gateway.errors import GatewayError
from doorward_gateway.postgres.plan import MaskedResult, MaskPlan
from doorward_gateway.postgres.protocol import SqlState
from doorward_gateway.postgres.reports import Report
from doorward_gateway.postgres.rows import Shape
from doorward_gateway.postgres.understanding import Understanding

__all__ = ["Considered", "Operation", "Refused", "Request", "blocked"]


_SQLSTATE: Final = re.compile("[0-9A-Z]{5}")


class Refused(GatewayError):
    """The operation does not go on; `report` is what the client is told. The session stays usable."""

    def __init__(self, report: Report) -> None:
        super().__init__(report.message)
        self.report = report

    @classmethod
    def because(cls, sqlstate: str, message: str, *, detail: str = "", hint: str = "") -> Refused:
        """With an error report of these parts."""
        return cls(Report.error(sqlstate, message, detail=detail, hint=hint))


@dataclass(frozen=True, slots=True)
class Request:
    """What a client asks for: the text, and the bound values as text where it has any."""

    statement: str
    parameters: tuple[str | None, ...] = ()
    extended: bool = False

    def readable(self) -> str:
        """The operation as an approver is to read it."""
        if not self.parameters:
            return self.statement
        values = "\n".join(
            f"${number} = {'null' if value is None else value}"
            for number, value in enumerate(self.parameters, 1)
        )
        return f"{self.statement}\n{values}"


@dataclass(frozen=True, slots=True)
class Considered:
    """A request with the engine's decision on it (a `doorward.v1.Decision`) and what follows for its
    answer.
    """

    request: Request
    decision: Any
    understood: Understanding
    attribution: Attribution
    took_us: int = 0

    @property
    def facts(self) -> Mapping[str, Any]:
        """The `sql` facts."""
        return self.understood.facts

    @property
    def plan(self) -> MaskPlan:
        """The masks in force."""
        return self.understood.plan


@dataclass(slots=True, eq=False)
class Operation:
    """An operation that goes on. `number` counts those of a session from 1.

    `statement` counts its results so far. `masked` and `shape` are of its rows, where they are known before
    the server sends them.
    """

    number: int
    considered: Considered
    plan: MaskPlan
    masked: MaskedResult | None = None
    shape: Shape | None = None
    statement: int = 0
    started: float = field(default_factory=time.perf_counter)


def blocked(decision: Any, facts: Mapping[str, Any]) -> Refused:
    """The refusal that a decision asks for, in the words of the policy; `facts` are the `sql` facts it was made on.

    What only failed to be understood, for a reason for which the server would have refused it too, is refused with
    the server's SQLSTATE: programs tell by it a table that is not there from one that they may not read.
    """
    reasons = [reason.text for reason in decision.reasons if reason.text]
    places = [
        f"{reason.id} at {reason.place}" if reason.place else reason.id
        for reason in decision.reasons
        if reason.id or reason.place
    ]
    sqlstate, place = SqlState.BLOCKED, 0
    if not places and facts.get("opaque") and _SQLSTATE.fullmatch(str(facts.get("opaque_sqlstate", ""))):
        sqlstate, place = facts["opaque_sqlstate"], int(facts.get("opaque_at", 0))
    return Refused(
        Report.error(
            sqlstate,
            f"doorward: blocked: {'; '.join(dict.fromkeys(reasons)) or 'no statement allows this'}",
            detail=f"decided by {', '.join(dict.fromkeys(places))}" if places else "",
            hint=f"decision {decision.decision_id}, policy revision {decision.revision[:12]}",
            place=place,
        )
    )
