"""Explains requests under one revision."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any

from doorward.compile import Compiled
from doorward.decide.document import KINDS, Kind, schemas_of
from doorward.decide.explain.changes import Change
from doorward.decide.explain.explanation import Explanation
from doorward.decide.explain.nearest import Found, Search
from doorward.decide.explain.parts import is_refused
from doorward.decide.explain.statements import Governing, Statements
from doorward.decide.explain.vocabulary import Vocabulary
from doorward.decide.explain.witness import Witness, Witnessed
from doorward.facts.postgres import AnalysisCache, Catalogue
from doorward.run.budget import Limits
from doorward.run.effects import NOTHING_GRANTED, Effect, Grants
from doorward.run.reference.evaluator import Evaluator
from doorward.run.reference.tree import make_tree

__all__ = ["Explainer"]


class Explainer:
    """Explains requests under one revision. Nothing of a request is kept; threads may share it.

    Takes what a `Decider` takes. Explaining takes milliseconds to seconds, within bounds of its own; it is not for the
    hot path.
    """

    def __init__(
        self,
        compiled: Compiled,
        revision: str,
        *,
        limits: Limits,
        analyses: AnalysisCache,
        grants: Grants = NOTHING_GRANTED,
        kinds: Mapping[str, Kind] = KINDS,
    ) -> None:
        self._compiled = compiled
        self._kinds = kinds
        self._witness = Witness(
            compiled, revision, limits=limits, analyses=analyses, grants=grants, kinds=kinds
        )

    @cached_property
    def _evaluator(self) -> Evaluator:
        return Evaluator(make_tree(self._compiled.program))

    @cached_property
    def _vocabulary(self) -> Vocabulary:
        return Vocabulary(self._compiled.program, schemas_of(self._kinds))

    @cached_property
    def _governing(self) -> dict[str, Governing]:
        program = self._compiled.program
        governing: list[Governing] = [*program.statements, *program.governed_rules]
        return {one.id: one for one in governing}

    def explain(
        self,
        document: Any,
        catalogue: Catalogue | None = None,
        now_ns: int | None = None,
        replaying: Iterable[Effect] | None = None,
        *,
        search: bool = True,
    ) -> Explanation:
        """The explanation of an access request document, as `Decider.decide` takes it.

        Without `search` no nearest allow is looked for. Raises InvalidRequest, and nothing else.
        """
        now = time.time_ns() if now_ns is None else now_ns
        replaying = None if replaying is None else tuple(replaying)
        witnessed = self._witness.decide(document, catalogue, now, replaying)
        infos = self._compiled.statements(witnessed.kind)
        statements = Statements(self._evaluator, witnessed, self._compiled.data, now)
        told = statements.tell(infos, self._governing)
        found = Found()
        if search and witnessed.decision.verdict != "allow" and not is_refused(witnessed.decision):
            # asked again under changes, the world gives the answers it gave
            answers = witnessed.decision.effects if replaying is None else replaying

            def decide(changes: Sequence[Change]) -> Witnessed | None:
                return self._witness.decide_changed(document, catalogue, now, answers, changes)

            governing = {info.id: self._governing[info.id] for info in infos}
            found = Search(
                self._evaluator, self._vocabulary, governing, self._compiled.data, now, decide
            ).run(witnessed)
        return Explanation(
            decision=witnessed.decision,
            statements=told,
            nearest=found.allow,
            nearest_approval=found.approval,
            searched=found.decided,
            complete=statements.complete,
        )
