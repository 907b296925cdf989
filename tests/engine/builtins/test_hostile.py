"""Arguments meant to hurt: each is refused or answered quickly, never a crash, a hang or a heap."""

from __future__ import annotations

import contextlib
import inspect
import time
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doorward.run.builtins import BUILTINS
from doorward.run.errors import BuiltinError, EvaluationError

from .calls import Call, call

LAUGHS = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{chr(98 + i)}: &{chr(98 + i)} [{','.join(['*' + chr(97 + i)] * 9)}]\n" for i in range(9)
)


def nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("numbers.range", (0, 10**12)),
        ("numbers.range_step", (0, 10**12, 3)),
        ("bits.lsh", (1, 10**9)),
        ("product", ([10**1000] * 50,)),
        ("mul", (10**3999, 10**3999)),
        ("mul", (Decimal("1e29999"), Decimal("1.5"))),
        ("format_int", (Decimal("1e29999"), 10)),
        ("json.unmarshal", ("1e999999999",)),
        ("json.unmarshal", ("9" * 10_000,)),
        ("json.unmarshal", ("[" * 100_000,)),
        ("json.marshal", (nested(5_000),)),
        ("sprintf", ("%999999999d", [1])),
        ("sprintf", ("%1000000d" * 100, [1] * 100)),
        ("replace", ("a" * 10_000, "a", "b" * 10_000)),
        ("strings.replace_n", ({"a": "b" * 10_000}, "a" * 10_000)),
        ("regex.replace", ("a" * 10_000, "a", "b" * 10_000)),
        ("regex.match", ("((a{1000}){1000}){1000}", "a")),
        ("yaml.unmarshal", (LAUGHS,)),
        ("yaml.unmarshal", ("[" * 10_000,)),
        ("yaml.unmarshal", ("&a [*a]",)),
        ("net.cidr_expand", ("10.0.0.0/8",)),
        ("net.cidr_expand", ("::/0",)),
        ("graphql.parse_query", ("{a" * 20_000,)),
        ("json.match_schema", ({"a": 1}, {"pattern": "(a{1000}){1000}"})),
        ("units.parse_bytes", ("1e999999",)),
        (
            "graph.reachable_paths",
            ({str(i): [str(j) for j in range(12) if j != i] for i in range(12)}, ["0"]),
        ),
    ],
)
def test_refused(name: str, arguments: tuple[Any, ...]) -> None:
    started = time.perf_counter()
    with pytest.raises(BuiltinError):
        call(name, *arguments)
    assert time.perf_counter() - started < 10


@pytest.mark.parametrize(
    ("name", "arguments", "want"),
    [
        ("regex.match", ("^(a+)+$", "a" * 50_000 + "!"), False),
        ("regex.match", ("(.*)*(.*)*(.*)*x", "a" * 5_000), False),
        ("glob.match", ("*a" * 50 + "b", None, "a" * 5_000), False),
        ("regex.globs_match", ("a*" * 100 + "b", "a*" * 100 + "c"), False),
        ("regex.is_valid", ("(" * 5_000,), False),
        ("json.is_valid", ("[" * 100_000,), False),
        ("semver.is_valid", ("1.0.0-" + "a." * 50_000,), False),
    ],
)
def test_answered_quickly(name: str, arguments: tuple[Any, ...], want: Any) -> None:
    started = time.perf_counter()
    assert call(name, *arguments) == want
    assert time.perf_counter() - started < 5


def test_a_schema_refers_to_nothing_elsewhere() -> None:
    with pytest.raises(BuiltinError):
        call("json.match_schema", {"a": 1}, {"$ref": "http://127.0.0.1:9/schema.json"})


def test_a_tree_cannot_smuggle_syntax() -> None:
    tree = {
        "Operations": [{"Operation": "query", "SelectionSet": [{"Alias": "a", "Name": "a } mutation { b"}]}]
    }
    assert call("graphql.is_valid", tree, "type Query { a: Int } type Mutation { b: Int }") is False


anything: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from([Decimal("1e400"), Decimal("0.33333333333333333334")])
    | st.text(max_size=12)
    | st.sampled_from(
        ["a.b.c", "10.0.0.0/24", "2020-01-01T00:00:00Z", "%d %[2]s", "[a-z]+", "{{.}}", "-----BEGIN X-----"]
    ),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=4), inner, max_size=3)
        | st.frozensets(st.text(max_size=3) | st.integers(0, 9), max_size=3)
    ),
    max_leaves=8,
)


@settings(max_examples=8, deadline=None)
@given(data=st.data())
@pytest.mark.parametrize("name", sorted(BUILTINS))
def test_any_argument_gives_a_value_or_an_error_of_evaluation(name: str, data: st.DataObject) -> None:
    builtin = BUILTINS[name]
    parameters = list(inspect.signature(builtin.call).parameters.values())[builtin.needs_call :]
    arguments = [
        data.draw(anything) for parameter in parameters if parameter.kind is not parameter.VAR_POSITIONAL
    ]
    with contextlib.suppress(EvaluationError):
        result = call(name, *arguments, context=Call())
        if builtin.relation:
            assert len(list(result)) > 0
