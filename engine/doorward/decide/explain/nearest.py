"""The search for the nearest request that is allowed.

From the request as it is, single changes are tried that bring it nearer: past the condition on which an allow failed,
away from one by which a block, a mask in the way, or a need for consent came about. The states are changed requests,
each decided by the real policies; the cheapest goes on first. The search is bounded, and what it finds is decided once
more without each of its changes, so that none is named that is not needed.
"""

from __future__ import annotations

import heapq
import itertools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Final, TypeAlias

from doorward.decide.combine import NOTHING_GRANTS
from doorward.decide.decision import Decision, Verdict
from doorward.decide.explain.changes import Change
from doorward.decide.explain.parts import Nearest, is_refused
from doorward.decide.explain.repair import Repairs
from doorward.decide.explain.statements import Governing
from doorward.decide.explain.trace import trace
from doorward.decide.explain.vocabulary import Vocabulary
from doorward.decide.explain.witness import Witnessed
from doorward.run.budget import Limits
from doorward.run.context import CallContext
from doorward.run.errors import EvaluationError
from doorward.run.reference.evaluator import Evaluator
from doorward.run.reference.world import World
from doorward_dsl.program import GovernedRule

__all__ = ["Found", "Search"]

_DECISIONS: Final = 400
_SECONDS: Final = 3.0
_CANDIDATES: Final = 32
_TARGETS: Final = 16
"""Statements that do not hold and are tried to be made to, from each request."""

_BRANCHES: Final = 40
"""Changes that are tried from each request."""

_MOST_CHANGES: Final = 8
_PER_STATE: Final = Limits(steps=100_000, wall_ms=500)

_Changes: TypeAlias = tuple[Change, ...]
Decide: TypeAlias = Callable[[Sequence[Change]], Witnessed | None]


@dataclass(slots=True)
class Found:
    """What a search found. `approval` is named only where it takes fewer changes than `allow`."""

    allow: Nearest | None = None
    approval: Nearest | None = None
    decided: int = 0


@dataclass(order=True, slots=True)
class _State:
    """A changed request. Its `cost` is what it took, and what it seems still to take."""

    cost: float
    number: int
    changes: _Changes = field(compare=False)
    witnessed: Witnessed = field(compare=False)


class Search:
    """Searches for one request; `decide` takes the decision on it with changes."""

    def __init__(
        self,
        evaluator: Evaluator,
        vocabulary: Vocabulary,
        governing: Mapping[str, Governing],
        data: Mapping[str, object],
        now_ns: int,
        decide: Decide,
    ) -> None:
        self._evaluator = evaluator
        self._vocabulary = vocabulary
        self._governing = governing
        self._data = data
        self._now_ns = now_ns
        self._decide = decide
        self._decided = 0
        self._until = time.monotonic() + _SECONDS
        self._numbers = itertools.count()
        self._nearest: dict[str, tuple[str, ...]] = {}

    def run(self, start: Witnessed) -> Found:
        """Search from the request as it is, which is not allowed."""
        found = Found()
        best: dict[Verdict, _Changes] = {}
        waiting = [_State(0.0, next(self._numbers), (), start)]
        known: set[frozenset[Change]] = {frozenset()}
        while waiting and not self._is_over() and "allow" not in best:
            state = heapq.heappop(waiting)
            verdict = state.witnessed.decision.verdict
            if state.changes and verdict not in best:
                best[verdict] = state.changes
                if verdict == "allow":
                    break
            for step in islice(self._steps(state), _BRANCHES):
                changes = _together(state.changes, step)
                if changes is None or frozenset(changes) in known or self._is_over():
                    continue
                known.add(frozenset(changes))
                witnessed = self._decision(changes)
                if witnessed is not None and not is_refused(witnessed.decision):
                    cost = sum(map(_cost, changes)) + self._distance(witnessed)
                    heapq.heappush(waiting, _State(cost, next(self._numbers), changes, witnessed))
        if "allow" in best:
            found.allow = self._needed("allow", best["allow"])
        if "approve" in best and start.decision.verdict == "block":
            approval = self._needed("approve", best["approve"])
            if found.allow is None or len(approval.changes) < len(found.allow.changes):
                found.approval = approval
        found.decided = self._decided
        return found

    def _is_over(self) -> bool:
        return self._decided >= _DECISIONS or time.monotonic() > self._until

    def _decision(self, changes: _Changes) -> Witnessed | None:
        self._decided += 1
        return self._decide(changes)

    def _needed(self, verdict: Verdict, changes: _Changes) -> Nearest:
        """The changes without those that are not needed for the verdict."""
        for change in changes:
            fewer = tuple(one for one in changes if one is not change)
            if fewer:
                witnessed = self._decision(fewer)
                if witnessed is not None and witnessed.decision.verdict == verdict:
                    changes = fewer
        # what can be had without another operation comes first
        return Nearest(verdict, tuple(sorted(changes, key=lambda one: (one.derived, one.path[0], one.text))))

    # --- from one request to the next ---

    def _steps(self, state: _State) -> Iterator[_Changes]:
        """Changes worth trying, those of the nearest statements first."""
        witnessed = state.witnessed
        repairs = Repairs(self._evaluator, self._vocabulary, witnessed.kind, self._world(witnessed))
        needed = _needed_verb(witnessed.decision)
        if needed is not None:
            targets = sorted(
                (self._unmet(name, witnessed), name) for name in self._candidates(needed, witnessed)
            )
            for _, name in targets[:_TARGETS]:
                yield from self._guarded(self._let(repairs, name, hold=True))
        for name in sorted({reason.id for reason in witnessed.decision.reasons if reason.id}):
            if name in self._governing and self._governing[name].verb != "allow":
                yield from self._guarded(self._let(repairs, name, hold=False))

    @staticmethod
    def _guarded(steps: Iterator[_Changes]) -> Iterator[_Changes]:
        try:
            yield from steps
        except (EvaluationError, RecursionError):
            return  # what cannot be worked out within the budget proposes nothing

    def _let(self, repairs: Repairs, name: str, *, hold: bool) -> Iterator[_Changes]:
        one = self._governing[name]
        if isinstance(one, GovernedRule):
            yield from repairs.let_rule_hold(one.path) if hold else repairs.let_rule_fail(one.path)
            return
        when, unless = one.statement.when or (), one.statement.unless
        yield from repairs.let_hold(when) if hold else repairs.let_fail(when)
        if unless is not None:
            yield from repairs.let_fail(unless) if hold else repairs.let_hold(unless)

    def _world(self, witnessed: Witnessed) -> World:
        call = CallContext(self._now_ns, _PER_STATE, strict=False)
        call.replay(witnessed.decision.effects)
        return World(call, witnessed.document, self._data)

    def _distance(self, witnessed: Witnessed) -> float:
        """About what it still takes: conditions of the nearest allow that do not hold, and blocks that fire."""
        decision = witnessed.decision
        if decision.verdict == "allow":
            return 0.0
        needed = _needed_verb(decision)
        blocks = float(sum(1 for reason in decision.reasons if reason.id))
        if needed is None:
            return blocks
        candidates = self._candidates(needed, witnessed)
        return blocks + min((self._unmet(name, witnessed) for name in candidates), default=1.0)

    def _candidates(self, verb: str, witnessed: Witnessed) -> tuple[str, ...]:
        """The statements of a verb that are nearest to holding, as the request is when they are first asked for."""
        if verb not in self._nearest:
            until = min(self._until, time.monotonic() + _SECONDS / 3)
            found: list[tuple[float, str]] = []
            for name, one in self._governing.items():
                if one.verb == verb and time.monotonic() < until:
                    found.append((self._unmet(name, witnessed), name))
            self._nearest[verb] = tuple(name for _, name in heapq.nsmallest(_CANDIDATES, found))
        return self._nearest[verb]

    def _unmet(self, name: str, witnessed: Witnessed) -> float:
        """How far a statement is from holding: its conditions that do not hold, less where most of it does."""
        one = self._governing[name]
        if isinstance(one, GovernedRule) or self._is_over():
            return 1.5
        when = one.statement.when or ()
        world = self._world(witnessed)
        try:
            way = trace(self._evaluator, when, {}, world)
            unmet = 0
            for literal in when[way.reached :]:
                alone = trace(self._evaluator, (literal,), way.env, world)
                unmet += not alone.held
        except (EvaluationError, RecursionError, KeyError):  # a variable that is not bound yet
            unmet = 1
        if not unmet:
            return 0.6 if one.statement.unless is not None else 0.0
        return unmet + 0.5 * unmet / len(when)


def _needed_verb(decision: Decision) -> str | None:
    """The verb of the statements of which one more would have to hold, if any."""
    if decision.verdict != "block":
        return None
    texts = {reason.text for reason in decision.reasons if not reason.id}
    if NOTHING_GRANTS in texts:
        return "credential"
    return "allow" if not any(reason.verb == "allow" for reason in decision.determining) else None


def _together(changes: _Changes, step: _Changes) -> _Changes | None:
    """All the changes; None where one undoes or repeats another, or there are too many."""
    for one in step:
        for other in changes:
            if one.path == other.path and (one.op == "set" or other.op == "set" or one.value == other.value):
                return None
        if one.path in _OTHER_REQUESTS or one.path[-1] == "statement":
            return None
    made = (*changes, *step)
    return made if len(made) <= _MOST_CHANGES else None


_OTHER_REQUESTS: Final = frozenset({("action", "name"), ("resource", "kind")})
"""What is not changed: it would be another request altogether, rather than this one under other circumstances."""

_DEAR: Final[Mapping[tuple[str | int, ...], float]] = {
    ("principal", "id"): 1.6,
    ("principal", "kind"): 1.3,
    ("resource", "name"): 1.5,
    ("resource", "environment"): 1.2,
}


def _cost(change: Change) -> float:
    """How far a change goes: to be in a group is less than to be somebody else."""
    if change.derived:
        return 1.4
    return _DEAR.get(change.path[:2], 1.3 if change.path[0] == "time" else 1.0)
