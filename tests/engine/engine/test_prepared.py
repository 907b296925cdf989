"""Prepared queries: compiled once, right for every caller, and never wrong about what a `with` replaces."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from doorward import Engine, EvaluationError, PolicyError

POLICY = """
package p

limits := {"free": 3, "paid": 30}

names := ["b", "a"]

default allow := false

allow if input.count < limits[input.plan]

plan contains name if some name, _ in limits

both := 1 if input.count > 0

both := 2 if input.count > 1

lucky if limits.free == 7
"""


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine.from_sources({"p.rego": POLICY})


@pytest.mark.parametrize(
    ("query", "given", "answers", "value"),
    [
        ("data.p.allow", {"count": 2, "plan": "free"}, [{}], True),
        ("data.p.allow", {"count": 9, "plan": "free"}, [], False),
        ("data.p.plan", {}, [{}], ["free", "paid"]),
        ("data.p.limits.paid", {}, [{}], 30),
        ("data.p.nothing", {}, [], "nothing"),
        ("data.p.names[_]", {}, [{}, {}], "b"),
        ("count(data.p.names) + input.count", {"count": 1}, [{}], 3),
    ],
)
def test_a_term_has_answers_and_a_value(
    engine: Engine, query: str, given: Any, answers: list[Any], value: Any
) -> None:
    prepared = engine.prepare(query)
    assert prepared(given) == answers
    assert prepared.value(given, default="nothing") == value


def test_answers_are_those_of_a_query(engine: Engine) -> None:
    query = "some name; data.p.plan[name]; data.p.limits[name] > input.least"
    assert engine.prepare(query)({"least": 5}) == engine.query(query, {"least": 5}) == [{"name": "paid"}]


def test_a_query_is_compiled_once(engine: Engine) -> None:
    assert engine.prepare("data.p.allow") is engine.prepare("data.p.allow")
    assert engine.prepare("data.p.allow", strict_builtin_errors=True) is not engine.prepare("data.p.allow")


def test_an_engine_keeps_a_bounded_number_of_queries(engine: Engine) -> None:
    assert [engine.query(f"x = {number}")[0]["x"] for number in range(600)] == list(range(600))


def test_what_is_no_term_has_no_value(engine: Engine) -> None:
    with pytest.raises(ValueError, match="`x = 1` is not one term"):
        engine.prepare("x = 1").value()


def test_errors_come_when_asked(engine: Engine) -> None:
    with pytest.raises(PolicyError):
        engine.prepare("data.p.allow[")
    prepared = engine.prepare("data.p.both")
    assert prepared.value({"count": 1}) == 1
    with pytest.raises(EvaluationError, match="multiple outputs"):
        prepared.value({"count": 2})


def test_the_clock_is_that_of_the_call(engine: Engine) -> None:
    assert engine.prepare("time.now_ns()").value(now_ns=7) == 7
    assert engine.prepare("time.now_ns() == time.now_ns()").value() is True


@pytest.mark.parametrize(
    "query",
    [
        "data.p.lucky with data.p.limits as {`free`: 7}",
        "data.p.lucky with data.p as {`lucky`: true}",
        "data.p.limits.free == 7 with data.p.limits as {`free`: 7}",
        "data.p.limits.free == 7 with data as {`p`: {`limits`: {`free`: 7}}}",
        "x := data.p.names; count(x) == 2; count(data.p.names) == 1 with data.p.names as [1]",
    ],
)
def test_a_constant_gives_way_to_with(engine: Engine, query: str) -> None:
    assert len(engine.query(query)) == 1
    assert engine.prepare("data.p.lucky").value() is None


def test_threads_may_share_a_prepared_query(engine: Engine) -> None:
    prepared = engine.prepare("data.p.allow")

    def ask(number: int) -> bool:
        return prepared.value({"count": number % 40, "plan": "paid"}) is (number % 40 < 30)

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(ask, range(4000)))
