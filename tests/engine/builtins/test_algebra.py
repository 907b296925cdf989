"""Laws that hold whatever the values are."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from doorward.run.builtins.numeric import Wide, number_text, parse_number, wide
from doorward.run.values import compare, equal, key

from .calls import call

texts = st.text(max_size=20)
integers = st.integers(-(10**30), 10**30)
decimals = st.decimals(-(10**6), 10**6, allow_nan=False, places=6)
scalars = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | texts
documents: st.SearchStrategy[Any] = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)
sets = st.frozensets(scalars.map(key), max_size=6)


@given(integers, integers)
def test_integers_are_exact(left: int, right: int) -> None:
    assert call("plus", left, right) == left + right
    assert call("minus", left, right) == left - right
    assert call("mul", left, right) == left * right
    if right:
        quotient, rest = divmod(abs(left), abs(right))
        assert call("rem", left, right) == (rest if left >= 0 else -rest)
        assert quotient * abs(right) + rest == abs(left)


@given(decimals, decimals)
def test_fractions_are_right_to_sixty_four_bits(left: Decimal, right: Decimal) -> None:
    x, y = parse_number(str(left)), parse_number(str(right))
    assert x is not None
    assert y is not None
    exact = Fraction(left) * Fraction(right)
    got = Fraction(str(call("mul", x, y)))
    assert abs(got - exact) <= abs(exact) / 2**61


@given(st.integers(1, 2**64 - 1), st.integers(-200, 200))
def test_a_number_comes_back_from_its_shortest_digits(significand: int, exponent: int) -> None:
    assume(significand & (significand - 1))  # at a power of two the digits are, as OPA's, one step off
    number = Wide(significand, exponent)
    again = wide(number.number())
    assert (
        Fraction(again.significand) * Fraction(2) ** again.exponent
        == Fraction(significand) * Fraction(2) ** exponent
    )


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_float_is_written_so_that_it_reads_back(value: float) -> None:
    assert float(str(parse_number(number_text(value)))) == value


@given(documents)
def test_json_round_trip(document: Any) -> None:
    assert equal(call("json.unmarshal", call("json.marshal", document)), document)
    pretty = call("json.marshal_with_options", document, {"pretty": True})
    assert equal(call("json.unmarshal", pretty), document)


@given(documents)
def test_yaml_round_trip(document: Any) -> None:
    assume('"<<"' not in call("json.marshal", document))  # a merge key when read back, as go-yaml writes it
    assert equal(call("yaml.unmarshal", call("yaml.marshal", document)), document)


@given(texts)
def test_encodings_round_trip(text: str) -> None:
    for encode, decode in (
        ("base64.encode", "base64.decode"),
        ("base64url.encode", "base64url.decode"),
        ("base64url.encode_no_pad", "base64url.decode"),
        ("hex.encode", "hex.decode"),
        ("urlquery.encode", "urlquery.decode"),
    ):
        assert call(decode, call(encode, text)) == text


@given(st.binary(max_size=30))
def test_bytes_that_are_not_text_survive(data: bytes) -> None:
    assert call("hex.encode", call("hex.decode", data.hex())) == data.hex()


@given(sets, sets, sets)
def test_sets(a: Any, b: Any, c: Any) -> None:
    assert call("or", a, b) == call("or", b, a)
    assert call("and", a, b) == call("minus", a, call("minus", a, b))
    assert call("union", frozenset(map(key, (a, b, c)))) == a | b | c
    assert call("intersection", frozenset(map(key, (a, b, c)))) == a & b & c
    assert call("object.subset", call("or", a, b), a)


@given(st.lists(scalars, max_size=8))
def test_sort_orders_and_keeps_everything(values: list[Any]) -> None:
    ordered = call("sort", values)
    assert len(ordered) == len(values)
    assert all(compare(x, y) <= 0 for x, y in pairwise(ordered))
    if values:
        assert equal(call("max", values), ordered[-1])
        assert equal(call("min", values), ordered[0])


@given(texts, st.text(min_size=1, max_size=3))
def test_split_and_concat_undo_each_other(text: str, delimiter: str) -> None:
    assert call("concat", delimiter, call("split", text, delimiter)) == text


@given(documents)
def test_walk_visits_what_object_get_finds(document: Any) -> None:
    for path, part in call("walk", document):
        assert equal(call("object.get", {"root": document}, ["root", *path], "missing"), part)


@given(st.integers(0, 2**62), st.sampled_from(["UTC", "Asia/Kolkata", "Asia/Kathmandu"]))
def test_an_instant_comes_back_from_its_text(ns: int, zone: str) -> None:
    assert call("time.parse_rfc3339_ns", call("time.format", [ns, zone])) == ns


@given(st.dictionaries(texts, documents, max_size=4), texts, documents)
def test_patch_adds_and_removes(document: dict[str, Any], name: str, part: Any) -> None:
    added = call("json.patch", document, [{"op": "add", "path": [name], "value": part}])
    assert equal(added, {**document, name: part})
    removed = call("json.patch", added, [{"op": "remove", "path": [name]}])
    assert equal(removed, {k: v for k, v in document.items() if k != name})


def test_a_patch_leaves_its_document_alone() -> None:
    document = {"a": {"b": [1, 2]}}
    operations = [
        {"op": "copy", "from": "/a", "path": "/c"},
        {"op": "add", "path": "/c/b/0", "value": 0},
        {"op": "remove", "path": "/a/b/1"},
    ]
    assert call("json.patch", document, operations) == {"a": {"b": [1]}, "c": {"b": [0, 1, 2]}}
    assert document == {"a": {"b": [1, 2]}}


@pytest.mark.parametrize("name", ["rand.intn", "uuid.rfc4122"])
def test_randomness_is_stable_within_a_query(name: str) -> None:
    from .calls import Call

    context = Call()
    arguments = ("a", 10**9) if name == "rand.intn" else ("a",)
    assert call(name, *arguments, context=context) == call(name, *arguments, context=context)
