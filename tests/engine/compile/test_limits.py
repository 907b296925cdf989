"""Hostile policies and requests end in an error, soon."""

from __future__ import annotations

import threading

import pytest

from doorward.run.budget import Limits
from doorward.run.context import CallContext
from doorward.run.errors import BudgetExceeded
from doorward.run.values import Value

from .compiling import ask, compiled


def _few(steps: int = 20_000, wall_ms: int = 30_000) -> CallContext:
    return CallContext(limits=Limits(steps, wall_ms), strict=False)


@pytest.mark.parametrize(
    "rules",
    [
        "q contains [a, b, c] if { some a in input; some b in input; some c in input }",
        "q := [1 | input[_]; input[_]; input[_]]",
        "q := {[x, y]: 1 | some x in input; some y in input; some _ in input; y != x}",
        "q if every a in input { every b in input { some c in input; c != a + b + 1000 } }",
        "q if { some a in input; some b in input; some c in input; a + b + c == 1000 }",
        "q := count([1 | walk(input, _); walk(input, _); walk(input, _)])",
    ],
)
def test_nested_loops_use_up_the_steps(rules: str) -> None:
    policy = compiled(f"package p\n\n{rules}\n")
    with pytest.raises(BudgetExceeded, match="steps"):
        ask(policy, "data.p.q", list(range(60)), _few())


def test_doubling_calls_use_up_the_steps() -> None:
    levels = "\n".join(f"f{n}(x) := f{n + 1}(x) + f{n + 1}(x)" for n in range(60))
    policy = compiled(f"package p\n\n{levels}\n\nf60(x) := x\n\nq := f0(1)\n")
    with pytest.raises(BudgetExceeded, match="steps"):
        ask(policy, "data.p.q", call=_few())


def test_time_is_up() -> None:
    policy = compiled(
        "package p\n\nq := count([1 | some a in input; some b in input; some c in input; a+b+c == 7])\n"
    )
    with pytest.raises(BudgetExceeded, match="ms"):
        ask(policy, "data.p.q", list(range(400)), _few(steps=10**9, wall_ms=50))


def test_long_chains_of_rules_go_too_deep() -> None:
    rules = "\n".join(f"r{n} := r{n + 1}" for n in range(3000))
    policy = compiled(f"package p\n\n{rules}\n\nr3000 := 1\n")
    with pytest.raises(BudgetExceeded, match="deep"):
        ask(policy, "data.p.r0")
    assert ask(policy, "data.p.r2999") == [1]


def test_an_exhausted_decision_is_an_error_of_the_whole() -> None:
    policy = compiled(
        "package p\n\ngoverns postgres\n\n"
        "allow if true\n"
        "block if count([1 | some a in input; some b in input; some c in input]) == 0\n"
        "block if true\n"
    )
    findings = policy.evaluate("postgres", list(range(60)), _few())
    (failed,) = findings.errors
    assert failed.info is None
    assert isinstance(failed.error, BudgetExceeded)


@pytest.mark.parametrize("depth", [1, 10, 13, 25, 40])
def test_many_loops_inside_one_another(depth: int) -> None:
    loops = "; ".join(f"some x{n} in [{n}]" for n in range(depth))
    total = " + ".join(f"x{n}" for n in range(depth))
    policy = compiled(
        f"package p\n\nq := t if {{ {loops}; t := {total} }}\n\nr if {{ {loops}; x0 == 0 }}\n\n"
        f"s := [t | {loops}; t := {total}]\n\nn if {{ not _n }}\n\n_n if {{ {loops}; x0 == 1 }}\n\n"
        f"e if every y in [{total.replace('x', '')}] {{ {loops}; y == {total} }}\n"
    )
    wanted = sum(range(depth))
    assert ask(policy, "[data.p.q, data.p.r, data.p.s, data.p.n, data.p.e]") == [
        [wanted, True, [wanted], True, True]
    ]


@pytest.mark.parametrize("depth", [30])
def test_many_comprehensions_inside_one_another(depth: int) -> None:
    term = "1"
    for n in range(depth):
        term = f"[y{n} | y{n} := {term}]"
    policy = compiled(f"package p\n\nq := {term}\n")
    value: Value = ask(policy, "data.p.q")[0]
    for _ in range(depth):
        (value,) = value
    assert value == 1


def test_threads_share_a_policy_and_nothing_else() -> None:
    policy = compiled(
        "package p\n\ngoverns postgres\n\n"
        "mine := input.id\n\n"
        'allow $"{mine}" if { some x in input.all; x == mine }\n'
    )
    wrong: list[object] = []

    def decide(number: int) -> None:
        document = {"id": f"u{number}", "all": [f"u{n}" for n in range(8)]}
        for _ in range(500):
            held = policy.evaluate("postgres", document, CallContext()).held
            if [one.payload.reason for one in held] != [f"u{number}"]:
                wrong.append(held)

    threads = [threading.Thread(target=decide, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
