"""Rules that are another name for a place of the input are read in place, as long as they are no more than that."""

from __future__ import annotations

from typing import Any

import pytest

from doorward.compile import CallContext, compile_program
from doorward_dsl import Source, parse_module
from doorward_dsl.compile import Compiler

from .compiling import ask, compiled

_RULES = "package p\n\ngoverns postgres\n\nblock if mine\n\nme := input.user.id\n\nmine if me == input.owner\n\nname := me.name\n"


@pytest.mark.parametrize(
    ("query", "document", "worth"),
    [
        ("data.p.mine", {"user": {"id": 1}, "owner": 1}, [True]),
        ("data.p.mine", {"user": {"id": 1}, "owner": 2}, []),
        ("data.p.mine", {"owner": 2}, []),
        ("data.p.name", {"user": {"id": {"name": "a"}}}, ["a"]),
        ("data.p.me", {"user": {"id": "x"}}, ["x"]),
        ("data.p", {"user": {"id": 1}, "owner": 1}, [{"me": 1, "mine": True}]),
        ("[v | v := data.p.mine with data.p.me as 3]", {"user": {"id": 1}, "owner": 3}, [[True]]),
        ("[v | v := data.p.mine with input.user.id as 3]", {"user": {"id": 1}, "owner": 3}, [[True]]),
        ("[v | v := data.p.mine with input as {}]", {"user": {"id": 1}, "owner": 1}, [[]]),
    ],
)
def test_worth_the_same_in_every_world(query: str, document: Any, worth: list[Any]) -> None:
    assert ask(compiled(_RULES), query, document) == worth


def test_read_in_place() -> None:
    policy = compiled("package p\n\nme := input.user\n\nq if { some g in data.grants; g.user == me }\n")
    assert "join where member.user is v" in policy.format_plan()
    assert "data_p_me(c)" not in policy.format_python().replace("def data_p_me(c)", "")


def test_readers_follow_from_revision_to_revision() -> None:
    """What a rule is another name for is written into those who read it, and so is that it is none any more."""
    reader = parse_module(
        Source("p.ward", 'package p\n\ngoverns postgres\n\nblock "mine" if data.q.me == "a"\n')
    )
    compiler = Compiler()
    earlier = None
    for me, held in (
        ("input.x", 1),
        ("input.y", 0),
        ('"a"', 1),
        ("lower(input.z)", 1),
        ("input.x", 1),
        ("input", 0),
    ):
        modules = [reader, parse_module(Source("q.rego", f"package q\n\nme := {me}\n"))]
        made = compile_program(compiler.compile(modules), {}, earlier=earlier)
        earlier = made.code
        findings = made.evaluate("postgres", {"x": "a", "y": "b", "z": "A"}, CallContext(now_ns=0))
        assert len(findings.held) == held, me
