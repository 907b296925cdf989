"""What is known of calls when compiling: results that need no call, and patterns that are compiled once."""

from __future__ import annotations

import pytest

from doorward.run.context import CallContext
from doorward.run.errors import BuiltinError
from doorward.run.reference import ReferenceProgram
from doorward_dsl.compile import compile_query
from doorward_dsl.parse import parse_query

from .compiling import ask, compiled

_FOLDED = [
    'concat("/", ["a", lower("B")])',
    'time.parse_duration_ns("1h")',
    'time.parse_rfc3339_ns("2026-01-01T00:00:00Z") + 24 * 60 * 60',
    'sprintf("%s-%d", ["a", count([1, 2, 3])])',
    'glob.match("team-*", null, "team-a")',
    "numbers.range(3, 1)",
    "union({{1, 2}, {3}})",
    'split("a,b", ",")[1]',
    'units.parse("10K") / 4',
    'json.unmarshal("[1, {}, null]")',
    "time.clock([1700000000000000000, zone])",
]
_NOT = [
    'time.parse_duration_ns("soon")',
    "1 / 0",
    'regex.match("(", "a")',
    "numbers.range(1, 5000)",
    "concat(input.by, [])",
]


@pytest.mark.parametrize("call", _FOLDED)
def test_what_is_known_is_not_called(call: str) -> None:
    policy = compiled(f'package p\n\nzone := "Europe/Berlin"\n\nq := {call}\n')
    query = compile_query(parse_query("x = data.p.q"), policy.program)
    assert ask(policy, "data.p.q") == [one["x"] for one in ReferenceProgram(policy.program, {}).query(query)]
    assert "f_" not in policy.format_python()


@pytest.mark.parametrize("call", _NOT)
def test_what_fails_or_is_large_is_called(call: str) -> None:
    policy = compiled(f"package p\n\nq := {call}\n")
    query = compile_query(parse_query("x = data.p.q"), policy.program)
    assert ask(policy, "data.p.q") == [one["x"] for one in ReferenceProgram(policy.program, {}).query(query)]
    assert "f_" in policy.format_python()


def test_it_fails_where_it_stands_and_when_it_is_reached() -> None:
    policy = compiled('package p\n\nq if {\n\tinput.x\n\ttime.parse_duration_ns("soon") > 1\n}\n')
    assert ask(policy, "data.p.q", {"x": False}, CallContext()) == []
    with pytest.raises(BuiltinError, match=r"p0\.ward:5"):
        ask(policy, "data.p.q", {"x": True}, CallContext())


def test_what_is_replaced_is_called() -> None:
    policy = compiled('package p\n\nq := concat("/", ["a", "b"])\n\nr := x if x := q with concat as "c"\n')
    assert ask(policy, "[data.p.q, data.p.r]") == [["a/b", "c"]]
    unaware = compiled('package p\n\nq := concat("/", ["a", "b"])\n')
    body = compile_query(parse_query('x = data.p.q with concat as "c"'), unaware.program)
    assert unaware.query(body) == [{"x": "c"}]
