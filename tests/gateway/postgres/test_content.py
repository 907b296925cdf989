"""`content(…)` on PostgreSQL: what detectors find is masked in whatever column it stands, in text and in binary."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.gateway import Shop, open_shop

from doorward_gateway.content import DETECTORS, Scanner
from doorward_gateway.postgres.looking import ContentMask
from doorward_gateway.postgres.plan import plan_of
from doorward_gateway.postgres.rows import Field
from doorward_proto.v1 import decision_pb2 as pb

CARD = "4556737586899855"
EMAIL = "canary@acme.example"
KEY = "AKIAIOSFODNN7EXAMPLE"
SECRETS = (CARD, EMAIL, KEY)

POLICY = """
package tests.content

governs postgres

mask content(card_number) with partial(4) if "masked" in principal.groups
mask content(email), content(secret_key) with redact if "masked" in principal.groups
"""

NOTES = f"""
create table notes (
    id int primary key, body text, short varchar(80), doc json, docb jsonb, tags text[], number bigint, blob bytea, page text,
    pair point, at timestamptz
);
insert into notes values
    (1, 'card {CARD}, mail {EMAIL}', 'key {KEY}', '{{"mail": "canary\\u0040acme.example", "n": 1.50, "card": {CARD}}}',
     '{{"list": ["{EMAIL}", "plain"], "deep": {{"k": "{KEY}"}}}}', '{{"{EMAIL}", x}}', {CARD}, '{EMAIL}', '<a>{EMAIL}</a>',
     '(1,2)', '2026-01-02 03:04:05+00'),
    (2, 'nothing here', 'plain', '{{"a": [1, 2.50]}}', '{{"b": 1e2}}', '{{x, y}}', 17, 'abc', '<a/>', '(1,2)',
     '2026-01-02 03:04:05+00');
create table said (id int primary key, said text unique);
insert into said values (1, '{EMAIL}');
"""


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    opened = open_shop(tmp_path_factory.mktemp("content"))
    try:
        opened.server.psql(NOTES)
        opened.put_in_force("content.ward", POLICY)
        yield opened
    finally:
        opened.stop()


@pytest.mark.parametrize("binary", [False, True])
@pytest.mark.parametrize("prepare", [False, True])
def test_no_value_shows_what_was_looked_for(shop: Shop, binary: bool, prepare: bool) -> None:
    with shop.connect("mia") as connection, shop.connect("ada") as plain:
        statement = "select * from notes order by id"
        rows = connection.cursor(binary=binary).execute(statement, prepare=prepare).fetchall()
        open_rows = plain.cursor(binary=binary).execute(statement, prepare=prepare).fetchall()
    assert all(secret in str(open_rows) for secret in SECRETS), "the canaries are there"
    assert rows[1] == open_rows[1], "and nothing else has changed"
    first: Any = rows[0]
    assert not [secret for secret in SECRETS if secret in str(rows)]
    assert EMAIL.encode() not in (first[7] or b"")
    assert first[1] == "card ************9855, mail [redacted]"
    assert first[2] == "key [redacted]"
    assert first[3] == {"mail": "[redacted]", "n": 1.5, "card": "************9855"}
    assert first[4] == {"list": ["[redacted]", "plain"], "deep": {"k": "[redacted]"}}
    assert first[5:8] == (None, None, None)
    assert first[8] == "<a>[redacted]</a>"
    assert first[9:] == open_rows[0][9:]


@pytest.mark.parametrize(
    "statement",
    [
        "select body || short from notes",
        "select string_agg(body, ',') from notes",
        "select row_to_json(n) from notes n",
        "select array_agg(body) from notes",
        "select n from notes n",
        "with x as (select upper(short) as s, body from notes) select * from x",
        "explain select * from notes where body = '" + EMAIL + "'",
        "insert into said values (3, 'new " + KEY + "') returning *",
    ],
)
def test_what_is_computed_is_looked_into_too(shop: Shop, statement: str) -> None:
    with shop.connect("mia") as connection:
        try:
            rows = connection.execute(statement).fetchall()
        except psycopg.errors.InsufficientPrivilege:
            return
    assert not [secret for secret in SECRETS if secret in str(rows)]


def test_errors_do_not_tell_and_copy_is_refused(shop: Shop) -> None:
    with shop.connect("mia") as connection:
        with pytest.raises(psycopg.Error) as caught:
            connection.execute("select said::int from said")
        assert EMAIL not in str(caught.value)
        with (
            pytest.raises(psycopg.errors.InsufficientPrivilege),
            connection.cursor().copy("copy notes to stdout") as copy,
        ):
            list(copy)


def test_the_record_holds_what_the_caller_saw(shop: Shop) -> None:
    with shop.connect("mia") as connection:
        connection.execute("select body from notes order by id")
    body = shop.records("result")[-1]["body"]
    assert body["columns"] == [{"name": "body", "masked": "content"}]
    assert CARD not in json.dumps(body)


def test_a_column_that_has_a_mask_of_its_own_keeps_it() -> None:
    masks = [
        pb.Mask(target="t.a", method=pb.MASK_METHOD_NULL, outputs=[pb.Output(column=0)]),
        pb.Mask(target="content(email)", method=pb.MASK_METHOD_REDACT),
    ]
    shape = (Field(b"a", 1, 1, 25, -1, -1, 0), Field(b"b", 1, 2, 25, -1, -1, 0))
    first, second = plan_of(masks, {"widths": [2], "opaque": False}).columns(0, shape)
    assert first.method == pb.MASK_METHOD_NULL
    assert isinstance(second, ContentMask)


@given(
    value=st.integers(-(2**31), 2**31 - 1).map(str)
    | st.floats(allow_nan=False, allow_infinity=False, width=32).map("{:.9g}".format)
    | st.datetimes(min_value=datetime(1000, 1, 1)).map(lambda at: at.isoformat(" ") + "+00")
    | st.uuids().map(str)
)
def test_nothing_is_found_in_values_that_are_not_looked_into(value: str) -> None:
    assert not Scanner([(detector, str) for detector in DETECTORS.values()]).finds(value)


def test_a_detector_that_is_not_known_here_is_refused() -> None:
    plan = plan_of([pb.Mask(target="content(palm_print)", method=pb.MASK_METHOD_REDACT)], {"widths": [1]})
    assert "content(palm_print)" in plan.refusal
