"""Formatting changes nothing but the layout, and a second time not even that: on all modules there are, and generated ones."""

from __future__ import annotations

import os
from random import Random

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from tests.conformance.cases import FOLDER, load_cases
from tests.properties.policies import governing, packages

from doorward_dsl import ParseError, Source, parse_module
from doorward_dsl.format import format_source, print_module
from doorward_dsl.format.same import same_comments, same_module

from .disturb import anchors, disturb
from .statements import ward_files

_IN_CI = 60
_EXAMPLES = int(os.environ.get("DOORWARD_EXAMPLES", _IN_CI))

_settings = settings(
    max_examples=_EXAMPLES,
    derandomize=_EXAMPLES <= _IN_CI,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)
_MODULES = sorted({module for case in load_cases() for module in case.modules})


def _check(text: str, name: str) -> None:
    """The canonical text says what the text says, and is its own canonical text; so does the tree alone."""
    source = Source(name, text)
    module = parse_module(source)
    canonical = Source(name, format_source(source))
    again = parse_module(canonical)
    assert same_module(module, again)
    assert same_comments(module, again)
    assert format_source(canonical) == canonical.text
    printed = parse_module(Source(name, print_module(module)))
    assert same_module(module, printed)


@pytest.mark.skipif(not FOLDER.is_dir(), reason="the conformance cases are not there")
def test_conformance_modules_say_the_same() -> None:
    for text in _MODULES:
        _check(text, "m.rego")


@pytest.mark.skipif(not FOLDER.is_dir(), reason="the conformance cases are not there")
@pytest.mark.parametrize("inside", [False, True], ids=["at-line-ends", "inside-expressions"])
def test_comments_stay_with_what_they_stood_by(inside: bool) -> None:
    random = Random(20261120)  # the same ones each time
    kept = 0
    for text in random.sample(_MODULES, 150):
        disturbed = Source("m.rego", disturb(text, "m.rego", random, inside=inside))
        try:
            before = anchors(disturbed)
        except ParseError:
            continue  # the comment fell into a METADATA block
        _check(disturbed.text, "m.rego")
        assert anchors(Source("m.rego", format_source(disturbed))) == before
        kept += len(before)
    assert kept > 150


@_settings
@given(packages(), st.randoms(use_true_random=False))
def test_generated_rules_say_the_same(text: str, random: Random) -> None:
    _check(disturb(text, "p.rego", random, inside=True), "p.rego")


@_settings
@given(governing(), st.randoms(use_true_random=False))
def test_generated_statements_say_the_same(text: str, random: Random) -> None:
    _check(disturb(text, "p.ward", random, inside=True), "p.ward")


@_settings
@given(ward_files(), st.randoms(use_true_random=False), st.booleans())
def test_ward_files_say_the_same(text: str, random: Random, inside: bool) -> None:
    disturbed = disturb(text, "p.ward", random, inside=inside)
    try:
        parse_module(Source("p.ward", disturbed))
    except ParseError:
        assume(False)
    _check(disturbed, "p.ward")
