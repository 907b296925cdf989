"""Whatever the text, analysis answers: no crash, no exception, no long wait, no vouching for what it did not understand."""

from __future__ import annotations

import subprocess
import sys
import threading
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from doorward.facts.postgres import Catalogue, Settings, SqlFacts, analyse
from doorward.facts.postgres.catalogue import CatalogueDocument, Function, Relation, RelationColumn

DEEP = {
    "brackets": lambda n: "SELECT " + "(" * n + "1" + ")" * n,
    "chain": lambda n: "SELECT " + "+".join(["1"] * n),
    "strings": lambda n: "SELECT " + "||".join(["'a'"] * n),
    "nots": lambda n: "SELECT " + "NOT " * n + "true",
    "signs": lambda n: "SELECT " + "- " * n + "1",
    "casts": lambda n: "SELECT 1" + "::text" * n,
    "indices": lambda n: "SELECT a" + "[1]" * n,
    "unions": lambda n: " UNION ".join(["SELECT 1"] * n),
    "right unions": lambda n: "SELECT 1 UNION (" * n + "SELECT 1" + ")" * n,
    "sub-queries": lambda n: "SELECT * FROM " + "(SELECT * FROM " * n + "t" + ") a" * n,
    "scalar sub-queries": lambda n: "SELECT " + "(SELECT " * n + "1" + ")" * n,
    "cases": lambda n: "SELECT " + "CASE WHEN true THEN " * n + "1" + " END" * n,
    "cases with AND": lambda n: "SELECT " + "CASE WHEN true AND true THEN " * n + "1" + " END" * n,
    "arrays": lambda n: "SELECT " + "ARRAY[" * n + "1" + "]" * n,
    "joins": lambda n: "SELECT * FROM t " + "JOIN t ON true " * n,
    "with": lambda n: "WITH a AS (" * n + "SELECT 1" + ") SELECT 1" * n,
    "and or": lambda n: "SELECT " + " AND (true OR ".join(["true"] * n) + ")" * (n - 1),
    "functions": lambda n: "SELECT " + "lower(" * n + "'a'" + ")" * n,
    "is null": lambda n: "SELECT 1" + " IS NULL" * n,
    "collate": lambda n: "SELECT 'a'" + ' COLLATE "C"' * n,
    "at time zone": lambda n: "SELECT now()" + " AT TIME ZONE 'UTC'" * n,
    "explain": lambda n: "EXPLAIN " * n + "SELECT 1",
}


@pytest.mark.parametrize("shape", DEEP)
def test_depth_never_brings_the_process_down(shape: str, catalogue: Catalogue, settings: Settings) -> None:
    # In a thread, whose stack is no larger than the main one: that is where decisions are made.
    found: list[object] = []

    def run() -> None:
        found.extend(
            analyse(DEEP[shape](n), catalogue, settings).facts for n in (50, 500, 1_990, 5_000, 40_000)
        )

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(60)
    assert len(found) == 5


def test_the_parser_would_not_survive_without_the_bound() -> None:
    text = "SELECT " + "+".join(["1"] * 60_000)
    done = subprocess.run(
        [sys.executable, "-c", f"import pglast; pglast.parse_sql({text!r})"[:200_000]], check=False
    )
    assert done.returncode < 0, "the parser guards its stack now: the bound on depth may be lifted"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("SELECT 1 -- " + "x" * 1_000_000, "longer than"),
        (";".join(["SELECT 1"] * 501), "more than 500 statements"),
        ("SELECT '\ud800'", "not Unicode"),
        ("SELECT " + "+".join(["1"] * 30_000), "nested too deeply"),
    ],
)
def test_bounds(text: str, reason: str, catalogue: Catalogue, settings: Settings) -> None:
    facts = analyse(text, catalogue, settings).facts
    assert reason in facts["opaque_reason"]
    assert not facts["read_only"]


def test_what_stands_behind_a_name_is_bounded_too(catalogue: Catalogue, settings: Settings) -> None:
    deep = "SELECT " + "+".join(["1"] * 60_000)
    session = replace(
        settings, prepared={"p": deep, "q": "EXECUTE q", "r": "SELECT 1; SELECT 2", "s": "SELEC"}
    )
    for name in session.prepared:
        assert analyse(f"EXECUTE {name}", catalogue, session).facts["opaque"]
    function = Function("public", "f", "f", "s", False, 0, 0, "sql", "integer", None, deep)
    forever = Function("public", "g", "f", "s", False, 0, 0, "sql", "integer", None, "SELECT g()")
    view = Relation("public", "v", 1, "v", (RelationColumn("a", 1, "integer"),), (), False, deep)
    document = CatalogueDocument(
        server_version=1, database="d", relations=(view,), functions=(function, forever)
    )
    for text in ("SELECT f()", "SELECT g()", "SELECT * FROM v"):
        assert analyse(text, Catalogue(document, "x"), settings).facts["opaque"]


def test_long_but_flat_text_is_understood(catalogue: Catalogue, settings: Settings) -> None:
    rows = ", ".join(f"({n}, 'note', -1.5::numeric)" for n in range(5_000))
    facts = analyse(f"INSERT INTO orders (id, note, total) VALUES {rows}", catalogue, settings).facts
    assert (facts["opaque_reason"], facts["tables_written"]) == ("", ["orders"])
    ids = " OR ".join(f"id = {n}" for n in range(3_000))
    facts = analyse(f"SELECT ssn FROM customers WHERE {ids}", catalogue, settings).facts
    assert (facts["opaque_reason"], facts["columns_filtered"]) == ("", ["customers.id"])


def test_work_is_bounded(catalogue: Catalogue, settings: Settings) -> None:
    """Each level refers to the one before it twice inside a recursion: the walk would double at each."""
    levels = "SELECT ssn AS a FROM customers"
    for n in range(12):
        grown = f"SELECT a || (SELECT max(a) FROM r{n}) FROM r{n}"
        levels = f"WITH RECURSIVE r{n}(a) AS ({levels} UNION ALL {grown}) SELECT a FROM r{n}"
    assert isinstance(analyse(levels, catalogue, settings).facts["opaque"], bool)


def test_backslashes_where_the_session_reads_them_otherwise(catalogue: Catalogue) -> None:
    session = Settings(standard_conforming_strings=False)
    assert analyse("SELECT 'a\\'; DROP TABLE customers --'", catalogue, session).facts["opaque"]
    assert not analyse("SELECT 'a'", catalogue, session).facts["opaque"]


def test_nothing_is_known_without_a_catalogue(settings: Settings) -> None:
    empty = Catalogue.empty()
    assert analyse("SELECT * FROM customers", empty, settings).facts["opaque"]
    assert analyse("SELECT now()", empty, settings).facts["opaque"]
    assert analyse("DROP TABLE customers", empty, settings).facts["tables_written"] == ["customers"]
    assert analyse("BEGIN", empty, settings).facts["transaction"]


WORDS = st.sampled_from(
    """
    SELECT FROM WHERE customers c ssn , ( ) * . = 'x' 1 AND WITH AS UNION ALL INSERT INTO orders VALUES RETURNING UPDATE
    SET DELETE USING JOIN ON LATERAL ORDER BY GROUP LIMIT ; :: text [ ] || $1 CASE WHEN THEN ELSE END NULL lower COPY TO
    STDOUT EXPLAIN ANALYZE PREPARE p DECLARE CURSOR FOR FETCH CREATE TABLE VIEW DROP ALTER SET ROLE $$ /* */ --
    """.split()  # noqa: SIM905
)


@examples(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.one_of(st.text(), st.lists(WORDS, max_size=25).map(" ".join)))
def test_any_text_gets_an_answer(text: str, catalogue: Catalogue, settings: Settings) -> None:
    analysis = analyse(text, catalogue, settings)
    SqlFacts.model_validate(analysis.facts)
    assert not analysis.facts["opaque_reason"].startswith("the analysis failed")
