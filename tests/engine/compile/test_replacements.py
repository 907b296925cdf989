"""Decisions with other data and functions: as if the policies had been written so, on both evaluators."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from doorward.author.coverage.collect import replaced_world
from doorward.compile import CallContext, Compiled, FunctionName, Replaced, Replacements, compile_program
from doorward.decide.request import document_schemas
from doorward.run.reference.deciding import decide
from doorward.run.reference.evaluator import Evaluator
from doorward.run.reference.tree import make_tree
from doorward.run.reference.world import World
from doorward_dsl import Source, compile_modules, parse_module

POLICY = """package p

governs postgres

import data.people

trusted contains name if { some name, entry in people.entries; entry.level > 3 }
roles[name] := entry.role if some name, entry in people.entries
limit := 10
default open := false
open if people.open
near(x) if x < limit
inner.deep.flag if people.flag

allow "trusted" if principal.id in trusted
allow "open" if open
block $"role {roles[principal.id]}" if roles[principal.id] in {"a", "b"}
block "near" if near(count(principal.groups))
block "flag" if data.p.inner.deep.flag
block "whole" if count(data.p.inner) > 1
block "upper" if upper(principal.id) == "ANA"
allow "fixed" if limit == 11
"""

values = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 12) | st.sampled_from(["a", "b", "ana", "ANA"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["ana", "role", "level", "x"]), inner, max_size=3)
    ),
    max_leaves=6,
)
entries = st.dictionaries(
    st.sampled_from(["ana", "bo"]),
    st.fixed_dictionaries({"level": st.integers(0, 6), "role": st.sampled_from(["a", "b", "c"])}),
)
PATHS = [
    "people.entries",
    "people.open",
    "people.flag",
    "p.trusted",
    "p.roles",
    "p.limit",
    "p.open",
    "p.inner",
    "p.inner.deep.flag",
    "people",
]
replaced_data = st.dictionaries(
    st.sampled_from(PATHS).map(lambda path: tuple(path.split("."))), values | entries, max_size=3
)
replaced_functions = st.dictionaries(
    st.sampled_from(["data.p.near", "upper", "count"]), values | st.just(FunctionName(("lower",))), max_size=2
).filter(lambda found: not isinstance(found.get("data.p.near"), FunctionName))
data = st.fixed_dictionaries(
    {
        "people": st.fixed_dictionaries(
            {"entries": entries}, optional={"open": st.booleans(), "flag": st.booleans()}
        )
    }
)
NAMES = frozenset({".".join(("data", path)) for path in PATHS} | {"data.p.near", "upper", "count"})
PROGRAM = compile_modules([parse_module(Source("p.ward", POLICY))], schemas=document_schemas())
EVALUATOR = Evaluator(make_tree(PROGRAM))
DOCUMENT: dict[str, Any] = {"principal": {"id": "ana", "groups": ["a", "b"]}}


def held(compiled: Compiled, replacements: Replacements) -> tuple[list[Any], bool]:
    findings = Replaced(compiled, replacements).evaluate("postgres", DOCUMENT, CallContext(0))
    return sorted((one.info.id, one.payload.reason) for one in findings.held), bool(findings.errors)


@settings(max_examples=200, deadline=None)
@given(data, replaced_data, replaced_functions)
def test_both_evaluators_agree(base: Any, replaced: Any, functions: Any) -> None:
    replacements = Replacements(replaced, functions)
    compiled = compile_program(PROGRAM, base).replaceable(NAMES)
    world = replaced_world(World(CallContext(0), DOCUMENT, base), replacements)
    outcome = decide(EVALUATOR, PROGRAM, "postgres", world)
    expected = sorted((id_, payload[0]) for id_, _, payload in outcome.held), bool(outcome.errors)
    assert held(compiled, replacements) == expected


@settings(max_examples=50, deadline=None)
@given(data, data)
def test_data_that_is_given_is_like_data_that_is_there(base: Any, other: Any) -> None:
    compiled = compile_program(PROGRAM, base).replaceable(NAMES)
    plain = compile_program(PROGRAM, other).evaluate("postgres", DOCUMENT, CallContext(0))
    expected = sorted((one.info.id, one.payload.reason) for one in plain.held), bool(plain.errors)
    assert held(compiled, Replacements({("people",): other["people"]})) == expected


def test_nothing_replaced_is_the_program_itself() -> None:
    base = {"people": {"entries": {"ana": {"level": 5, "role": "c"}}}}
    compiled = compile_program(PROGRAM, base)
    plain = compiled.evaluate("postgres", DOCUMENT, CallContext(0))
    assert held(compiled.replaceable(NAMES), Replacements()) == (
        sorted((one.info.id, one.payload.reason) for one in plain.held),
        False,
    )
