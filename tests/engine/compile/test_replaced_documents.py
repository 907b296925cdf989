"""`with` over whole packages, and worlds inside worlds; the answers are OPA's."""

from __future__ import annotations

from typing import Any

import pytest

from doorward.compile import compile_program
from doorward.run.convert import to_json
from doorward.run.reference import ReferenceProgram
from doorward_dsl import Source, compile_modules, compile_query, parse_module, parse_query

MODULE = """package p

inner.deep.flag if data.flag
r := 1
five if r == 5
inside if five with input as 1
twice if inside with data.p.r as 5
whole := x if x := data.p.inner with data.p.inner as {"ana": 1}
nested if whole.ana == 1 with input as 1
f(x) := r
called := x if x := f(1) with data.p.r as 5
mocked := x if x := f(1) with data.p.r as 5 with data.p.f as g
g(x) := r + 1
"""


@pytest.mark.parametrize(
    ("query", "answer"),
    [
        ('x := data.p.inner with data.p.inner as {"ana": 1}', {"ana": 1}),
        ("x := data.p.inner with data.p.inner as 3", 3),
        ('k := "inner"; x := data.p[k] with data.p.inner as 3', 3),
        ('x := object.keys(data.p) with data.p as {"ana": 1}', ["ana"]),
        ('x := data.p.inner.deep with data.p.inner as {"deep": 7}', 7),
        ("x := data.p.inner with data.flag as true", {"deep": {"flag": True}}),
        ("x := data.p.inner with data.flag as true with data.p.inner.deep as {}", {"deep": {}}),
        ("x := data.p.twice", True),
        ("x := data.p.nested", True),
        ("x := data.p.called", 5),
        ("x := data.p.mocked", 6),
        ("x := data.p.inside", None),
    ],
)
def test_both_evaluators(query: str, answer: Any) -> None:

    program = compile_modules([parse_module(Source("p.rego", MODULE))])
    body = compile_query(parse_query(query), program)
    expected = [] if answer is None else [answer]
    for evaluator in (compile_program(program, {}), ReferenceProgram(program, {})):
        assert [to_json(found["x"]) for found in evaluator.query(body)] == expected
