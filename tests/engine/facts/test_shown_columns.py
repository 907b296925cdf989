"""Columns that show others are found without any statement that names them; what triggers change is claimed."""

from __future__ import annotations

import orjson
import psycopg
import pytest

from doorward.facts.postgres import Catalogue, Column, Settings, analyse, shown_columns


def shown(catalogue: Catalogue) -> dict[str, set[str]]:
    return {
        str(column): {str(other) for other in others} for column, others in shown_columns(catalogue).items()
    }


def test_views_show_what_stands_behind_them(catalogue: Catalogue) -> None:
    found = shown(catalogue)
    assert found["v_customers.number"] == {"customers.ssn"}
    assert found["v_customers.mail"] == {"customers.email"}
    assert found["v_nested.number"] == {"v_customers.number", "customers.ssn"}
    assert found["m_customers.ssn"] == {"customers.ssn"}
    assert not [name for name in found if name.startswith(("customers.", "pg_catalog."))]


def test_generated_columns_show_what_they_are_computed_from(catalogue: Catalogue) -> None:
    found = shown(catalogue)
    assert found["computed.last4"] == {"computed.ssn"}
    assert found["v_computed.shown"] == {"computed.last4", "computed.ssn"}
    assert "computed.one" not in found
    # Its expression calls code that is not analysed: it may show anything.
    assert {"customers.ssn", "orders.note"} <= found["computed.coded"]


def test_what_cannot_be_told_shows_everything() -> None:
    view = ["public", "v", 2, "v", [["x", 1, "text"]], [], False, "SELECT nothing FROM public.nowhere"]
    table = ["public", "t", 1, "r", [["a", 1, "text"]]]
    catalogue = Catalogue.from_json(
        orjson.dumps({"server_version": 1, "database": "d", "relations": [view, table], "functions": []})
    )
    assert shown(catalogue) == {"v.x": {"t.a", "v.x"}}


@pytest.mark.parametrize(
    "text",
    [
        "INSERT INTO triggered (id, secret) VALUES (1, 'hidden') RETURNING id, note",
        "UPDATE triggered SET id = 2 RETURNING id, note",
        "UPDATE v_triggered SET id = 3 RETURNING id, note",
        "WITH w AS (UPDATE triggered SET id = 4 RETURNING *) SELECT id, note FROM w",
        "MERGE INTO triggered t USING (SELECT 4 AS id) s ON t.id = s.id WHEN MATCHED THEN UPDATE SET id = 5 RETURNING t.id, note",
    ],
)
def test_returning_gives_what_a_trigger_put_there(
    text: str, connection: psycopg.Connection, catalogue: Catalogue, settings: Settings
) -> None:
    connection.execute("BEGIN")
    try:
        connection.execute("INSERT INTO triggered (id, secret) VALUES (4, 'hidden')")
        rows = connection.execute(text.encode()).fetchall()
    finally:
        connection.execute("ROLLBACK")
    assert {row[1] for row in rows} == {"hidden"}
    analysis = analyse(text, catalogue, settings)
    assert analysis.facts["opaque_reason"] == ""
    (outputs,) = analysis.outputs
    assert {"triggered.secret"} <= {str(column) for column in outputs[1].derived}


def test_reading_a_table_with_triggers_gives_what_is_stored(catalogue: Catalogue, settings: Settings) -> None:
    (outputs,) = analyse("SELECT note FROM triggered", catalogue, settings).outputs
    assert ([str(c) for c in outputs[0].direct], outputs[0].derived) == (["triggered.note"], frozenset())
    assert all(isinstance(column, Column) for column in outputs[0].direct)
