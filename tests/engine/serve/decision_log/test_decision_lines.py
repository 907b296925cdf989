"""What is written of a decision is what was decided, and reads back as that."""

from __future__ import annotations

import copy
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.decision_log import CATALOGUE, SOURCES, http_request, made, postgres_request

from doorward import Engine
from doorward.author.diff import read_log
from doorward.serve.decision_log.counts import Counts
from doorward.serve.decision_log.encoding import encode, rfc3339
from doorward.serve.decision_log.lines import LineWriter, catalogue_line
from doorward.serve.decision_log.pointers import (
    MISSING,
    format_pointer,
    parse_pointer,
    value_at,
    with_value,
    without,
)

ENGINE = Engine.from_sources(SOURCES)
TEXTS = st.text(st.characters(codec="utf-8"), max_size=20)
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS
    | st.decimals(allow_nan=False, allow_infinity=False).filter(lambda d: abs(d.adjusted()) < 900),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=12,
)


def exact(text: bytes) -> Any:
    return json.loads(text, parse_float=Decimal)


def plain(value: Any) -> Any:
    """Numbers by their value, however they are held."""
    if isinstance(value, float):
        return Decimal(repr(value))
    if isinstance(value, dict):
        return {name: plain(member) for name, member in value.items()}
    return [plain(item) for item in value] if isinstance(value, list) else value


@given(JSON)
def test_every_document_is_written_exactly(document: Any) -> None:
    text = encode(document)
    assert b"\n" not in text
    assert plain(exact(text)) == plain(document)


def test_half_a_surrogate_is_written_as_something() -> None:
    assert json.loads(encode({"\ud800": ["\udfff", 10**30]})) == {"?": ["?", 10**30]}


@settings(max_examples=60, deadline=None)
@given(TEXTS, st.dictionaries(TEXTS, JSON, max_size=3), TEXTS, st.integers(0, 4 * 10**18))
def test_a_line_reads_back_as_the_decision(
    tmp_path_factory: Any, user: str, claims: dict[str, Any], literal: str, now_ns: int
) -> None:
    statement = "select ssn from customers where id = '" + literal.replace("'", "''").replace("\0", "") + "'"
    request = postgres_request(statement, id=user, claims=claims)
    decided = made(request, now_ns=now_ns, caller="gateway", trace="00-aa-bb-01")
    line = LineWriter(None, Counts()).line(decided, None)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    entry = exact(line)
    assert plain(entry["request"]) == plain(request)
    assert plain(entry["decision"]) == plain(exact(decided.decision.to_json()))
    assert (entry["caller"], entry["trace"], entry["took_ns"]) == ("gateway", "00-aa-bb-01", 12_345)
    file: Path = tmp_path_factory.mktemp("log") / "log.jsonl"
    file.write_bytes(catalogue_line(CATALOGUE) + line)
    (logged,) = read_log(file)
    assert (logged.now_ns, logged.id, logged.verdict) == (
        now_ns,
        decided.decision.decision_id,
        decided.decision.verdict,
    )
    assert logged.catalogue is not None
    again = ENGINE.decide(logged.request, catalogue=logged.catalogue, now_ns=now_ns)
    assert (again.masks, again.reasons) == (decided.decision.masks, decided.decision.reasons)


def test_parts_that_are_copied_are_those_of_the_decision() -> None:
    writer = LineWriter(None, Counts())
    for request in (postgres_request(), postgres_request(groups=[]), http_request(), postgres_request()) * 2:
        decided = made(request)
        assert json.loads(writer.line(decided, None))["decision"] == decided.decision.to_dict()


def test_instants_have_nine_digits() -> None:
    assert rfc3339(0) == "1970-01-01T00:00:00.000000000Z"
    assert rfc3339(1_700_000_000_000_000_001) == "2023-11-14T22:13:20.000000001Z"


# --- places ---

POINTERS = st.lists(TEXTS, min_size=1, max_size=4).map(tuple)


@given(POINTERS)
def test_a_place_is_written_as_it_is_read(place: tuple[str, ...]) -> None:
    assert parse_pointer(format_pointer(place)) == place


@given(st.dictionaries(TEXTS, JSON, min_size=1, max_size=4), st.data())
def test_what_is_erased_is_gone_and_the_document_is_as_it_was(
    document: dict[str, Any], data: st.DataObject
) -> None:
    place: list[str] = []
    value: Any = document
    while isinstance(value, dict | list) and value and (not place or data.draw(st.booleans())):
        step = data.draw(st.sampled_from(sorted(value) if isinstance(value, dict) else range(len(value))))
        place.append(str(step))
        value = value[step]
    before = copy.deepcopy(document)
    gone, over = without(document, tuple(place)), with_value(document, tuple(place), "over")
    assert value_at(gone, tuple(place)) in (MISSING, None)
    assert value_at(over, tuple(place)) == "over"
    assert value_at(document, tuple(place)) is value
    assert document == before


def test_places_that_are_not_there_change_nothing() -> None:
    document = {"a": [1, {"b": 2}], "c": "text"}
    for place in (("x",), ("a", "2"), ("a", "-1"), ("a", "01x"), ("c", "0"), ("a", "1", "b", "c")):
        assert without(document, place) is document
    assert with_value(document, ("x", "y"), 1) is document
    assert with_value(document, ("a", "2"), 1) is document
    assert with_value(document, ("a", "1", "new"), 1) == {"a": [1, {"b": 2, "new": 1}], "c": "text"}
    assert without(document, ("a", "0")) == {"a": [None, {"b": 2}], "c": "text"}
