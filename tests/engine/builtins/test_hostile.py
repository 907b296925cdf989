"""Arguments meant to hurt: each is refused or answered quickly, never a crash, a hang or a heap."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doorward.run.builtins import BUILTINS
from doorward.run.builtins.metering import unfolded
from doorward.run.errors import BudgetExceeded, BuiltinError, EvaluationError

from .calls import Call, call, parameters

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


DOUBLED: dict[str, tuple[Any, Callable[[Any], Any]]] = {
    "array.concat": ([1], lambda v: call("array.concat", v, v)),
    "array.flatten": ([1], lambda v: call("array.flatten", [v, v, v])),
    "array.slice": ([1], lambda v: call("array.concat", call("array.slice", v, 0, 10**9), v)),
    "or": ({1}, lambda v: call("or", v, frozenset(member + len(v) for member in v))),
    "object.union": ({1: 1}, lambda v: call("object.union", v, {member + len(v): 1 for member in v})),
    "concat": ("ab", lambda v: call("concat", "", [v, v])),
    "sprintf": ("ab", lambda v: call("sprintf", "%v%v", [v, v])),
    "internal.template_string": ("ab", lambda v: call("internal.template_string", [v, v])),
    "replace": ("ab", lambda v: call("replace", v, "a", "aa")),
    "strings.replace_n": ("ab", lambda v: call("strings.replace_n", {"a": "aa"}, v)),
    "regex.replace": ("ab", lambda v: call("regex.replace", v, "a", "aaa")),
    "json.marshal": ('"', lambda v: call("json.marshal", v)),
    "json.unmarshal": ([1], lambda v: call("json.unmarshal", call("json.marshal", [v, v]))),
    "yaml.unmarshal": ([1], lambda v: call("yaml.unmarshal", call("yaml.marshal", [v, v]))),
    "hex.encode": ("ab", lambda v: call("hex.encode", v)),
    "base64.encode": ("ab", lambda v: call("base64.encode", call("base64.encode", v))),
    "urlquery.encode": ("%%", lambda v: call("urlquery.encode", call("concat", "", [v, v]))),
    "split": ("a,a", lambda v: call("concat", ",", call("array.concat", call("split", v, ","), [v]))),
    "mul": (2, lambda v: call("mul", v, v)),
    "bits.lsh": (2, lambda v: call("bits.lsh", v, v)),
}


@pytest.mark.parametrize("name", DOUBLED)
def test_what_is_doubled_again_and_again_is_refused_before_it_fills_the_memory(name: str) -> None:
    value, double = DOUBLED[name]
    context = Call(steps=500_000)

    def doubled() -> None:
        nonlocal value
        for _ in range(64):
            value = double(value)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(f"{__name__}.call", partial(call, context=context))
        with pytest.raises((BuiltinError, BudgetExceeded)):
            doubled()
    assert len(repr(value)) < 40_000_000


def folded(part: Any) -> Any:
    """A value of sixty parts that holds `part` 2^60 times."""
    for _ in range(60):
        part = [part, {"a": part}]
    return part


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("json.marshal", (folded(1),)),
        ("json.marshal_with_options", (folded(1), {"pretty": True})),
        ("yaml.marshal", (folded(1),)),
        ("sprintf", ("%v", [folded(1)])),
        ("internal.template_string", ([folded(1)],)),
        ("json.patch", (folded(1), [{"op": "add", "path": "/0", "value": 1}])),
        ("json.filter", ({"a": folded(1)}, ["a/0"])),
        ("json.remove", ({"a": folded(1)}, ["a/0"])),
        ("json.match_schema", ({"a": folded(1)}, {"type": "object"})),
        ("object.subset", (folded(1), folded(1))),
        ("object.union", ({"a": folded(1)}, {"a": folded(1)})),
        ("object.union_n", ([{"a": folded(1)}, {"a": folded(1)}],)),
        ("io.jwt.encode_sign", ({"alg": "HS256"}, {"a": folded(1)}, {"kty": "oct", "k": "AAAA"})),
        ("strings.render_template", ("{{.a}}", {"a": folded(1)})),
    ],
)
def test_values_that_hold_a_part_very_often_are_not_written_out(
    name: str, arguments: tuple[Any, ...]
) -> None:
    with pytest.raises(BuiltinError, match="more than 10\\^15 characters when written out"):
        call(name, *arguments)


@pytest.mark.parametrize(
    ("value", "size"),
    [
        ("abc", 3),
        (1, 0),
        ([], 16),
        (["abc", 1], 51),
        ({"ab": [1]}, 66),
        ({"a", "bc"}, 51),
        ([["a"]] * 3, 163),
    ],
)
def test_the_size_of_a_value(value: Any, size: int) -> None:
    assert unfolded(value) == size


def test_long_arguments_and_results_are_charged_for() -> None:
    context = Call()
    call("lower", "a" * 16_000, context=context)
    assert context.charged == 2_000
    call("count", "a" * 16_000, context=context)
    assert context.charged == 2_000
    call("numbers.range", 1, 500, context=context)
    assert context.charged == 2_500


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
    arguments = [
        data.draw(anything)
        for parameter in parameters(name)
        if parameter.kind is not parameter.VAR_POSITIONAL
    ]
    with contextlib.suppress(EvaluationError):
        result = call(name, *arguments, context=Call())
        if builtin.relation:
            assert len(list(result)) > 0
