"""Every statement with what became of it, and why."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from doorward.compile.findings import (
    ApprovePayload,
    CredentialPayload,
    Failed,
    Held,
    MaskPayload,
    Payload,
    StatementInfo,
)
from doorward.decide.decision import DecisionError
from doorward.decide.explain.conditions import body_conditions, condition, definitions, node_at
from doorward.decide.explain.parts import Condition, Outcome, StatementOutcome
from doorward.decide.explain.shown import cut
from doorward.decide.explain.trace import trace
from doorward.decide.explain.witness import Witnessed
from doorward.decide.masks import target_text
from doorward.run.budget import Limits
from doorward.run.context import CallContext
from doorward.run.errors import EvaluationError
from doorward.run.reference.evaluator import Evaluator
from doorward.run.reference.world import World
from doorward_dsl.program import GovernedRule, GovernedStatement

__all__ = ["Governing", "Statements", "says"]

Governing = GovernedStatement | GovernedRule

_PER_STATEMENT: Final = Limits(steps=200_000, wall_ms=1_000)
_SECONDS: Final = 5.0
"""For all of them. What is not reached in that time has its outcome, but not why."""


class Statements:
    """Tells of the statements of one request. The outcomes are those of the decision; only the why is traced."""

    def __init__(
        self, evaluator: Evaluator, witnessed: Witnessed, data: dict[str, object], now_ns: int
    ) -> None:
        self._evaluator = evaluator
        self._witnessed = witnessed
        self._data = data
        self._now_ns = now_ns
        self._known: dict[bool, dict[object, object]] = {True: {}, False: {}}
        self._until = time.monotonic() + _SECONDS
        self.complete = True
        """Whether every statement so far was traced."""

    def tell(
        self, infos: Sequence[StatementInfo], governing: dict[str, Governing]
    ) -> tuple[StatementOutcome, ...]:
        """All statements, in order of id."""
        held: dict[str, list[Held]] = defaultdict(list)
        failed: dict[str, Failed] = {}
        for one in self._witnessed.findings.held:
            held[one.info.id].append(one)
        for error in self._witnessed.findings.errors:
            if error.info is not None:
                failed[error.info.id] = error
        ended = any(error.info is None for error in self._witnessed.findings.errors)
        reasons = {reason.id for reason in self._witnessed.decision.reasons}
        told = []
        for info in sorted(infos, key=lambda info: info.id):
            outcome: Outcome = "unknown" if ended else "not_held"
            if info.id in failed or info.id in held:
                outcome = "errored" if info.id in failed else "held"
            told.append(
                StatementOutcome(
                    id=info.id,
                    verb=info.verb,
                    reason=cut(info.payload.reason or ""),
                    place=info.place,
                    outcome=outcome,
                    determining=info.id in reasons,
                    says=tuple(sorted({says(one.payload) for one in held[info.id]} - {""})),
                    conditions=self._conditions(governing[info.id], outcome),
                    error=_error(failed.get(info.id)),
                )
            )
        return tuple(told)

    def world(self, *, strict: bool = True) -> World:
        """A fresh budget over the request; what was worked out in one is known in all."""
        call = CallContext(self._now_ns, _PER_STATEMENT, strict=strict)
        call.replay(self._witnessed.decision.effects)
        return World(call, self._witnessed.document, self._data, known=self._known[strict])

    def _conditions(self, one: Governing, outcome: Outcome) -> tuple[Condition, ...]:
        if outcome == "unknown":
            return ()
        if time.monotonic() > self._until:
            self.complete = False
            return ()
        # Strict as decisions are. Where that meets an error which the compiled policies were spared, because they
        # tried something else first, the outcome is the one in which errors make undefined.
        for strict in (True, False):
            try:
                told = self._told(one, outcome, self.world(strict=strict))
            except (EvaluationError, RecursionError):
                continue
            if told is not None:
                return told
        return ()

    def _told(self, one: Governing, outcome: Outcome, world: World) -> tuple[Condition, ...] | None:
        """Why a statement had its outcome; None where tracing it has another."""
        if isinstance(one, GovernedRule):
            return self._of_rule(one, outcome, world)
        statement, evaluator = one.statement, self._evaluator
        when, unless = statement.when or (), statement.unless
        way = trace(evaluator, when, {}, world, whole=outcome != "held")
        if way.error is not None:
            if outcome != "errored":
                return None
            return (
                condition(
                    evaluator, when[way.reached], way.env, world, "errored", tried=way.tried, error=way.error
                ),
            )
        if not way.held:
            if outcome != "not_held":
                return None
            return (condition(evaluator, when[way.reached], way.env, world, "not_held", tried=way.tried),)
        if unless is None:
            return None if outcome == "not_held" else tuple(body_conditions(evaluator, when, way.env, world))
        for env in evaluator.solve(when, {}, world):
            other = trace(evaluator, unless, env, world)
            if other.error is not None and outcome == "errored":
                told = condition(
                    evaluator, unless[other.reached], other.env, world, "errored", error=other.error
                )
                return (replace(told, part="unless"),)
            if other.held and outcome == "not_held":
                found = body_conditions(evaluator, unless, other.env, world)
                return tuple(replace(told, part="unless") for told in found)
            if not other.held and outcome == "held":
                excepted = condition(evaluator, unless[other.reached], other.env, world, "not_held")
                return (*body_conditions(evaluator, when, env, world), replace(excepted, part="unless"))
        return None

    def _of_rule(self, one: GovernedRule, outcome: Outcome, world: World) -> tuple[Condition, ...]:
        node = node_at(self._evaluator, one.path)
        if node is None:
            return ()
        return definitions(self._evaluator, node.rules, world, held=outcome == "held")


def says(payload: Payload) -> str:
    """What a statement that held asks for besides its verb; empty for `allow` and `block`."""
    if isinstance(payload, MaskPayload):
        targets = ", ".join(sorted(map(target_text, payload.targets)))
        args = ", ".join(f'"{arg}"' if isinstance(arg, str) else str(arg) for arg in payload.masker.args)
        return f"mask {targets} with {payload.masker.name}{f'({args})' if args else ''}"
    if isinstance(payload, ApprovePayload):
        within = f" within {payload.within_ms / 1000:g} s" if payload.within_ms else ""
        return f"consent of {' or '.join(payload.groups) or 'nobody'}{within}"
    if isinstance(payload, CredentialPayload):
        ttl = f" for {payload.ttl_ms / 1000:g} s" if payload.ttl_ms is not None else ""
        once = ", single use" if payload.single_use else ""
        role = f", as {payload.role}" if payload.role else ""
        return f"credential{ttl}{once}{role}"
    return ""


def _error(failed: Failed | None) -> DecisionError | None:
    if failed is None or failed.info is None:
        return None
    error = failed.error
    place = str(error.span) if error.span is not None else failed.info.place
    return DecisionError(failed.info.id, error.code, cut(error.message), place)
