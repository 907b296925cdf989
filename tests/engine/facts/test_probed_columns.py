"""Joining on a column is not asking about it, as long as both sides are stored values."""

from __future__ import annotations

import psycopg
import pytest
from tests.engine.facts.conftest import read_catalogue

from doorward.facts.postgres import Catalogue, Settings, analyse

JOINED = [
    "SELECT o.note FROM customers c JOIN orders o ON o.note = c.email AND o.id = c.id",
    "SELECT o.note FROM customers c, orders o WHERE o.note = c.email",
    "SELECT 1 FROM customers c LEFT JOIN (SELECT note AS email FROM orders) o USING (email)",
    "SELECT 1 FROM (SELECT email FROM customers) c NATURAL JOIN (SELECT note AS email FROM orders) o",
    "SELECT (SELECT max(o.id) FROM orders o WHERE o.id = c.id) FROM customers c JOIN orders x ON x.note = c.email",
]
PROBED = [
    "SELECT 1 FROM customers WHERE email = 'a@example.com'",
    "SELECT 1 FROM customers WHERE email = $1",
    "SELECT 1 FROM customers WHERE email LIKE 'a%'",
    "SELECT 1 FROM customers c JOIN orders o ON o.note = upper(c.email)",
    "SELECT 1 FROM customers c JOIN orders o ON o.note < c.email",
    "SELECT 1 FROM customers c JOIN orders o ON o.note = c.email OR o.id = 1",
    "SELECT 1 FROM customers c JOIN (VALUES ('a@example.com')) v(x) ON v.x = c.email",
    "SELECT 1 FROM customers c JOIN (SELECT 'a@example.com' AS email) v USING (email)",
    "SELECT 1 FROM customers c JOIN (SELECT note FROM orders UNION SELECT 'a@example.com') v(x) ON v.x = c.email",
    "SELECT 1 FROM customers c JOIN (SELECT COALESCE(note, 'a@example.com') x FROM orders) v ON v.x = c.email",
    "WITH RECURSIVE r(x) AS (SELECT note FROM orders UNION ALL SELECT 'a' FROM r) SELECT 1 FROM r, customers WHERE email = x",
    "SELECT 1 FROM customers c JOIN pg_catalog.pg_settings s ON s.setting = c.email",
    "SELECT 1 FROM customers c JOIN pg_catalog.pg_stat_activity a ON a.application_name = c.email",
    "SELECT 1 FROM customers c JOIN far_away f ON f.ssn = c.email",
    "SELECT 1 FROM customers c JOIN computed g ON g.last4 = c.email",
    "WITH w AS (INSERT INTO orders (note) VALUES ('guess') RETURNING note) SELECT 1 FROM w JOIN customers c ON c.email = w.note",
    "SELECT id FROM customers ORDER BY email",
    "SELECT count(*) FROM customers GROUP BY email",
    "SELECT email = note FROM customers, orders",
    "SELECT CASE WHEN email > 'm' THEN 1 END FROM customers",
]


def test_the_questions_of_a_view_are_not_the_callers(catalogue: Catalogue, settings: Settings) -> None:
    plain = analyse("SELECT note FROM v_nested", catalogue, settings)
    asking = analyse("SELECT note FROM v_nested WHERE top = 'x'", catalogue, settings)
    assert not plain.probed
    assert "customers.card" in {str(c) for c in asking.probed}
    called = analyse("SELECT ssn_of(5)", catalogue, settings)
    assert "customers.id" in {str(c) for c in called.probed}


@pytest.mark.parametrize("text", JOINED)
def test_joins_do_not_probe(text: str, catalogue: Catalogue, settings: Settings) -> None:
    analysis = analyse(text, catalogue, settings)
    assert analysis.facts["opaque_reason"] == ""
    assert "customers.email" in analysis.facts["columns_filtered"]
    assert "customers.email" in {str(c) for c in analysis.selecting}
    assert "customers.email" not in {str(c) for c in analysis.probed}


def test_a_temporary_table_holds_what_the_caller_put_there(
    connection: psycopg.Connection, settings: Settings
) -> None:
    connection.execute("CREATE TEMP TABLE guesses (guess text)")
    try:
        catalogue = Catalogue.from_json(read_catalogue(connection))
    finally:
        connection.execute("DROP TABLE guesses")
    analysis = analyse("SELECT guess FROM guesses JOIN customers ON email = guess", catalogue, settings)
    assert analysis.facts["opaque_reason"] == ""
    assert "customers.email" in {str(c) for c in analysis.probed}


@pytest.mark.parametrize("text", PROBED)
def test_questions_probe(text: str, catalogue: Catalogue, settings: Settings) -> None:
    analysis = analyse(text, catalogue, settings)
    assert analysis.facts["opaque_reason"] == ""
    assert "customers.email" in analysis.facts["columns_filtered"]
    assert "customers.email" in {str(c) for c in analysis.probed}
