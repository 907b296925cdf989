"""Rego's own tests: what passes, what fails, which cases there are."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from doorward.author.testing import TestResult, run_tests
from doorward.bundle import policies_from

MODULE = """package p_test

import data.p

test_holds if p.double(2) == 4
test_fails if {
	x := p.double(2)
	x == 5
}
test_text := "true"
test_object := {"a": true}
test_undefined_builtin if to_number("a") == 1
todo_test_later if false
test_twice if 1 == 2
test_twice if 1 == 1
test_chain if {
	1 == 2
} else if {
	2 == 2
}
inner.test_below if 1 == 2
test_cases[name] if {
	some name, case in {"one": {"x": 1, "y": 2}, "two": {"x": 2, "y": 5}}
	p.double(case.x) == case.y
}
test_numbers[n] if {
	some n, x in [1, 2]
	x == 1
}
test_nested[a][b] if {
	some a in ["x", "y"]
	some b in ["p", "q"]
	concat("", [a, b]) != "yq"
}
test_computed[sprintf("case %d", [x])] if {
	some x in [1, 2]
	x == 2
}
test_values[name] := value if some name, value in {"a": true, "b": false, "c": 3}
test_constant["a"] if 1 == 2
test_any[name] if {
	some name in ["a"]
	some x in [1, 2]
	x == 2
}
test_none[name] if {
	some name, _ in object.filter({"a": 1}, [])
}
test_set contains name if some name in ["a", "b"]
test_clock if time.now_ns() == time.parse_rfc3339_ns("2026-01-05T12:00:00Z")
test_random if rand.intn("x", 1000000) == rand.intn("x", 1000000)
test_with if p.who == "me" with input.user as "me" with p.double as 3
"""
POLICY = "package p\n\ndouble(x) := x * 2\n\nwho := input.user\n"

EXPECTED = {
    "data.p_test.test_holds": "passed",
    "data.p_test.test_fails": "failed",
    "data.p_test.test_text": "failed",
    "data.p_test.test_object": "failed",
    "data.p_test.test_undefined_builtin": "failed",
    "data.p_test.todo_test_later": "skipped",
    "data.p_test.test_twice": "failed",
    "data.p_test.test_twice#01": "passed",
    "data.p_test.test_chain": "passed",
    "data.p_test.inner.test_below": "failed",
    "data.p_test.test_cases [one]": "passed",
    "data.p_test.test_cases [two]": "failed",
    "data.p_test.test_numbers [0]": "passed",
    "data.p_test.test_numbers [1]": "failed",
    "data.p_test.test_nested [x/p]": "passed",
    "data.p_test.test_nested [x/q]": "passed",
    "data.p_test.test_nested [y/p]": "passed",
    "data.p_test.test_nested [y/q]": "failed",
    "data.p_test.test_computed [case 1]": "failed",
    "data.p_test.test_computed [case 2]": "passed",
    "data.p_test.test_values [a]": "passed",
    "data.p_test.test_values [b]": "failed",
    "data.p_test.test_values [c]": "failed",
    "data.p_test.test_constant [a]": "failed",
    "data.p_test.test_any [a]": "passed",
    "data.p_test.test_none": "passed",
    "data.p_test.test_set": "failed",
    "data.p_test.test_clock": "passed",
    "data.p_test.test_random": "passed",
    "data.p_test.test_with": "passed",
}


@pytest.fixture(scope="module")
def results() -> dict[str, TestResult]:
    found = run_tests(policies_from({"p.rego": POLICY, "p_test.rego": MODULE})).results
    return {result.id: result for result in found}


def test_outcomes(results: dict[str, TestResult]) -> None:
    assert {name: result.outcome for name, result in results.items()} == EXPECTED


def test_results_are_in_the_order_of_the_file(results: dict[str, TestResult]) -> None:
    assert list(results) == list(EXPECTED)


def test_a_failure_names_the_line_and_its_values(results: dict[str, TestResult]) -> None:
    (failure,) = results["data.p_test.test_fails"].failures
    assert (failure.source, str(failure.place), failure.values) == (
        "x == 5",
        "p_test.rego:8:2",
        (("x", "4"),),
    )
    (failure,) = results["data.p_test.test_cases [two]"].failures
    assert failure.source == "p.double(case.x) == case.y"
    assert dict(failure.values) == {
        "p.double(case.x)": "4",
        "case.x": "2",
        "case": '{"x": 2, "y": 5}',
        "case.y": "5",
    }
    (failure,) = results["data.p_test.test_text"].failures
    assert (failure.expected, failure.actual) == ("true", '"true"')


def test_an_evaluation_error_is_an_error() -> None:
    module = "package p_test\n\ntest_x if a == 1\n\na := 1\n\na := 2 if true\n"
    (result,) = run_tests(policies_from({"p_test.rego": module})).results
    assert result.outcome == "error"
    assert "eval_conflict_error" in result.failures[0].message


@pytest.mark.skipif(shutil.which("opa") is None, reason="the opa command is not installed")
def test_opa_agrees(results: dict[str, TestResult], tmp_path: Path) -> None:
    (tmp_path / "p.rego").write_text(POLICY)
    module = "\n".join(line for line in MODULE.splitlines() if "test_clock" not in line)
    (tmp_path / "p_test.rego").write_text(module)
    ran = subprocess.run(
        ["opa", "test", str(tmp_path), "--format", "json"], capture_output=True, text=True, timeout=60
    )
    passed: dict[str, bool] = {}
    for result in json.loads(ran.stdout):
        name = f"{result['package']}.{result['name']}"
        passed[name] = not result.get("fail") and not result.get("skip")
    ours: dict[str, bool] = {}
    for result in results.values():
        name = result.test.id
        if not name.endswith("test_clock"):
            ours[name] = ours.get(name, True) and result.outcome == "passed"
    assert {name.replace("inner.", ""): holds for name, holds in ours.items()} == {
        name.replace("inner.", ""): holds for name, holds in passed.items()
    }
