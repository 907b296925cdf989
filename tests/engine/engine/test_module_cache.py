"""Parsed modules are kept between revisions, and only as long as they are right."""

from __future__ import annotations

import pytest

from doorward import ParseError
from doorward.engine import Engine, ModuleCache, policies_from
from doorward_dsl.source import Source

ONE = Source("one.rego", "package one\n\np := 1\n")
TWO = Source("two.rego", "package two\n\np := 2\n")


def test_what_did_not_change_is_not_parsed_again() -> None:
    cache = ModuleCache()
    first, second = cache.parse([ONE, TWO])
    changed = Source("two.rego", TWO.text + "q := 3\n")
    again, other = cache.parse([Source(ONE.name, ONE.text), changed])
    assert again is first
    assert other is not second


def test_the_same_text_under_another_name_is_another_module() -> None:
    cache = ModuleCache()
    cache.parse([ONE])
    (moved,) = cache.parse([Source("moved.rego", ONE.text)])
    assert moved.rules[0].span.source.name == "moved.rego"


def test_a_broken_file_is_refused_every_time_and_forgets_nothing() -> None:
    cache = ModuleCache()
    (first,) = cache.parse([ONE])
    for _ in range(2):
        with pytest.raises(ParseError):
            cache.parse([ONE, Source("two.rego", "package two\n\np := \n")])
    assert cache.parse([ONE]) == [first]


def test_engines_of_one_cache_answer_for_their_own_revision() -> None:
    cache = ModuleCache()
    values = []
    for number in (1, 2, 1):
        sources = {
            "one.rego": f"package one\n\np := {number}\n",
            "two.rego": "package two\n\nq := data.one.p\n",
        }
        engine = Engine(policies_from(sources), modules=cache)
        values.append(engine.prepare("data.two.q").value())
    assert values == [1, 2, 1]
