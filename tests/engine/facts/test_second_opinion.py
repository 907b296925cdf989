"""Two parsers read each statement: they agree on everything real, and a mistake planted in one of them shows."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from tests.engine.facts.test_hostile_text import DEEP
from tests.engine.facts.test_lineage_on_a_server import statements

from doorward.facts.postgres import Catalogue, OutputColumn, Settings, analyse
from doorward.facts.postgres.changes import Changes
from doorward.facts.postgres.context import Context
from doorward.facts.postgres.expressions import Expressions
from doorward.facts.postgres.second_opinion import MAX_LENGTH, disagreement
from doorward.facts.postgres.second_reading import readings
from doorward.facts.postgres.sources import Sources
from doorward.facts.postgres.statements import Statement, Walked

CASES = Path(__file__).parent / "cases"
TEXTS: list[str] = [
    case["sql"]
    for name in ("statements", "attacks", "lineage")
    for found in [yaml.safe_load((CASES / f"{name}.yaml").read_text())]
    for case in (found["cases"] if isinstance(found, dict) else found)
]
PGBENCH = [
    "BEGIN;",
    "UPDATE orders SET total = total + -4711 WHERE id = 7;",
    "SELECT total FROM orders WHERE id = 7;",
    "INSERT INTO orders (id, customer_id, total, note) VALUES (1, 2, -3, CURRENT_TIMESTAMP::text);",
    "END;",
    "vacuum orders",
    "truncate orders",
    "select count(*) from orders",
    "select o.n, p.partstrat, pg_catalog.count(i.inhparent) from pg_catalog.pg_class as c "
    "join pg_catalog.pg_namespace as n on (n.oid = c.relnamespace) "
    "cross join lateral (select pg_catalog.array_position(pg_catalog.current_schemas(true), n.nspname)) as o(n) "
    "left join pg_catalog.pg_partitioned_table as p on (p.partrelid = c.oid) "
    "left join pg_catalog.pg_inherits as i on (c.oid = i.inhparent) "
    "where c.relname = 'orders' and o.n is not null group by 1, 2 order by 1 asc limit 1",
]

MISLEADING = [
    # the other parser takes the columns of the table for those of its alias
    "SELECT ssn FROM customers AS t(a, ssn, b, c, d)",
    # and does not know what `*` stands for after USING inside brackets
    "SELECT * FROM (parts AS c LEFT JOIN customers AS t2 FULL JOIN hr.people AS t3 USING (id) ON 1 = t3.id)",
    # an alias hides the name that WITH gives, for sub-queries as well
    "WITH c(b) AS (SELECT card FROM customers) SELECT (SELECT c.b FROM orders LIMIT 1) FROM (VALUES (1)) AS c(b)",
    "SELECT a[1], (a)[1:2] FROM (SELECT ARRAY[ssn] AS a FROM customers) x",
]
"""Found by generated queries: what the other parser gets wrong must not make a statement opaque."""


def reason(text: str, catalogue: Catalogue, settings: Settings) -> str:
    return str(analyse(text, catalogue, settings).facts["opaque_reason"])


@pytest.mark.parametrize("text", [*TEXTS, *PGBENCH, *MISLEADING])
def test_real_statements_are_read_alike(text: str, catalogue: Catalogue, settings: Settings) -> None:
    assert "two readings" not in reason(text, catalogue, settings)


def test_most_statements_are_read_twice() -> None:
    """Where the other parser gives up, it is of no use: mostly on what neither reads nor changes rows."""
    beyond = [text for text in TEXTS if None in (readings(text) or [None])]
    assert len(beyond) < len(TEXTS) * 0.23
    plain = ("SELECT", "INSERT", "UPDATE", "DELETE", "WITH", "MERGE")
    # What neither parser takes is no loss.
    broken = ("SELECT 1; DROP", "SELECT 'unterminated", "SELECT /* open")
    assert len([text for text in beyond if text.startswith(plain) and text not in broken]) < 8


@examples(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(text=statements())
def test_generated_queries_are_read_alike(text: str, catalogue: Catalogue, settings: Settings) -> None:
    assert "two readings" not in reason(text, catalogue, settings)


def loses(owner: type, method: str, change: Callable[..., None]) -> Callable[[pytest.MonkeyPatch], None]:
    """Plants a fault: what `method` has found is changed behind its back."""
    sound = getattr(owner, method)

    def faulty(self: Any, *arguments: Any, **named: Any) -> Any:
        answer = sound(self, *arguments, **named)
        changed = change(self, answer, *arguments)
        return answer if changed is None else changed

    return lambda patch: patch.setattr(owner, method, faulty)


def forget_relation(self: Sources, answer: Any, *_: Any) -> None:
    self._context.findings.read.discard("customers")


def forget_outputs(self: Statement, answer: Walked, *_: Any) -> Walked:
    return replace(answer, outputs=tuple(OutputColumn(item.name) for item in answer.outputs))


def forget_an_output(self: Statement, answer: Walked, *_: Any) -> Walked:
    return replace(answer, outputs=answer.outputs[1:])


def forget_function(self: Expressions, answer: Any, *_: Any) -> None:
    self._context.findings.functions.discard("lower")


def forget_mentioned_function(self: Expressions, answer: Any, *_: Any) -> None:
    self._context.mentions.functions.discard("lower")


def forget_column(self: Context, answer: Any, *_: Any) -> None:
    self.mentions.columns.discard("ssn")


def forget_change(self: Changes, answer: Any, *_: Any) -> None:
    self._context.findings.kinds.pop("delete", None)


def forget_target(self: Changes, answer: Any, *_: Any) -> None:
    self._context.findings.written.discard("orders")


FAULTS = [
    (loses(Sources, "_named", forget_relation), "SELECT ssn FROM customers", "relation `customers`"),
    (
        loses(Sources, "_named", forget_relation),
        "SELECT 1 WHERE EXISTS (SELECT FROM public.customers)",
        "relation `public.customers`",
    ),
    (loses(Expressions, "called", forget_function), "SELECT lower(name) FROM customers", "function `lower`"),
    (loses(Expressions, "called", forget_mentioned_function), "SELECT LOWER('x')", "function `lower`"),
    (loses(Context, "step", forget_column), "SELECT 1 FROM customers WHERE ssn = '1'", "column `ssn`"),
    (loses(Context, "step", forget_column), "UPDATE customers SET name = ssn", "column `ssn`"),
    (
        loses(Statement, "walk", forget_outputs),
        "SELECT c.ssn AS x FROM customers c",
        "`public.customers.ssn` in output column 1",
    ),
    (
        loses(Statement, "walk", forget_outputs),
        "SELECT 1, * FROM (SELECT lower(ssn) FROM customers) c",
        "`public.customers.ssn` in output column 2",
    ),
    (
        loses(Statement, "walk", forget_outputs),
        "WITH a AS (SELECT number n FROM v_customers) SELECT max(n) FROM a UNION SELECT 'x'",
        "`public.v_customers.number` in output column 1",
    ),
    (
        loses(Statement, "walk", forget_outputs),
        "SELECT (SELECT max(note) FROM orders WHERE customer_id = c.id) FROM customers c",
        "`public.orders.note` in output column 1",
    ),
    (loses(Statement, "walk", forget_an_output), "SELECT * FROM customers", "5 output columns, the other 4"),
    (
        loses(Changes, "statement", forget_change),
        "WITH d AS (DELETE FROM orders RETURNING id) SELECT id FROM d",
        "kind of change `delete`",
    ),
    (loses(Changes, "statement", forget_target), "DELETE FROM orders", "relation `orders`"),
]


@pytest.mark.parametrize(("fault", "text", "said"), FAULTS, ids=[text for _, text, _ in FAULTS])
def test_a_planted_fault_shows(
    fault: Callable[[pytest.MonkeyPatch], None],
    text: str,
    said: str,
    catalogue: Catalogue,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert reason(text, catalogue, settings) == ""
    fault(monkeypatch)
    found = reason(text, catalogue, settings)
    assert found.startswith("two readings of the statement differ: one sees ")
    assert said in found


def test_statements_are_counted(catalogue: Catalogue) -> None:
    assert disagreement("SELECT 1; SELECT 2", ()) == "one sees 2 statements, the other 0"
    assert disagreement("SELECT 1; LISTEN x", ()) == ""


@pytest.mark.parametrize("shape", DEEP)
def test_depth_and_backtracking_are_bounded(shape: str) -> None:
    texts = [DEEP[shape](n) for n in (20, 200, 1_500)]
    done: list[str] = []
    thread = threading.Thread(
        target=lambda: done.extend(disagreement(t, ()) for t in texts if len(t) <= MAX_LENGTH)
    )
    thread.start()
    thread.join(20)
    assert not thread.is_alive()
    assert done


def test_the_other_parser_writes_no_log(
    caplog: pytest.LogCaptureFixture, catalogue: Catalogue, settings: Settings
) -> None:
    with caplog.at_level(logging.DEBUG):
        for text in TEXTS:
            analyse(text, catalogue, settings)
    assert caplog.records == []
