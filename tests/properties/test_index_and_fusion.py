"""An index changes nothing but the cost, and statements fused into one function decide as each does alone."""

from __future__ import annotations

from collections import Counter
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from doorward.compile import CallContext, Compiled, CompileOptions, compile_program
from doorward.run.convert import to_json
from doorward_dsl import Source, parse_module, parse_query
from doorward_dsl.compile import compile_modules, compile_query

PLACES = ["input.user", "input.act", "input.all", "input.deep.a", "input.deep.b", "data.base.list"]
CONSTANTS = ['"a"', '"b"', '"c"', "1", "1.0", "true", "false", "null", '["a"]', '{"a"}', '{"a", 1}']

places = st.sampled_from(PLACES)
constants = st.sampled_from(CONSTANTS)
collections = st.sampled_from([text for text in CONSTANTS if text[0] in "[{"])
tests = st.one_of(
    st.builds("{} == {}".format, places, constants),
    st.builds("{} = {}".format, places, constants),
    st.builds("{} != {}".format, places, constants),
    st.builds("{} < {}".format, places, constants),
    st.builds("{} in {}".format, places, collections),
    st.builds("{} in {}".format, constants, places),
    st.builds("not {} == {}".format, places, constants),
    st.builds('startswith({}, "{}")'.format, places, st.sampled_from(["a", "ab", "b", ""])),
    st.builds(
        'glob.match("{}", null, {})'.format, st.sampled_from(["a*", "ab?", "*", "b", "{a,b}*"]), places
    ),
    st.builds("{}[_] == {}".format, places, constants),
    st.builds("not {}".format, places),
    places,
    st.sampled_from(
        ["helper", "count([x | some x in input.all; f(x)]) > 0", "f(input.user)", "count(input.all) > 1"]
    ),
    st.sampled_from(["to_number(input.user) > 0", 'every k, v in input.deep { v == "a"; k != "b" }']),
)
bodies = st.lists(tests, min_size=1, max_size=4).map("; ".join)
values = st.sampled_from(
    ["a", "b", "abc", 1, 1.0, True, False, None, ["a"], ["b", "a", "a", 1], [True], {"a": "a"}]
)
documents = st.fixed_dictionaries(
    {},
    optional={
        "user": values,
        "act": values,
        "all": values,
        "deep": st.one_of(st.fixed_dictionaries({}, optional={"a": values, "b": values}), values),
    },
)
PACKAGE = """package p

governs postgres

helper if input.user == "a"
helper if "b" in input.all

f("a")
f(x) if x == 1
"""


def _statement(number: int, body: str) -> str:
    return f'block "r{number}" if {{ {body} }}'


def _compile(texts: list[str], *, indexed: bool = True) -> Compiled:
    module = parse_module(Source("p.ward", PACKAGE + "\n\n" + "\n\n".join(texts) + "\n"))
    data = {"base": {"list": ["a", 1, True]}}
    return compile_program(compile_modules([module]), data, options=CompileOptions(indexed=indexed))


def _findings(policy: Compiled, document: Any) -> tuple[Counter[object], Counter[object]]:
    findings = policy.evaluate("postgres", document, CallContext(now_ns=0))
    return (
        Counter(one.payload.reason for one in findings.held),
        Counter(one.info.payload.reason if one.info else None for one in findings.errors),
    )


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(bodies, min_size=1, max_size=16), st.lists(documents, min_size=1, max_size=6))
def test_indexed_and_fused_decide_as_each_statement_alone(conditions: list[str], requests: list[Any]) -> None:
    texts = [_statement(number, body) for number, body in enumerate(conditions)]
    together, unindexed = _compile(texts), _compile(texts, indexed=False)
    alone = [_compile([text]) for text in texts]
    for request in requests:
        held: Counter[object] = Counter()
        failed: Counter[object] = Counter()
        for policy in alone:
            own_held, own_failed = _findings(policy, request)
            held += own_held
            failed += own_failed
        assert _findings(together, request) == _findings(unindexed, request) == (held, failed)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(st.tuples(bodies, st.integers(0, 2)), min_size=6, max_size=14),
    st.lists(documents, min_size=1, max_size=6),
)
def test_indexed_documents_are_worth_the_same(
    definitions: list[tuple[str, int]], requests: list[Any]
) -> None:
    texts = [f"whole := {value} if {{ {body} }}" for body, value in definitions]
    texts += [f"members contains {value} if {{ {body} }}" for body, value in definitions]
    texts += [f'keyed["k{at}"] := {value} if {{ {body} }}' for at, (body, value) in enumerate(definitions)]
    texts += [
        f"of(x) := {value} if {{ x == {CONSTANTS[at % 8]} }}" for at, (_, value) in enumerate(definitions)
    ]
    policies = [_compile(texts, indexed=indexed) for indexed in (True, False)]
    for request in requests:
        for query in ("data.p.whole", "data.p.members", "data.p.keyed", "data.p.of(input.user)"):
            first, second = (_answer(policy, query, request) for policy in policies)
            assert first == second


def _answer(policy: Compiled, query: str, document: Any) -> object:
    body = compile_query(parse_query(f"x = {query}"), policy.program)
    try:
        answers = policy.query(body, document, call=CallContext(now_ns=0, strict=False))
    except Exception as error:
        return type(error).__name__
    return repr([to_json(answer["x"]) for answer in answers])
