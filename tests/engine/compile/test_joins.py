"""Loops that look for equal members: what they are worth, when an index is made, and for how long it is kept."""

from __future__ import annotations

from typing import Any

import pytest

from doorward.compile import Compiled
from doorward.run.budget import Limits
from doorward.run.context import CallContext
from doorward.run.errors import BudgetExceeded, ConflictError
from doorward.run.joins import FEW
from doorward.run.reference import ReferenceProgram
from doorward_dsl.compile import compile_query
from doorward_dsl.parse import parse_query

from .compiling import ask, compiled

_KEYS = [1, "a", True, 1.0, None, "b", 0, False, "a", 1.5]
_ROWS = [{"k": _KEYS[at % len(_KEYS)], "n": at, "odd": at % 2 == 1} for at in range(80)]
_MAP = {f"m{at * 7 % 80:02}": row for at, row in enumerate(_ROWS)}
_OTHER = [{"k": row["k"], "n": -row["n"]} for row in reversed(_ROWS)]
_DATA = {"rows": _ROWS, "map": _MAP, "tenants": {"t": _ROWS, "u": _OTHER}}
_INPUT = {"rows": _OTHER, "map": {name: {"k": row["n"] % 3} for name, row in _MAP.items()}, "me": "a"}

_HELPERS = """
clash(v) := 1 if v != "b"

clash(v) := 2 if v == 1.5

of(x) := [y.n | some y in input.rows; y.k == x.k]

small := [y | some y in data.rows; y.n < 3]
"""


def _both(
    rules: str, document: Any = _INPUT, data: dict[str, Any] = _DATA
) -> tuple[Compiled, list[Any], list[Any]]:
    """The policy, and `data.p.q` as often as it takes an index to be used, beside the reference's answer."""
    policy = compiled(f"package p\n{_HELPERS}\n{rules}\n", data=data)
    reference = ReferenceProgram(policy.program, data)
    query = compile_query(parse_query("x = data.p.q"), policy.program)
    wanted = [answer["x"] for answer in reference.query(query, document)]
    found = [ask(policy, "data.p.q", document) for _ in range(4)]
    assert all(one == found[0] for one in found)
    return policy, found[0], wanted


@pytest.mark.parametrize(
    "rules",
    [
        "q := [[x.n, y.n] | some x in input.rows; some y in data.rows; y.k == x.k]",
        "q := [[x.n, y.n] | some x in input.rows; some y in data.map; x.k = y.k]",
        "q := [[x.n, k, y.n] | some x in input.rows; some k, y in data.map; y.k == x.k; y.odd]",
        "q := [[i, j] | input.rows[i].k == data.rows[j].k]",
        "q := [[x.n, y.n] | some x in input.rows; some y in data.rows; y.odd; y.k == x.k; y.n == -x.n]",
        'q := {y.n | some _ in input.rows; some y in data.rows; y.k == "a"}',
        "q := [[x.n, c] | some x in input.rows; c := [y.n | some y in data.rows; y.k == x.k]]",
        "q := [[x.n, c] | some x in input.rows; c := {y.n: y.k | y := data.map[_]; [y.k, true] = [x.k, y.odd]}]",
        # what a comprehension depends on besides what it looks for
        "q := [[x.n, c] | some x in input.rows; c := [(y.n - x.n) | some y in data.rows; y.k == x.k]]",
        "q := [c | some z in [1, 2]; some x in input.rows; c := [(y.n * z) | some y in data.rows; y.k == x.k]]",
        # the same rows by several keys, and in other orders
        "q := [a | some x in input.rows; a := [[y.n | some y in data.rows; y.k == x.k], _at(x)]]\n\n"
        "_at(x) := [y.k | some y in data.rows; y.n == x.n]",
        "q := [[c, _at(x)] | some x in input.rows; c := {y.n | some y in data.map; y.k == x.k}]\n\n"
        "_at(x) := [y.n | some y in data.map; y.k == x.k]",
        # conditions of other kinds
        "q := [x.n | some x in input.rows; not _has(x)]\n\n_has(x) if { some y in data.rows; y.k == x.k; y.n == 3 }",
        "q if every x in input.rows { some y in data.rows; y.k == x.k }",
        "q := [x.n | some x in input.rows; count(of(x)) > 3]",
        "q := [[x.n, y.n] | some x in small; some y in small; x.k == y.k]",
        "q := [[x, y] | ks := [r.k | some r in data.rows]; some x in [1, true, {}, [1]]; some y in ks; x == y]",
        # other worlds
        "q := [[of(x), b] | some x in data.rows; b := of(x) with input.rows as data.rows]",
        "q := [c | some t in data.tenants; c := _sums with data.rows as t]\n\n"
        "_sums := [(x.n + y.n) | some x in data.rows; some y in data.rows; y.k == x.k]",
        "q := [y.n | some t in data.tenants; r := data.rows with data.rows as t; some x in small; some y in r; y.k == x.k]",
        "q := [c | some t in data.tenants; c := [of(x) | some x in small] with input.rows as t]",
        "q := [c | r := data.rows; some _ in [1, 2]; some t in data.tenants; some x in small;"
        " c := [second | some y in r; y.k == x.k] with data.rows as t]\n\n"
        "second := data.rows[1].n",
    ],
)
def test_as_the_reference(rules: str) -> None:
    policy, found, wanted = _both(rules)
    assert found == wanted
    assert "h_joined" in policy.format_python()


@pytest.mark.parametrize(
    "rules",
    [
        "q := [[x.n, c] | some x in small; c := [y.n | some y in data.rows; y.k == x.k] with data.rows as input.rows]",
        "q := [c | some t in data.tenants; some x in small; c := {y.n | some y in data.rows; y.k == x.k} with data.rows as t]",
        "q := [c | some t in [1]; some x in small; c := [r.n | some y in data.rows; r := y; r.n > t; to_number(y.n) == x.n]]",
    ],
)
def test_what_is_not_joined(rules: str) -> None:
    """What is read inside of a `with` may be another collection each time; what may fail comes before the condition."""
    policy, found, wanted = _both(rules)
    assert found == wanted
    assert "h_joined" not in policy.format_python()


def test_what_cannot_be_looked_up_is_gone_through() -> None:
    odd: list[Any] = [[1], {"a": 1}, 1 << 70, 2.0]
    data = {"rows": [{"k": odd[at % 4], "n": at} for at in range(30)]}
    _, found, wanted = _both(
        "q := [[x, y.n] | some x in input; some y in data.rows; y.k == x]", [*odd, 2, "a"], data
    )
    assert found == wanted
    assert len(found[0]) == 15 + 15 + 7


def test_members_fail_before_the_condition_as_ever() -> None:
    """A conflict in what stands before the condition is met for members that the condition would leave out."""
    before, condition = "clash(y.k); y.k == x.k", "y.k == x.k; clash(y.k)"
    rules = f'q := [y.n | some x in input.rows; x.k == "a"; some y in data.rows; {before}]'
    policy = compiled(f"package p\n{_HELPERS}\n{rules}\n", data=_DATA)
    after = compiled(f"package p\n{_HELPERS}\n{rules.replace(before, condition)}\n", data=_DATA)
    for _ in range(4):
        with pytest.raises(ConflictError):
            ask(policy, "data.p.q", _INPUT)
        assert len(ask(after, "data.p.q", _INPUT)[0]) == 16 * 16


def test_indexes_of_data_stay_and_those_of_requests_go() -> None:
    policy = compiled(
        "package p\n\nq := [y.n | some y in data.rows; y.k == input.me]\n\n"
        "r := [y.n | some x in data.rows; some y in input.rows; y.k == x.k]\n\n"
        "s := found if { found := q with data.rows as input.rows }\n",
        data=_DATA,
    )
    for _ in range(4):
        assert [len(found) for found in ask(policy, "data.p.q", _INPUT)] == [16]
        ask(policy, "data.p.r", _INPUT)
        ask(policy, "data.p.s", _INPUT)
    (index,) = policy.indexes.values()
    assert index.source is policy.data["rows"]


def test_what_is_gone_through_once_is_not_indexed() -> None:
    policy = compiled("package p\n\nq := [y.n | some y in data.rows; y.k == 1]\n", data=_DATA)
    ask(policy, "data.p.q")
    (index,) = policy.indexes.values()
    assert index.buckets is None


def test_plan_and_python_name_the_join() -> None:
    policy = compiled(
        "package p\n\nq contains c if { some x in input.xs; c := {y.n | some y in data.rows; y.a.b == x.k; y[0] == x.l} }\n"
    )
    plan = policy.format_plan()
    assert "join where member.a.b is v" in plan
    assert "and member.0 is v" in plan
    assert "by an index that stays with the data" in plan
    assert "is kept by v" in plan
    assert "(('a', 'b'), (0,)), True" in policy.format_python()


def test_an_index_is_paid_for() -> None:
    rows = [{"k": at} for at in range(1000)]
    policy = compiled("package p\n\nq := count([1 | some x in input; some y in input; y.k == x.k])\n")

    def asked(steps: int) -> Any:
        return ask(policy, "data.p.q", rows, CallContext(limits=Limits(steps, 30_000), strict=False))

    # once for the loop around it, twice before there is an index, twice to make it, and two for each that is looked up
    assert asked(7_100) == [1000]
    with pytest.raises(BudgetExceeded):
        asked(6_900)


def test_temporary_collections_are_forgotten() -> None:
    """An evaluation does not keep each collection that it made and went through."""
    policy = compiled(
        'package p\n\nq := count([1 | some a in numbers.range(1, 300); xs := [{"k": b, "a": a} | some b in numbers.range(1, 20)];'
        " some x in [3, 4, 5, 6]; some y in xs; y.k == x])\n"
    )
    call = CallContext(strict=False)
    assert ask(policy, "data.p.q", call=call) == [1200]
    kept = [one for one in call.cache.values() if isinstance(one, dict)]
    assert 32 < max(map(len, kept)) <= 64


@pytest.mark.parametrize("size", [FEW - 1, FEW, FEW + 1])
def test_around_the_size_that_pays(size: int) -> None:
    rows = [{"k": at % 5, "n": at} for at in range(size)]
    _, found, wanted = _both("q := [[x.n, y.n] | some x in input; some y in input; y.k == x.k]", rows)
    assert found == wanted
