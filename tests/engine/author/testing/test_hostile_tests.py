"""Test files that mean harm, or that nobody thought of: an error in bounded time, whatever stands in them."""

from __future__ import annotations

import time

import pytest

from doorward.author.testing import TestRun, run_tests
from doorward.bundle import policies_from
from doorward_dsl import PolicyError

POLICY = 'package p\n\ngoverns postgres\n\nallow "all"\n'
ENDLESS = "count([1 | some a in numbers.range(1, 5000); some b in numbers.range(1, 5000); some c in numbers.range(1, 5000)])"


def run(test: str, policy: str = POLICY) -> TestRun:
    return run_tests(
        policies_from({"p.ward": policy, "p_test.ward": f"package p_test\n\n{test}"}),
        timeout_s=0.3,
        coverage=True,
    )


@pytest.mark.parametrize(
    "test",
    [
        f'test "given" {{\n given principal.id := sprintf("%d", [{ENDLESS}])\n when postgres `select 1`\n expect allow\n}}',
        f'test "condition" {{\n when postgres `select 1`\n expect if {ENDLESS} > 1\n}}',
        f'test "cases" {{\n some x in [{ENDLESS}]\n when postgres `select 1`\n expect allow\n}}',
        f"test_rule if {ENDLESS} > 1",
        f"test_cases[x] if {{\n some x in [1, 2]\n {ENDLESS} == x\n}}",
        f'test "mock" {{\n given data.p.f := g\n when postgres `select 1`\n expect allow\n}}\ng(x) := {ENDLESS}',
    ],
)
def test_what_never_ends(test: str) -> None:
    policy = POLICY + '\nblock "f" if f(1) > 5\n\nf(x) := x\n'
    started = time.monotonic()
    done = run(test, policy)
    assert time.monotonic() - started < 20
    (result,) = done.results
    assert result.outcome in ("failed", "error")
    assert any(
        "eval_budget_error" in f"{f.message} {f.actual}" or "took more than" in f.message
        for f in result.failures
    )


@pytest.mark.parametrize(
    ("test", "outcome", "said"),
    [
        (
            'test "many cases" {\n some x in numbers.range(1, 20000)\n when postgres `select 1`\n expect allow\n}',
            "error",
            "more than 10000",
        ),
        (
            'test "deep" {\n given principal.claims := json.unmarshal(concat("", [repeat("[", 2000), repeat("]", 2000)]))\n'
            ' when postgres `select 1`\n expect allow\n}\nrepeat(s, n) := concat("", [s | some _ in numbers.range(1, n)])',
            "error",
            "",
        ),
        ('test "no string" {\n when postgres `select 1`\n expect allow data.p.number\n}\n', "error", ""),
        (
            'test "schema" {\n given schema := 5\n when postgres `select 1`\n expect allow\n}',
            "error",
            "a schema is SQL",
        ),
        (
            'test "catalogue" {\n given catalogue := {"format": 9}\n when postgres `select 1`\n expect allow\n}',
            "error",
            "the catalogue",
        ),
        (
            'test "request" {\n given request := [1]\n when postgres `select 1`\n expect allow\n}',
            "error",
            "a request is an object",
        ),
        (
            'test "request" {\n given request := {"resource": 3}\n when postgres `select 1`\n expect allow\n}',
            "error",
            "`resource.kind`",
        ),
        (
            'test "no" {\n given request := {"princpal": {}}\n when postgres `select 1`\n expect allow\n}',
            "passed",
            "",
        ),
        ('test "sql" {\n when postgres "\\u0000"\n expect block\n}', "passed", ""),
        (
            'test "nul" {\n given time := 1000000000000000000000000\n when postgres `select 1`\n expect block\n}',
            "error",
            "instant",
        ),
        (
            'test "file" {\n given principal := file("/etc/passwd")\n when postgres `select 1`\n expect block\n}',
            "error",
            "in no folder",
        ),
    ],
)
def test_what_makes_no_sense(test: str, outcome: str, said: str) -> None:
    (result,) = run(test).results
    assert result.outcome == outcome, result.failures
    assert said in " ".join(failure.message for failure in result.failures)


def test_a_tests_own_document_is_out_of_reach() -> None:
    """Policies do not see that they are tested."""
    policy = POLICY + '\nblock "tested" if data["doorward test"]\n'
    (result,) = run(
        'test "a" {\n some x in [1]\n given principal.id := sprintf("%d", [x])\n when postgres `select 1`\n expect allow\n}',
        policy,
    ).results
    assert result.outcome == "passed"


@pytest.mark.parametrize(
    "test",
    [
        'test "a" {\n when postgres `select 1`\n expect allow\n}\n' * 2,
        'test "a" {',
        'test "a" { given := }',
        'test "a" { ' + "when postgres `x`; expect allow; " * 3 + "expect }",
        'given x := 1\ntest "a" { when postgres `x`; expect allow }',
        'test "a" { some x in [1]; some y in [x]; given z := y; when postgres `x`; expect allow }',
        'test "a" { when postgres `x`; expect ' + "(" * 300 + " }",
    ],
)
def test_errors_are_diagnostics(test: str) -> None:
    with pytest.raises(PolicyError) as caught:
        run(test)
    assert all(diagnostic.span.source.name == "p_test.ward" for diagnostic in caught.value.diagnostics)
