"""Sharing an analysis between statements that differ in literals never shows."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from tests.engine.facts.test_lineage_on_a_server import statements

from doorward.facts.postgres import AnalysisCache, Catalogue, Settings, analyse
from doorward.facts.postgres.literals import lifted

CASES = Path(__file__).parent / "cases"
TEXTS = [
    case["sql"]
    for name in ("lineage", "statements", "attacks")
    for case in (lambda loaded: loaded["cases"] if isinstance(loaded, dict) else loaded)(
        yaml.safe_load((CASES / f"{name}.yaml").read_text())
    )
]

SAME = [
    ("SELECT * FROM t WHERE id = 1", "SELECT * FROM t WHERE id = 225"),
    ("SELECT * FROM t WHERE a='x' AND b>1", "SELECT * FROM t WHERE a='it''s; DROP TABLE t' AND b>2"),
    ("SELECT * FROM t WHERE id IN (1, 2) LIMIT 5", "SELECT * FROM t WHERE id IN (7, 8) LIMIT 5"),
    ("INSERT INTO t VALUES (1, 'a')", "INSERT INTO t VALUES (2, 'b')"),
    ("SELECT \"it's\" FROM t WHERE a = 'x'", "SELECT \"it's\" FROM t WHERE a = 'y'"),
]
OTHER = [
    ("SELECT a, b FROM t ORDER BY 1", "SELECT a, b FROM t ORDER BY 2"),
    ("SELECT a, b FROM t ORDER BY a, 1", "SELECT a, b FROM t ORDER BY a, 2"),
    (
        "SELECT a, b FROM t GROUP BY GROUPING SETS ((1), (2))",
        "SELECT a, b FROM t GROUP BY GROUPING SETS ((2), (2))",
    ),
    ("SELECT DISTINCT ON (1) a, b FROM t", "SELECT DISTINCT ON (2) a, b FROM t"),
    ("SELECT a FROM t LIMIT 1", "SELECT a FROM t LIMIT 2"),
    ("SELECT a FROM t LIMIT (1)", "SELECT a FROM t LIMIT (2)"),
    ("SELECT a FROM t FETCH FIRST (1) ROWS ONLY", "SELECT a FROM t FETCH FIRST (2) ROWS ONLY"),
    ("SELECT set_config('jit', 'on', true)", "SELECT set_config('role', 'on', true)"),
    ("SELECT a::varchar(4) FROM t", "SELECT a::varchar(1.5) FROM t"),
    ("SELECT a::varchar(4) FROM t", "SELECT a::varchar(-4) FROM t"),
    ("SELECT a::varchar(4) FROM t", "SELECT a::varchar(99999999999) FROM t"),
    ("SELECT 'a' FROM t1", "SELECT 'a' FROM t2"),
    ("SELECT 'a'::varchar(4)", "SELECT ssn::varchar(4)"),
    ("SET search_path = 'a'", "SET search_path = 'b'"),
    ("SELECT 1 = $1", "SELECT 1 = $2"),
    ("SELECT E'a\\'', 'b'", "SELECT E'a\\'', 'c'"),
    ("SELECT $$a$$, 'x'", "SELECT $$b$$, 'x'"),
    ("SELECT 1 /* ' */ , 'x'", "SELECT 1 /* ' */ , 'y'"),
    ("SELECT 1; SELECT 'a'", "SELECT 1; SELECT 'b'"),
    ("SELECT 'a\0'", "SELECT 'b'"),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_values_do_not_matter(one: str, other: str) -> None:
    assert lifted(one) == lifted(other) is not None


@pytest.mark.parametrize(("one", "other"), OTHER)
def test_what_means_more_than_its_value_is_kept(one: str, other: str) -> None:
    assert lifted(one) is None or lifted(one) != lifted(other)


def other_literals(text: str, string: str, number: str) -> str:
    """The text with other literals in it, whatever else that may make of it."""
    return re.sub(r"\b\d+\b", number, re.sub(r"'[^']*'", string, text))


@pytest.mark.parametrize("text", TEXTS)
def test_an_analysis_that_is_shared_is_the_right_one(
    text: str, catalogue: Catalogue, settings: Settings
) -> None:
    for string, number in (("'x'", "2"), ("'1'", "1"), ("''''", "3"), ("'a'", "1.5")):
        cache = AnalysisCache()
        cache.analyse(text, catalogue, settings)
        other = other_literals(text, string, number)
        assert cache.analyse(other, catalogue, settings) == analyse(other, catalogue, settings)


STRINGS = st.sampled_from(["'x'", "'1'", "''", "'it''s'", "E'x'", "$$x$$", "'; --'"])
NUMBERS = st.sampled_from(["1", "2", "9", "1.5", "99999999999"])


@examples(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(text=statements(), string=STRINGS, number=NUMBERS)
def test_generated_statements_too(
    text: str, string: str, number: str, catalogue: Catalogue, settings: Settings
) -> None:
    cache = AnalysisCache()
    cache.analyse(text, catalogue, settings)
    other = other_literals(text, string, number)
    assert cache.analyse(other, catalogue, settings) == analyse(other, catalogue, settings)
