"""A decision that may be given again is the decision that would be made again, whenever that is."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doorward import Engine
from doorward.decide.decision import Decision
from doorward_dsl.capabilities import capabilities_document, read_capabilities

_LIBRARY = {
    "lib.rego": """package lib

office if input.time.hour < 12
whole := input
part(name) := input[name]
late if time.now_ns() > 1700000000000000000
editor if "editor" in input.principal.groups
nested if office
through(name) if part(name).hour < 12
""",
}
_CONDITIONS = {
    '"editor" in principal.groups': True,
    'action.name == "put"': True,
    "data.lib.editor": True,
    'input.resource.environment == "production"': True,
    "time.hour < 12": False,
    "data.lib.office": False,
    "data.lib.nested": False,
    "not data.lib.office": False,
    'data.lib.through("time")': False,
    "data.lib.whole.time.hour < 12": False,
    "some part in input\n\tpart.hour < 12": False,
    'walk(input, [["time", "hour"], hour])\n\thour < 12': False,
    "every name in principal.groups {\n\t\tname != input.time.date\n\t}": False,
    "count([1 | time.minute > 30]) == 0": False,
    "data.lib.late": None,  # whoever gets so far asks for the time
    "time.now_ns() > 1700000000000000000": None,
}
"""Conditions, and whether nothing in them can read the time; None where it depends on the request."""

_INSTANTS = st.integers(1_600_000_000, 1_800_000_000).map(lambda seconds: seconds * 1_000_000_000)
_REQUESTS = st.builds(
    lambda groups, action, environment: {
        "principal": {"id": "ana", "groups": groups},
        "action": {"name": action},
        "resource": {"kind": "ssh", "name": "h", "environment": environment},
        "ssh_request": {"request": "exec", "command": "uptime"},
    },
    st.lists(st.sampled_from(["editor", "reader"]), max_size=2),
    st.sampled_from(["exec", "put", "issue_credential"]),
    st.sampled_from(["production", "test"]),
)
_STATEMENTS = st.lists(
    st.tuples(
        st.sampled_from(["allow", "block", "approve"]),
        st.lists(st.sampled_from(sorted(_CONDITIONS)), max_size=2, unique=True).map(tuple),
    ),
    min_size=1,
    max_size=4,
).map(tuple)


@cache
def _engine(statements: tuple[tuple[str, tuple[str, ...]], ...]) -> Engine:
    text = "package p\n\ngoverns ssh\n"
    for number, (verb, conditions) in enumerate(statements):
        head = f'approve "{number}" by "staff"' if verb == "approve" else f'{verb} "{number}"'
        text += f"\n{head}" + (" if {\n\t" + "\n\t".join(conditions) + "\n}\n" if conditions else "\n")
    return Engine.from_sources({"p.ward": text, **_LIBRARY})


def _content(decision: Decision) -> Decision:
    return replace(decision, decision_id="")


@settings(deadline=None, max_examples=150)
@given(_STATEMENTS, _REQUESTS, _INSTANTS, _INSTANTS)
def test_what_is_given_again_is_what_would_be_decided_again(
    statements: Any, request: dict[str, Any], now: int, later: int
) -> None:
    engine = _engine(statements)
    decision = engine.decide(request, now_ns=now)
    if decision.cacheable:
        assert decision.verdict != "approve"
        assert _content(engine.decide(request, now_ns=later)) == _content(decision)
    known = [_CONDITIONS[condition] for _, conditions in statements for condition in conditions]
    if all(known) and decision.verdict != "approve" and not decision.errors and not decision.credential:
        assert decision.cacheable


_REQUEST: dict[str, Any] = {
    "principal": {"id": "ana", "groups": ["editor"]},
    "action": {"name": "put"},
    "resource": {"kind": "ssh", "name": "h", "environment": "production"},
    "ssh_request": {"request": "exec", "command": "uptime"},
}


@pytest.mark.parametrize("condition", _CONDITIONS)
def test_each_way_to_the_time_is_known(condition: str) -> None:
    decision = _engine((("allow", (condition,)),)).decide(_REQUEST)
    assert not decision.errors
    assert decision.cacheable is bool(_CONDITIONS[condition])


def test_only_what_governs_the_kind_counts() -> None:
    other = "package other\n\ngoverns http\n\nallow if time.hour < 12\n"
    engine = Engine.from_sources({"a.ward": "package a\n\ngoverns ssh\n\nallow\n", "b.ward": other})
    assert engine.decide(_REQUEST).cacheable


def test_what_asks_the_world_is_asked_again() -> None:
    text = 'package p\n\ngoverns ssh\n\nallow if {\n\taction.name == "put"\n\trand.intn("x", 10) >= 0\n}\n'
    granted = read_capabilities(json.dumps({**capabilities_document(), "allow_net": []}))
    engine = Engine.from_sources({"p.ward": text}, capabilities=granted)
    decision = engine.decide(_REQUEST)
    assert decision.verdict == "allow"
    assert not decision.cacheable
    assert engine.decide({**_REQUEST, "action": {"name": "exec"}}).cacheable  # nothing was asked for


def test_what_failed_is_not_given_again() -> None:
    text = 'package p\n\ngoverns ssh\n\nallow\n\nblock "odd" if to_number(principal.id) > 3\n'
    decision = Engine.from_sources({"p.ward": text}).decide(_REQUEST)
    assert decision.errors
    assert not decision.cacheable
