"""What a replay found, grouped: who gains, who loses, what moves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from doorward.author.diff.log import Logged
from doorward.decide.decision import Decision
from doorward.decide.differences import Difference

__all__ = ["Change", "Group", "Report"]

_MOST_PRINCIPALS: Final = 10_000
_ORDER: Final = ("loses", "gains", "approvals", "masks", "credential", "errors")


@dataclass(slots=True)
class Change:
    """One request under both sets of policies."""

    logged: Logged
    old: Decision
    new: Decision
    differences: Sequence[Difference]


@dataclass(slots=True)
class Group:
    """Requests that differ in the same way."""

    difference: Difference
    example: Change
    """The first of them."""
    requests: int = 0
    principals: Counter[str] = field(default_factory=Counter)
    """How many requests of each."""

    def to_dict(self) -> dict[str, Any]:
        """The group as JSON-ready data."""
        example = self.example
        return {
            "kind": self.difference.kind,
            "what": self.difference.what,
            "because": list(self.difference.because),
            "requests": self.requests,
            "principals": dict(self.principals.most_common(20)),
            "principals_in_all": len(self.principals),
            "example": {
                "place": example.logged.place,
                "id": example.logged.id,
                "request": example.logged.request,
                "old": _decision(example.old),
                "new": _decision(example.new),
            },
        }


class Report:
    """All that differs."""

    def __init__(self) -> None:
        self.requests = 0
        self.changed = 0
        """Requests on which a gateway would now do something else."""
        self.unlike = 0
        """Requests that the old policies decide otherwise than the log says: the log is not theirs."""
        self.refused = 0
        """Lines that are no access request to either."""
        self.first_refused = ""
        self.masked = 0
        """Requests that were masked in the log, and were decided without that."""
        self.withheld = 0
        """Requests that were masked in the log, and cannot be decided again without that."""
        self._groups: dict[Difference, Group] = {}

    def refuse(self, logged: Logged, why: str) -> None:
        """Take note of a line that is no access request."""
        self.requests += 1
        self.refused += 1
        if not self.first_refused:
            self.first_refused = f"{logged.place}: {why}"

    def withhold(self) -> None:
        """Take note of a request of which too much was masked."""
        self.requests += 1
        self.withheld += 1

    def add(self, change: Change) -> None:
        """Take note of one request."""
        self.requests += 1
        if not change.differences:
            return
        self.changed += 1
        for difference in change.differences:
            group = self._groups.get(difference)
            if group is None:
                group = self._groups[difference] = Group(difference, change)
            group.requests += 1
            if len(group.principals) < _MOST_PRINCIPALS:
                group.principals[_principal(change.logged)] += 1

    @property
    def groups(self) -> list[Group]:
        """By kind, those who lose first; within a kind the largest first."""
        return sorted(
            self._groups.values(),
            key=lambda group: (_ORDER.index(group.difference.kind), -group.requests, group.difference),
        )

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON-ready data."""
        return {
            "requests": self.requests,
            "changed": self.changed,
            "unlike_the_log": self.unlike,
            "refused": self.refused,
            "first_refused": self.first_refused,
            "masked": self.masked,
            "withheld": self.withheld,
            "groups": [group.to_dict() for group in self.groups],
        }


def _principal(logged: Logged) -> str:
    principal = logged.request.get("principal")
    return str(principal.get("id") or "") if isinstance(principal, dict) else ""


def _decision(decision: Decision) -> dict[str, Any]:
    plain = decision.to_dict()
    kept = ("verdict", "reasons", "masks", "approvals", "credential", "errors")
    return {name: plain[name] for name in kept}
