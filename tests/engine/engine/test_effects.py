"""Built-ins whose answers differ each time: where they may run, that they are recorded, and replayed exactly."""

from __future__ import annotations

import json
from typing import Any

import pytest

from doorward import Engine, EvaluationError, PolicyError
from doorward.run.effects import Effect
from doorward_dsl.capabilities import Capabilities, capabilities_document, read_capabilities

NOW = 1_700_000_000_000_000_000
KEY = '{"kty": "oct", "k": "c2VjcmV0"}'
WARD = """package p

governs postgres

allow "a lucky one" if rand.intn("coin", 1000000) >= 0
block "drawn" if { x := uuid.rfc4122("a"); startswith(x, "no") }
"""
REQUEST = {
    "principal": {"id": "ann", "kind": "human"},
    "action": {"name": "query"},
    "resource": {"kind": "postgres", "name": "shop"},
    "postgres": {"statement": "select 1"},
}


def allowing(*hosts: str, without: tuple[str, ...] = ()) -> Capabilities:
    document = capabilities_document()
    document["builtins"] = [entry for entry in document["builtins"] if entry["name"] not in without]
    document["allow_net"] = list(hosts)
    return read_capabilities(json.dumps(document))


def test_a_decision_does_without_them() -> None:
    decision = Engine.from_sources({"p.ward": WARD}).decide(REQUEST, now_ns=NOW)
    assert decision.verdict == "block"
    assert {error.code for error in decision.errors} == {"eval_builtin_error"}
    assert any(
        "rand.intn: its answers differ each time, and it is not granted here" in e.message
        for e in decision.errors
    )
    assert decision.effects == ()


def test_a_decision_with_them_is_recorded_and_replayed() -> None:
    policies = {"p.ward": WARD}
    decision = Engine.from_sources(policies, capabilities=allowing()).decide(REQUEST, now_ns=NOW)
    assert decision.verdict == "allow"
    assert [effect.name for effect in decision.effects] == ["rand.intn", "uuid.rfc4122"]
    assert decision.effects[0].arguments == '["coin",1000000]'
    kept = [Effect(**one) for one in json.loads(decision.to_json())["effects"]]
    assert tuple(kept) == decision.effects
    # no grant is needed where nothing is asked
    again = Engine.from_sources(policies).decide(REQUEST, now_ns=NOW, replaying=kept)
    assert (again.verdict, again.reasons, again.effects) == ("allow", decision.reasons, decision.effects)


def test_a_replayed_answer_decides() -> None:
    engine = Engine.from_sources({"p.ward": WARD}, capabilities=allowing())
    effects = engine.decide(REQUEST, now_ns=NOW).effects
    drawn = [
        Effect(e.name, e.digest, e.arguments, '"no"') if e.name == "uuid.rfc4122" else e for e in effects
    ]
    assert engine.decide(REQUEST, now_ns=NOW, replaying=drawn).verdict == "block"


@pytest.mark.parametrize(
    "query",
    [
        'x := [rand.intn("a", 1000000000), rand.intn("b", 1000000000)]',
        'x := uuid.rfc4122("a")',
        'x := net.lookup_ip_addr("127.0.0.1")',
        f'x := io.jwt.encode_sign({{"alg": "HS256"}}, {{"a": 1}}, {KEY})',
        'x := rand.intn("a", 1000000000) with input as 1',
        'x := {rand.intn("a", 1000000000) | some i in [1, 2, 3]}',
    ],
)
def test_queries_replay(query: str) -> None:
    engine = Engine.from_sources({})
    recorded: list[Effect] = []
    answers = engine.query(query, recording=recorded)
    assert answers
    assert recorded
    assert engine.query(query, replaying=recorded) == answers
    replayed: list[Effect] = []
    engine.query(query, replaying=recorded, recording=replayed)
    assert replayed == recorded


def test_the_same_question_is_asked_once_an_evaluation() -> None:
    recorded: list[Effect] = []
    query = 'x := {rand.intn("a", 1000000000) | some i in numbers.range(1, 50)}'
    (answer,) = Engine.from_sources({}).query(query, recording=recorded)
    assert len(answer["x"]) == len(recorded) == 1


def test_what_was_not_recorded_is_not_asked() -> None:
    engine = Engine.from_sources({})
    with pytest.raises(EvaluationError, match=r"rand\.intn: this call was not recorded"):
        engine.query('rand.intn("a", 5, x)', replaying=[], strict_builtin_errors=True)


def test_a_failure_is_recorded_and_replayed() -> None:
    engine = Engine.from_sources({})
    query = 'x := http.send({"method": "get", "url": "http://127.0.0.1:9/"})'
    messages = []
    recorded: list[Effect] = []
    for options in ({"recording": recorded}, {"replaying": recorded}):
        with pytest.raises(EvaluationError) as caught:
            engine.query(query, strict_builtin_errors=True, **options)
        messages.append((caught.value.code, str(caught.value)))
    assert messages[0] == messages[1]
    assert "the network is not open to policies here" in messages[0][1]
    assert recorded[0].result == ""
    assert recorded[0].error.startswith("eval_builtin_error: http.send: the network")


def test_no_key_is_recorded() -> None:
    recorded: list[Effect] = []
    query = f'x := io.jwt.encode_sign({{"alg": "HS256"}}, {{"a": 1}}, {KEY})'
    Engine.from_sources({}).query(query, recording=recorded)
    assert recorded[0].arguments == '[{"alg":"HS256"},{"a":1}]'


def test_a_mocked_one_is_neither_granted_nor_recorded() -> None:
    policy = 'package p\nq := x if { x := rand.intn("a", 9) with rand.intn as 7 }\n'
    recorded: list[Effect] = []
    engine = Engine.from_sources({"p.rego": policy}, capabilities=allowing())
    assert engine.query("data.p.q = x", recording=recorded) == [{"x": 7}]
    assert recorded == []


def test_a_built_in_that_is_not_held_is_a_compile_error() -> None:
    allowed = allowing(without=("rand.intn",))
    with pytest.raises(PolicyError, match=r"undefined function `rand\.intn`"):
        Engine.from_sources({"p.ward": WARD}, capabilities=allowed)
    with pytest.raises(PolicyError, match=r"undefined function `rand\.intn`"):
        Engine.from_sources({}, capabilities=allowed).query('rand.intn("a", 5) = x')
    with pytest.raises(PolicyError, match=r"undefined function `rand\.intn`"):
        Engine.from_sources({}, capabilities=allowed).query("input = x", input_term='rand.intn("a", 5)')


@pytest.mark.parametrize(
    ("hosts", "name", "says"),
    [
        ((), "localhost", "the network is not open to policies here"),
        (("example.com",), "localhost", "disallowed host: localhost"),
        (("LocalHost.",), "localhost", None),
        (("localhost",), "LOCALHOST", None),
    ],
)
def test_hosts(hosts: tuple[str, ...], name: str, says: str | None) -> None:
    engine = Engine.from_sources({}, capabilities=allowing(*hosts))

    def ask() -> list[dict[str, Any]]:
        return engine.query(f'x := net.lookup_ip_addr("{name}")', strict_builtin_errors=True)

    if says is None:
        assert "127.0.0.1" in ask()[0]["x"]
    else:
        with pytest.raises(EvaluationError, match=says):
            ask()


def test_capabilities_are_part_of_the_revision() -> None:
    """What decides otherwise under other capabilities must not pass for the same."""
    policies = {"p.ward": WARD}
    engines = [
        Engine.from_sources(policies),
        *(
            Engine.from_sources(policies, capabilities=capabilities)
            for capabilities in (
                allowing(),
                allowing("example.org"),
                allowing("example.org", "example.com"),
                allowing(without=("io.jwt.encode_sign",)),
            )
        ),
    ]
    assert len({engine.revision for engine in engines}) == len(engines)
    assert all(engine.decide(REQUEST, now_ns=NOW).revision == engine.revision for engine in engines)
    again = Engine.from_sources(policies, capabilities=allowing("example.com", "example.org"))
    assert again.revision == engines[3].revision
    assert [engine.waits for engine in engines] == [False, False, True, True, False]
