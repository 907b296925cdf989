"""What is plainly valid is valid."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doorward.decide.plainly import plain_check
from doorward.run.builtins.json_schemas import SchemaError, Validator

_NAMES = st.sampled_from(["a", "b", "c"])
_TYPES = st.sampled_from(["array", "boolean", "integer", "null", "number", "object", "string"])
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2) | st.sampled_from([1.0, 0.5]) | _NAMES,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(_NAMES, inner, max_size=3),
    max_leaves=6,
)


def _keywords(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    said = {
        "type": _TYPES | st.lists(_TYPES, max_size=2, unique=True),
        "properties": st.dictionaries(_NAMES, inner, max_size=3),
        "required": st.lists(_NAMES, max_size=2, unique=True),
        "additionalProperties": inner,
        "items": inner | st.lists(inner, max_size=2),
        "enum": st.lists(_VALUES, min_size=1, max_size=3),
        "anyOf": st.lists(inner | st.just({"type": "null"}), min_size=1, max_size=2),
        "minimum": st.integers(0, 1),
        "title": st.just("t"),
    }
    return st.fixed_dictionaries({}, optional=said)


@given(
    st.recursive(st.booleans() | st.builds(lambda name: {"type": name}, _TYPES), _keywords, max_leaves=6),
    _VALUES,
)
def test_what_is_plainly_valid_is_valid(schema: Any, value: Any) -> None:
    if plain_check(schema)(value) and isinstance(schema, dict):
        try:
            validator = Validator(schema)
        except SchemaError:
            return
        assert validator.objection(value) is None


_PAYMENT = {
    "type": "object",
    "properties": {
        "amount": {"type": "number"},
        "currency": {"type": "string", "enum": ["EUR", "CHF"]},
        "notes": {"anyOf": [{"type": "array", "items": {"type": "string"}}, {"type": "null"}]},
    },
    "required": ["amount"],
    "additionalProperties": False,
}


@pytest.mark.parametrize(
    ("value", "plainly"),
    [
        ({"amount": 3, "currency": "EUR", "notes": None}, True),
        ({"amount": 0.5, "notes": ["a", "b"]}, True),
        ({"amount": True}, False),
        ({"amount": 3, "currency": "USD"}, False),
        ({"amount": 3, "notes": ["a", 1]}, False),
        ({"amount": 3, "more": 1}, False),
        ({"currency": "EUR"}, False),
        ([], False),
    ],
)
def test_an_ordinary_kind_is_understood(value: Any, plainly: bool) -> None:
    assert plain_check(_PAYMENT)(value) is plainly
    assert (Validator(_PAYMENT).objection(value) is None) is plainly


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#/definitions/a"},
        {"type": "string", "pattern": "^a"},
        {"type": "integer", "minimum": 2},
        {"not": {}},
    ],
)
def test_what_is_not_understood_is_left_to_the_validator(schema: dict[str, Any]) -> None:
    values: list[Any] = ["a", 3, None, {}, []]
    for value in values:
        assert not plain_check(schema)(value)
