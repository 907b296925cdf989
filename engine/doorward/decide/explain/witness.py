"""The real way of a request, watched: what the statements were asked, and what they answered."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from doorward.compile import Compiled
from doorward.compile.findings import Findings
from doorward.decide.decision import Decision
from doorward.decide.document import InvalidRequest, Kind
from doorward.decide.evaluate import Decider
from doorward.decide.explain.changes import REQUESTED, Change, apply, instant
from doorward.facts.postgres import AnalysisCache, Catalogue
from doorward.run.budget import Limits
from doorward.run.context import CallContext
from doorward.run.effects import Effect, Grants

__all__ = ["Witness", "Witnessed"]


@dataclass(slots=True)
class Witnessed:
    """A decision with all that the policies saw and said."""

    decision: Decision
    kind: str
    document: dict[str, Any]
    """Total, with the facts of the kind."""
    findings: Findings


class _Watched:
    """The compiled policies, with changes to the derived facts before they are asked."""

    __slots__ = ("_changes", "_compiled", "document", "findings", "kind")

    def __init__(self, compiled: Compiled, changes: Sequence[Change]) -> None:
        self._compiled = compiled
        self._changes = changes
        self.kind = ""
        self.document: dict[str, Any] = {}
        self.findings = Findings()

    def evaluate(self, kind: str, document: dict[str, Any], call: CallContext) -> Findings:
        """As the compiled policies do."""
        self.kind, self.document = kind, apply(document, self._changes)
        self.findings = self._compiled.evaluate(kind, self.document, call)
        return self.findings

    def is_timeless(self, kind: str) -> bool:
        """As the compiled policies are."""
        return self._compiled.is_timeless(kind)


class Witness:
    """Decides as the engine does, by the same code, and keeps what was seen on the way."""

    __slots__ = ("_analyses", "_compiled", "_grants", "_kinds", "_limits", "_revision")

    def __init__(
        self,
        compiled: Compiled,
        revision: str,
        *,
        limits: Limits,
        analyses: AnalysisCache,
        grants: Grants,
        kinds: Mapping[str, Kind],
    ) -> None:
        self._compiled = compiled
        self._revision = revision
        self._limits = limits
        self._analyses = analyses
        self._grants = grants
        self._kinds = kinds

    def decide(
        self,
        document: Any,
        catalogue: Catalogue | None,
        now_ns: int,
        replaying: Iterable[Effect] | None,
        changes: Sequence[Change] = (),
    ) -> Witnessed:
        """The decision on a request, or on the request with changes. Raises InvalidRequest.

        What a caller says is changed before the request is completed, as if it had come so; facts are changed after
        they were derived. Replayed effects that a changed request does not match are as good as refused.
        """
        requested = [change for change in changes if change.path[0] in REQUESTED]
        derived = [change for change in changes if change.path[0] not in REQUESTED]
        if requested:
            document = apply(document, requested)
            now_ns = instant(now_ns, requested)
        watched = _Watched(self._compiled, derived)
        # a decider of its own for each: what one remembers goes by analysis and statements, not by changed facts
        decider = Decider(
            watched,
            self._revision,
            limits=self._limits,
            analyses=self._analyses,
            grants=self._grants,
            kinds=self._kinds,
        )
        decision = decider.decide(document, catalogue, now_ns, replaying)
        return Witnessed(decision, watched.kind, watched.document, watched.findings)

    def decide_changed(
        self,
        document: dict[str, Any],
        catalogue: Catalogue | None,
        now_ns: int,
        replaying: Iterable[Effect] | None,
        changes: Sequence[Change],
    ) -> Witnessed | None:
        """The same, or None where the changes make it no request."""
        try:
            return self.decide(document, catalogue, now_ns, replaying, changes)
        except InvalidRequest:
            return None
