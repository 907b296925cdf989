"""What fuzzing has found, so that it stays fixed."""

from __future__ import annotations

import math
import struct

import pytest

from doorward import CompileError, Engine, EvaluationError
from doorward_gateway.postgres.values import readable


@pytest.mark.parametrize(
    "rules",
    [
        'p[q] if { q = "a" }\np.l(x) := 2',
        'p[q].r if { q = "a" }\np.l(x) := 2',
        'p[q].r if { q = "a" }\np.l.m(x) := 2',
        'p.a[q] if { q = "a" }\np.a.c.b(x) := 2',
    ],
)
def test_no_function_is_among_the_values_of_an_object(rules: str) -> None:
    with pytest.raises(CompileError, match="conflicts with"):
        Engine.from_sources({"t.rego": f"package t\n\n{rules}\n"})


def test_other_rules_may_stand_among_the_values_of_an_object() -> None:
    engine = Engine.from_sources({"t.rego": 'package t\n\np[q] := 1 if { q = "a" }\n\np.l := 2\n'})
    assert engine.query("x = data.t.p") == [{"x": {"a": 1, "l": 2}}]


@pytest.mark.parametrize(("form", "oid"), [("!f", 700), ("!d", 701)], ids=["real", "double precision"])
def test_what_is_no_number_is_read_as_the_server_writes_it(form: str, oid: int) -> None:
    numbers = [struct.pack(form, number) for number in (math.inf, -math.inf, math.nan)]
    another_nan = b"\x7f\xf8" + bytes(5) + b"\1" if oid == 701 else b"\x7f\xc0\0\1"
    read = [readable(oid, value, binary=True) for value in (*numbers, another_nan)]
    assert read == ["Infinity", "-Infinity", "NaN", "NaN"]


@pytest.mark.parametrize(
    "rule",
    [
        "p := y if { y = input[x][count(x)] }",
        "p := y if { y := input[x][count(x)] }",
        "p := input[x][count(x)]",
        "p := 3 if { input[x][count(x)] == 3 }",
        "p := 3 if { [3, x] = [input[x][count(x)], _] }",
        "p := y if { [y] = [z | z = input[x][count(x)]] }",
    ],
)
def test_what_a_path_has_met_a_call_further_on_may_take(rule: str) -> None:
    engine = Engine.from_sources({"t.rego": f"package t\n\n{rule}\n"})
    assert engine.query("x = data.t.p", {"ab": [1, 2, 3]}) == [{"x": 3}]


@pytest.mark.parametrize("target", ["data[2]", "input[2]", "data.z[true]", "input.a[null]", "data[[1]]"])
def test_what_a_with_replaces_is_a_path_of_strings(target: str) -> None:
    with pytest.raises(CompileError, match="must be a path of constant strings"):
        Engine.from_sources({"t.rego": f"package t\n\np if {{ data.z with {target} as 3 }}\n"}, {"z": 1})


def test_what_a_with_replaces_depends_on_no_variable() -> None:
    with pytest.raises(CompileError, match="var `y` is unsafe") as raised:
        Engine.from_sources({"t.rego": 'package t\n\np if { y := "a"; input with input[y] as 3 }\n'})
    assert raised.value.code == "rego_unsafe_var_error"


def test_an_undefined_head_of_a_statement_is_no_fault_of_the_engine() -> None:
    text = 'package t\n\ngoverns postgres\n\ncredential "" ttl 5m as data.nobody\nallow "x"\n'
    engine = Engine.from_sources({"t.ward": text})
    decision = engine.decide({"action": {"name": "issue_credential"}, "resource": {"kind": "postgres"}})
    assert {error.code for error in decision.errors} == {"eval_type_error"}


def test_an_escape_that_is_none_is_a_mistake_in_a_template() -> None:
    engine = Engine.from_sources({"t.rego": "package t\n\np := strings.render_template(input, {})\n"})
    with pytest.raises(EvaluationError, match="invalid syntax in a quoted string"):
        engine.query("x = data.t.p", '{{"\\x41"}}', strict_builtin_errors=True)


def test_a_schema_within_a_schema_stays_under_our_rules() -> None:
    """`$schema` inside would hand its part to a validator whose patterns may take for ever."""
    engine = Engine.from_sources({"t.rego": "package t\n\np := json.match_schema(input.a, input.b)\n"})
    inner = {"$schema": "http://json-schema.org/draft-07/schema#", "pattern": "^(a+)+$"}
    document = {"a": ["a" * 60 + "!"], "b": {"items": inner}}
    (answer,) = engine.query("data.t.p = [x, _]", document)
    assert answer["x"] is False


def test_an_answer_that_is_too_deep_is_an_error() -> None:
    deep: list[object] = []
    for _ in range(5_000):
        deep = [deep]
    engine = Engine.from_sources({"t.rego": "package t\n\nq := input\n"})
    with pytest.raises(EvaluationError, match="too deep"):
        engine.query("x = data.t.q", deep)
    with pytest.raises(EvaluationError, match="too deep"):
        engine.prepare("data.t.q").value(deep)


@pytest.mark.parametrize("names", ["p[q]", "p[q].a", "p[q][1]"])
def test_a_set_is_not_also_an_object_of_sets(names: str) -> None:
    rules = f'{names} contains r if {{ some q in [""]; r := 1 }}\n\np contains ""'
    with pytest.raises(CompileError, match=r"conflicting rules `data\.t\.p`"):
        Engine.from_sources({"t.rego": f"package t\n\n{rules}\n"})


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("walk([5], [input, x])", []),
        ("walk([5], [data.path, x])", [5]),
        ("[[input, x]] = [data.pair]", []),
        ("walk([5], [_, x])", [[5], 5]),
    ],
)
def test_a_document_in_a_pattern_is_held_against_the_value(body: str, expected: list[object]) -> None:
    engine = Engine.from_sources(
        {"t.rego": f"package t\n\np := [x | {body}]\n"}, {"path": [0], "pair": [1, 2]}
    )
    assert engine.query("x = data.t.p", {"a": 1}) == [{"x": expected}]
