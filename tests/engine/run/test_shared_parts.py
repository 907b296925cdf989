"""Values whose few parts stand in them very often: equality, order and hash must not go through every occurrence."""

from __future__ import annotations

from typing import Any

import pytest

from doorward.run.values import Value, compare, equal, key


def _nested(part: Value, wrap: Any) -> Value:
    value = part
    for _ in range(60):
        value = wrap(value)
    return value


@pytest.mark.parametrize(
    "wrap",
    [lambda v: [v, v], lambda v: (v, v, v), lambda v: {"a": v, "b": v}, lambda v: [{"k": [v, v]}, v]],
    ids=["array", "tuple", "object", "mixed"],
)
def test_doubly_nested_values(wrap: Any) -> None:
    one, other, different = _nested([1, 2], wrap), _nested([1, 2], wrap), _nested([1, 3], wrap)
    assert equal(one, other)
    assert compare(one, other) == 0
    assert key(one) == key(other)
    assert not equal(one, different)
    assert compare(one, different) == -1
    assert key(one) != key(different)
