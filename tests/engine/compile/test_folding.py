"""What is known of calls when compiling: results that need no call, and patterns that are compiled once."""

from __future__ import annotations

import re

import pytest

from doorward.run.context import CallContext
from doorward.run.errors import BuiltinError, EvaluationError
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


_PATTERNS = [
    'regex.match("^[ab]+/.$", {})',
    'regex.match("é.", {})',
    'regex.match("(", {})',
    'glob.match("a*/?", ["/"], {})',
    'glob.match("a*", null, {})',
    'glob.match("{a,b}*", [], {})',
    'glob.match("a", ["//"], {})',
    'glob.match("[", [], {})',
]
_TEXTS = ["ab/c", "a/b/c", "a.b", "", "éa", "a\ud800", "a" * 300, "ab/" + "c" * 300, 1, None, ["a"], True]


@pytest.mark.parametrize("call", _PATTERNS)
def test_patterns_that_are_known_match_as_others(call: str) -> None:
    """Whether a pattern is part of the policy or of the request, and whatever it is matched with."""
    first = re.findall(r'"[^"]*"', call)[0]
    known = compiled(f"package p\n\nq := {call.replace('{}', 'input.text')}\n")
    given = compiled(
        f"package p\n\nq := {call.replace(first, 'input.first', 1).replace('{}', 'input.text')}\n"
    )
    for text in _TEXTS:
        for strict in (False, True):
            ends = []
            for policy in (known, given):
                try:
                    document = {"text": text, "first": first.strip('"')}
                    ends.append(str(ask(policy, "data.p.q", document, CallContext(strict=strict))))
                except EvaluationError as error:
                    ends.append(error.message)
            assert ends[0] == ends[1], text
