"""A few seconds of fuzzing with the same inputs every time; `python -m tests.adversity.fuzz` does more of it."""

from __future__ import annotations

import warnings
from random import Random

import pytest

from .fuzz.faults import Faults, WrongAnswer
from .fuzz.mutate import BytesMutator, TextMutator
from .fuzz.plain import fuzz
from .fuzz.targets import Target, make_target

_EXECUTIONS = {
    "parse": 300,
    "compile": 150,
    "evaluate": 100,
    "decide": 60,
    "sql": 1000,
    "wire": 3000,
    "grpc": 1500,
    "explain": 100,
    "query": 600,
}


@pytest.mark.parametrize("name", _EXECUTIONS)
def test_nothing_but_diagnostics_comes_out(name: str) -> None:
    with warnings.catch_warnings(action="ignore"):  # of libraries, about what hostile certificates hold
        campaign = fuzz(make_target(name), seed=20261120, limit_s=120, executions=_EXECUTIONS[name])
    assert campaign.executions == _EXECUTIONS[name]
    assert not campaign.faults.found, "\n".join(map(campaign.faults.report, campaign.faults.found))


def test_a_fault_is_found_and_made_small() -> None:
    def run(data: bytes) -> None:
        if b"needle" in data:
            raise WrongAnswer("found")

    seeds = (b"hay hay hay\nhay needle hay\nhay", b"hay")
    target = Target(seeds, run, lambda data, random: data[random.randrange(8) :])
    campaign = fuzz(target, seed=1, limit_s=60, executions=50)
    assert [data for _, data in campaign.faults.found.values()] == [b"needle"]
    assert list(campaign.faults.counts) == ["WrongAnswer found"]


def test_what_never_ends_is_a_fault() -> None:
    def run(data: bytes) -> None:
        while data:
            pass

    faults = Faults(run, 0.05)
    assert faults.try_one(b"")
    assert not faults.try_one(b"x")
    assert list(faults.counts) == ["TookTooLong in ?"]


def test_mutations_depend_on_the_seed_alone() -> None:
    text = TextMutator(["if", "{"], ["p if { q }"])
    data = BytesMutator([b"abc"])
    assert [text.mutate("a b { c }", Random(7)) for _ in range(2)] == [
        text.mutate("a b { c }", Random(7))
    ] * 2
    assert data.mutate(b"abcd", Random(3)) == data.mutate(b"abcd", Random(3))
