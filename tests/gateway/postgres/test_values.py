"""Values: what maskers make of them, what binary ones read as, and what statements say of their origin."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.postgres import PostgresServer

from doorward_gateway.attribution import Attribution
from doorward_gateway.postgres.labels import labels_of, settle_labels, statement_labels
from doorward_gateway.postgres.maskers import load_key, masker_of, strength
from doorward_gateway.postgres.plan import plan_of
from doorward_gateway.postgres.rows import Field
from doorward_gateway.postgres.settings import split_identifiers
from doorward_gateway.postgres.values import text_of_binary
from doorward_proto.v1 import decision_pb2 as pb

KEY = bytes(32)
MASKS = [
    pb.Mask(method=pb.MASK_METHOD_PARTIAL, keep_last=4),
    pb.Mask(method=pb.MASK_METHOD_PARTIAL, keep_last=2),
    pb.Mask(method=pb.MASK_METHOD_FORMAT_PRESERVING),
    pb.Mask(method=pb.MASK_METHOD_HASH),
    pb.Mask(method=pb.MASK_METHOD_REPLACE, replacement="gone"),
    pb.Mask(method=pb.MASK_METHOD_NULL),
    pb.Mask(method=pb.MASK_METHOD_REDACT),
]


@pytest.mark.parametrize(
    ("mask", "value", "expected"),
    [
        (MASKS[0], b"536-22-8841", b"*******8841"),
        (MASKS[0], b"841", b"***"),
        (MASKS[0], "größe€".encode(), "**öße€".replace("ö", "ö").encode()),
        (MASKS[0], b"", b""),
        (MASKS[0], None, None),
        (MASKS[3], None, None),
        (MASKS[4], b"x", b"gone"),
        (MASKS[4], None, b"gone"),
        (MASKS[5], b"x", None),
        (MASKS[6], b"x", b"[redacted]"),
        (MASKS[6], None, b"[redacted]"),
        (pb.Mask(), b"x", b"[redacted]"),
        (pb.Mask(method=99), b"x", b"[redacted]"),
    ],
)
def test_maskers(mask: Any, value: bytes | None, expected: bytes | None) -> None:
    assert masker_of(mask, KEY)(value) == expected


def test_masks_are_ordered_by_strength() -> None:
    assert sorted(MASKS, key=strength) == MASKS
    assert strength(pb.Mask()) == strength(MASKS[-1])


@given(st.text(max_size=50))
def test_equal_values_stay_equal_and_keep_their_shape(text: str) -> None:
    mask = masker_of(MASKS[2], KEY)
    masked = mask(text.encode())
    assert masked is not None
    assert masked == mask(text.encode())
    assert len(masked.decode()) == len(text)
    for before, after in zip(text, masked.decode(), strict=True):
        if before.isascii():
            assert (before.isdigit(), before.isupper(), before.isalpha()) == (
                after.isdigit(),
                after.isupper(),
                after.isalpha(),
            )


def test_another_key_gives_other_values() -> None:
    for mask in MASKS[2:4]:
        assert masker_of(mask, KEY)(b"536-22-8841") != masker_of(mask, bytes([1]) * 32)(b"536-22-8841")


def test_the_key_is_made_once(tmp_path: Path) -> None:
    key = load_key(tmp_path / "state")
    assert len(key) == 32
    assert load_key(tmp_path / "state") == key
    assert (tmp_path / "state" / "mask.key").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in (tmp_path / "state").iterdir()] == ["mask.key"]


# --- plans ---


def field(oid: int, attnum: int) -> Field:
    return Field(b"c", oid, attnum, 25, -1, -1, 0)


def test_either_lineage_or_origin_is_enough() -> None:
    lineage = pb.Mask(target="t.a", method=pb.MASK_METHOD_HASH, outputs=[pb.Output(statement=0, column=1)])
    origin = pb.Mask(
        target="t.a", method=pb.MASK_METHOD_HASH, origins=[pb.Origin(table_oid=7, column_number=2)]
    )
    shape, facts = (field(7, 2), field(0, 0), field(7, 3)), {"widths": [3, 3]}
    assert [mask is not None for mask in plan_of([lineage], facts).columns(0, shape)] == [False, True, False]
    assert [mask is not None for mask in plan_of([origin], facts).columns(0, shape)] == [True, False, False]
    assert [mask is not None for mask in plan_of([lineage], facts).columns(1, shape)] == [False, False, False]


def test_the_strongest_mask_wins_and_whole_outputs_are_redacted() -> None:
    weak = pb.Mask(target="t.a", method=pb.MASK_METHOD_PARTIAL, outputs=[pb.Output(column=0)])
    strong = pb.Mask(target="t.b", method=pb.MASK_METHOD_NULL, outputs=[pb.Output(column=0)])
    whole = pb.Mask(target="t.c", method=pb.MASK_METHOD_PARTIAL, outputs=[pb.Output(column=0, whole=True)])
    for masks, expected in (
        ([weak, strong], 5),
        ([strong, weak], 5),
        ([weak, whole], 6),
        ([whole, strong], 6),
    ):
        assert plan_of(masks, {"widths": [1]}).columns(0, (field(0, 0),))[0].method == expected


@pytest.mark.parametrize(
    ("facts", "output", "statement"),
    [
        ({"widths": [2]}, 5, 0),
        ({"widths": [1]}, 0, 0),
        ({"widths": [3]}, 0, 0),
        ({"widths": [0]}, 0, 0),
        ({"widths": [2]}, 0, 1),
        ({"widths": []}, 0, 0),
        ({}, 0, 0),
    ],
)
def test_an_answer_of_another_shape_is_withheld(facts: dict[str, Any], output: int, statement: int) -> None:
    mask = pb.Mask(target="t.a", method=pb.MASK_METHOD_PARTIAL, outputs=[pb.Output(column=output)])
    shape = (field(0, 0), field(0, 0))
    assert [m.method for m in plan_of([mask], facts).columns(statement, shape)] == [6, 6]
    both = plan_of([mask], facts) | plan_of([mask], {"widths": [2, 2]})
    assert [m.method for m in both.columns(statement, shape)] == [6, 6]


@pytest.mark.parametrize(
    ("facts", "touched", "read"),
    [
        ({"opaque": False, "tables": ["orders"], "columns": ["orders.id"]}, False, False),
        ({"opaque": False, "tables": ["customers"], "columns": ["customers.id"]}, True, False),
        ({"opaque": False, "tables": ["customers"], "columns": ["customers.ssn"]}, True, True),
        ({"opaque": True}, True, True),
        ({}, True, True),
    ],
)
def test_what_has_to_do_with_masked_columns(facts: dict[str, Any], touched: bool, read: bool) -> None:
    for target in ("customers.ssn", "public.customers.ssn"):
        plan = plan_of([pb.Mask(target=target, origins=[pb.Origin(table_oid=1, column_number=1)])], facts)
        assert (plan.touched, plan.read) == (touched, read)


def test_a_mask_that_cannot_be_carried_out_is_named() -> None:
    plan = plan_of([pb.Mask(target="$.user.email")], {"opaque": False})
    assert "$.user.email" in plan.refusal


# --- labels and settings ---


@pytest.mark.parametrize(
    ("statement", "labels"),
    [
        ("select 1", {}),
        ("select 1 /*run='r%201',branch='b',step='7'*/", {"run": "r 1", "branch": "b", "step": "7"}),
        ("/* step=3, */ select 1;", {"step": "3"}),
        ("/*step=3*/ select 1 /*step=4*/ ;", {"step": "4"}),
        (
            "select 1 /*traceparent='00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'*/",
            {"trace_id": "4bf92f3577b34da6a3ce929d0e0e4736"},
        ),
        ("select 1 /*traceparent='nonsense',rerun='x'*/", {}),
        ("select '/*run=x*/' || a from t", {}),
    ],
)
def test_labels_of_statements(statement: str, labels: dict[str, str]) -> None:
    assert statement_labels(statement).document() == labels


@given(st.text(max_size=200))
def test_labels_take_any_text(text: str) -> None:
    labels_of(text)
    statement_labels(f"select 1 /*{text}*/")


def test_what_the_credential_says_of_run_and_trace_stays() -> None:
    granted = Attribution(purpose="p", run="r1", branch="b0")
    claimed = Attribution(run="forged", branch="b1", step="2", trace_id="t")
    assert settle_labels(granted, claimed).document() == {
        "purpose": "p",
        "run": "r1",
        "branch": "b1",
        "step": "2",
        "trace_id": "t",
    }


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ('"$user", public', ("$user", "public")),
        ("", ()),
        ('""', ("",)),
        ('"a,b", "c""d", E', ("a,b", 'c"d', "e")),
        ('"open', ()),
    ],
)
def test_identifier_lists(text: str, names: tuple[str, ...]) -> None:
    assert split_identifiers(text) == names


# --- binary values, beside the server's own text ---


@pytest.fixture(scope="module")
def server() -> Iterator[psycopg.Connection[Any]]:
    with PostgresServer.start() as started, psycopg.connect(started.dsn(), autocommit=True) as connection:
        connection.execute("set timezone = 'UTC'; set extra_float_digits = 1; set datestyle = 'ISO'")
        yield connection


VALUES = [
    "1::int2", "-5::int4", "9007199254740993::int8", "4294967295::oid", "true", "false", "'x'::text", "'abc'::varchar(5)",
    "'ab'::char(4)", "'n'::name", "1.5::float4", "0.1::float4", "3.1415927::float4", "1e20::float8", "0.1::float8",
    "0::numeric", "-3.25::numeric", "120.50::numeric", "1234567890123456789.000100::numeric", "0.00001234::numeric",
    "'NaN'::numeric", "10000::numeric", "'2020-02-29'::date", "'1999-12-31'::date", "'2020-01-02 03:04:05'::timestamp",
    "'2020-01-02 03:04:05.123456'::timestamp", "'2020-01-02 03:04:05+00'::timestamptz",
    "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid", "'\\xdeadbeef'::bytea", "'{\"a\": 1}'::json", "'{\"a\": 1}'::jsonb",
]  # fmt: skip


@pytest.mark.parametrize("expression", VALUES)
def test_binary_values_read_as_the_server_writes_them(
    server: psycopg.Connection[Any], expression: str
) -> None:
    texts = server.pgconn.exec_params(f"select {expression}".encode(), None, result_format=0)
    binary = server.pgconn.exec_params(f"select {expression}".encode(), None, result_format=1)
    value, text = binary.get_value(0, 0), texts.get_value(0, 0)
    assert value is not None
    assert text is not None
    read = text_of_binary(binary.ftype(0), value)
    if "float8" in expression and read is not None:
        assert float(read) == float(text)
    else:
        assert read == text.decode()


@given(
    st.sampled_from((16, 17, 20, 21, 23, 26, 114, 700, 701, 1082, 1114, 1184, 1700, 2950, 3802)),
    st.binary(max_size=24),
)
def test_any_bytes_are_read_or_not(type_oid: int, value: bytes) -> None:
    text_of_binary(type_oid, value)
