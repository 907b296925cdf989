"""The explanation of one decision, for people and for machines."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from doorward.decide.decision import Decision
from doorward.decide.explain.parts import Nearest, StatementOutcome
from doorward.decide.explain.text import render

__all__ = ["Explanation"]


@dataclass(slots=True)
class Explanation:
    """The truth about one request."""

    decision: Decision
    statements: tuple[StatementOutcome, ...]
    """All that speak for the kind of the request, in order of id."""
    nearest: Nearest | None
    """None where the request is allowed, or where no allow was found within the bound."""
    nearest_approval: Nearest | None
    """Where a block could be turned into waiting for consent by fewer changes than into an allow."""
    searched: int
    """How many changed requests were decided in search of the nearest allow."""
    complete: bool
    """False where tracing took too long, and some statements have an outcome but no conditions."""

    def to_dict(self) -> dict[str, Any]:
        """The explanation as JSON-ready data."""
        return {
            "decision": self.decision.to_dict(),
            "statements": [asdict(one) for one in self.statements],
            "nearest": _nearest(self.nearest),
            "nearest_approval": _nearest(self.nearest_approval),
            "searched": self.searched,
            "complete": self.complete,
        }

    def to_text(self, *, color: bool = False, everything: bool = False, width: int = 100) -> str:
        """The explanation for a person, in lines of about `width` columns, without a line end.

        `everything` tells of every statement; else those that did not hold are told of where they might have allowed
        the request, or were near to changing the verdict.
        """
        return render(
            self.decision,
            self.statements,
            (self.nearest, self.nearest_approval),
            self.searched,
            color=color,
            everything=everything,
            width=width,
        )


def _nearest(nearest: Nearest | None) -> dict[str, Any] | None:
    if nearest is None:
        return None
    return {"verdict": nearest.verdict, "changes": [change.to_dict() for change in nearest.changes]}
