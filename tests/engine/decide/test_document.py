"""The access request, from bytes to the total document."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from doorward.decide.document import Clock, InvalidRequest, complete, parse_document
from doorward.decide.request import DOCUMENTS, REQUESTS, document_schemas

NOW = 1_795_193_583_123_456_789  # Fri Nov 20 2026 16:53:03 UTC
TIME = Clock().instant(NOW)
FACTS = {"sql", "http", "kubernetes", "llm", "mcp", "ssh", "time"}


def request(**sections: Any) -> dict[str, Any]:
    return {"resource": {"kind": "postgres", "name": "shop"}, **sections}


def test_time_is_utc_and_exact() -> None:
    assert TIME == {
        "ns": NOW,
        "rfc3339": "2026-11-20T16:53:03.123456789Z",
        "date": "2026-11-20",
        "weekday": "Friday",
        "hour": 16,
        "minute": 53,
    }


@given(st.lists(st.integers(0, 4 * 10**18), min_size=1, max_size=5))
def test_a_clock_that_remembers_says_what_a_new_one_says(instants: list[int]) -> None:
    clock = Clock()
    assert [clock.instant(ns) for ns in instants] == [Clock().instant(ns) for ns in instants]


@pytest.mark.parametrize("kind", DOCUMENTS)
def test_the_document_is_total(kind: str) -> None:
    whole = complete({"resource": {"kind": kind}}, TIME)
    model = DOCUMENTS[kind].model_validate(whole)
    assert model.model_dump() == whole
    assert whole["time"] == TIME


def test_every_field_of_the_schemas_is_required() -> None:
    for schema in document_schemas().values():
        for part in [schema, *schema["$defs"].values()]:
            if "properties" in part:
                assert set(part.get("required", ())) == set(part["properties"])


def test_null_is_as_good_as_missing() -> None:
    nulls = dict.fromkeys(("principal", "action", "session", "postgres"))
    inner = {"resource": {"kind": "postgres", "labels": None}, "principal": {"id": None, "groups": None}}
    assert complete({**nulls, **inner}, TIME) == complete({"resource": {"kind": "postgres"}}, TIME)


def test_what_a_caller_says_about_facts_and_time_is_dropped() -> None:
    said = complete(request(sql={"read_only": True, "opaque": "no"}, time={"hour": 3}), TIME)
    assert said == complete(request(), TIME)


def test_nothing_given_is_changed() -> None:
    given_document = request(principal={"groups": ["a"]})
    before = json.dumps(given_document)
    complete(given_document, TIME)
    assert json.dumps(given_document) == before


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ([], "the request is not a JSON object"),
        ({}, "`resource.kind` is missing"),
        ({"resource": "postgres"}, "`resource.kind` is missing"),
        ({"resource": {"kind": ["postgres"]}}, "`resource.kind` is missing"),
        (request(principle={}), "unknown field `principle`"),
        (request(http={}), "unknown field `http`"),
        (request(principal={"groups": ["a", 1]}), "`principal.groups.1`: input should be a valid string"),
        (request(principal={"groups": "admins"}), "`principal.groups`: input should be a valid list"),
        (request(principal={"group": ["a"]}), "unknown field `principal.group`"),
        (request(principal={"kind": "robot"}), "`principal.kind`: input should be"),
        (request(principal=7), "`principal`: input should be"),
        (
            request(postgres={"statement": None, "parameters": [1]}),
            "`postgres.parameters.0`: input should be",
        ),
        (request(postgres={"prepared": {"a": 1}}), "`postgres.prepared.a`: input should be"),
        (
            request(postgres={"standard_conforming_strings": 1}),
            "`postgres.standard_conforming_strings`: input",
        ),
    ],
)
def test_what_is_wrong_is_named(document: Any, said: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        complete(document, TIME)
    assert str(caught.value).startswith(said)


unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)
PRINCIPAL = ["id", "kind", "groups", "issuer", "claims", "authenticated_at"]
OPERATION = ["statement", "parameters", "protocol", "search_path", "prepared", "cursors"]
likely = (
    json_values
    | st.lists(st.text(max_size=2), max_size=2)
    | st.dictionaries(st.text(max_size=2), st.text(max_size=2))
)


@unhurried
@given(
    st.fixed_dictionaries(
        {},
        optional={
            "principal": st.dictionaries(st.sampled_from(PRINCIPAL), likely) | json_values,
            "postgres": st.dictionaries(st.sampled_from(OPERATION), likely) | json_values,
        },
    )
)
def test_the_fast_road_takes_what_the_models_take(sections: dict[str, Any]) -> None:
    document = request(**sections)
    try:
        expected = REQUESTS["postgres"].model_validate(document).model_dump()
    except ValueError:
        with pytest.raises(InvalidRequest):
            complete(document, TIME)
    else:
        whole = complete(document, TIME)
        assert {name: whole[name] for name in expected} == expected


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b'{"a": 123456789012345678901234567890}', 123456789012345678901234567890),
        (b'{"a":0.12345678901234567890123}', Decimal("0.12345678901234567890123")),
        (b'{"a": 1.5}', 1.5),
        (b'{"a": "1234567890123456789012"}', "1234567890123456789012"),
    ],
)
def test_numbers_keep_their_digits(text: bytes, value: Any) -> None:
    document = parse_document(b'{"principal": {"claims": ' + text + b"}}")
    assert document == {"principal": {"claims": {"a": value}}}


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b'{"a": "\\ud800"}',
        b'{"a": NaN}',
        b'{"a": 1e999}',
        b'{"principal": {"claims": {"a": 0.1111111111111111111111e-9999999}}}',
        b'{"a": ' + b"9" * 100_000 + b"}",
        b"[" * 65 + b"]" * 65,
        b"[" * 100_000,
        b'{"a":' * 5_000 + b"1" + b"}" * 5_000,
    ],
    ids=lambda text: repr(text[:20]),
)
def test_hostile_bytes_are_refused(text: bytes) -> None:
    with pytest.raises(InvalidRequest):
        parse_document(text)


@unhurried
@given(st.binary(max_size=40))
def test_any_bytes_are_parsed_or_refused(text: bytes) -> None:
    try:
        document = parse_document(text)
    except InvalidRequest:
        return
    try:
        complete(document, TIME)
    except InvalidRequest:
        return
