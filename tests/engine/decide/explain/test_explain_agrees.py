"""An explanation never says anything but what the decision says, and the nearest allow that it names does allow.

`DOORWARD_EXAMPLES` sets how many policies are tried; the same ones each time, unless more are asked for than CI tries.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from doorward import Engine
from doorward.compile import Findings
from doorward.decide.decision import Decision
from doorward.decide.evaluate import Decider
from doorward.decide.explain import Change, Explanation
from doorward.facts.postgres import AnalysisCache
from doorward.run.budget import Limits
from doorward.run.context import CallContext

from .generated import CATALOGUE, DATA, policies, requests

_IN_CI = 60
_EXAMPLES = int(os.environ.get("DOORWARD_EXAMPLES", _IN_CI))
_ANALYSES = AnalysisCache()
_NOW_NS = 1_795_000_000_000_000_000


@settings(
    max_examples=_EXAMPLES,
    derandomize=_EXAMPLES <= _IN_CI,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(policies(), st.lists(requests, min_size=1, max_size=3))
def test_explanation_and_decision_never_disagree(text: str, asked: list[dict[str, Any]]) -> None:
    note(text)
    engine = Engine.from_sources({"p.ward": text}, DATA)
    for request in asked:
        note(str(request))
        decision = engine.decide(request, catalogue=CATALOGUE, now_ns=_NOW_NS)
        told = engine.explain(request, catalogue=CATALOGUE, now_ns=_NOW_NS)
        assert anonymous(told.decision) == anonymous(decision)
        check_outcomes(told, decision)
        if told.nearest is not None:
            check_nearest(engine, request, told.nearest.changes)
        assert told.to_text(width=100)
        assert told.to_dict()["decision"]["verdict"] == decision.verdict


def anonymous(decision: Decision) -> dict[str, Any]:
    plain = decision.to_dict()
    del plain["decision_id"]
    return plain


def check_outcomes(told: Explanation, decision: Decision) -> None:
    """Every statement has the outcome that its part in the decision shows, and a trace that ends in it."""
    errors = {error.id for error in decision.errors}
    took_part = {reason.id for reason in decision.determining}
    assert "" not in errors
    for one in told.statements:
        assert (one.outcome == "errored") == (one.id in errors)
        if one.outcome != "errored":
            issuing_only = one.verb == "credential"
            assert one.id in took_part or one.outcome == "not_held" or issuing_only, one
            assert one.outcome == "held" or one.id not in took_part, one
        last = one.conditions[-1] if one.conditions else None
        if one.outcome == "not_held":
            assert last is not None
            assert last.outcome == ("held" if last.part == "unless" else "not_held")
        elif one.outcome == "held":
            assert all(told.outcome == "held" for told in one.conditions if told.part == "if")
            assert last is None or last.part == "if" or last.outcome != "held"


def check_nearest(engine: Engine, request: dict[str, Any], changes: Sequence[Change]) -> None:
    """With the changes the request is allowed, and without any one of them it is not."""
    assert decide_changed(engine, request, changes) == "allow"
    for left_out in changes:
        fewer = [change for change in changes if change is not left_out]
        assert decide_changed(engine, request, fewer) != "allow"


class Derived:
    """Policies that see other facts than were derived."""

    def __init__(self, engine: Engine, changes: Sequence[Change]) -> None:
        self._compiled = engine._compiled
        self._changes = changes

    def evaluate(self, kind: str, document: dict[str, Any], call: CallContext) -> Findings:
        for change in self._changes:
            change_at(document, list(change.path), change)
        return self._compiled.evaluate(kind, document, call)

    def is_timeless(self, kind: str) -> bool:
        return self._compiled.is_timeless(kind)


def decide_changed(engine: Engine, request: dict[str, Any], changes: Sequence[Change]) -> str:
    """The verdict of a request that is written anew, with other facts where they follow from the operation."""
    whole = copied(request)
    facts = []
    for change in changes:
        if change.path[0] in ("sql", "time"):
            facts.append(change)
        else:
            change_at(whole, list(change.path), change)
    decider = Decider(Derived(engine, facts), "r", limits=Limits(), analyses=_ANALYSES)
    return decider.decide(whole, CATALOGUE, _NOW_NS).verdict


def copied(request: dict[str, Any]) -> dict[str, Any]:
    defaults: dict[str, dict[str, Any]] = {
        "principal": {"groups": [], "claims": {}},
        "resource": {"labels": {}},
        "session": {},
    }
    return {
        section: {**defaults.get(section, {}), **fields}
        for section, fields in {**defaults, **request}.items()
    }


def change_at(document: Any, path: list[Any], change: Change) -> None:
    for step in path[:-1]:
        document[step] = document[step].copy()
        document = document[step]
    place = path[-1]
    if change.op == "set":
        document[place] = change.value
    elif isinstance(document[place], dict):
        assert change.op == "remove"
        document[place] = {key: value for key, value in document[place].items() if key != change.value}
    else:
        kept = [member for member in document[place] if member != change.value]
        document[place] = [*document[place], change.value] if change.op == "add" else kept
