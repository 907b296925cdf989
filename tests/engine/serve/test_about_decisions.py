"""What the service tells about decisions and revisions: Explain, Query, WatchRevision."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from tests.support.served import PATIENCE, Served, served, write_policies

from doorward import Engine
from doorward_proto.v1 import decision_pb2 as pb

WARD = """package acme

governs postgres

allow "analysts read" if { "analysts" in principal.groups; sql.read_only }
mask customers.ssn with partial(4)
block "not from outside" unless startswith(session.client_address, "10.")
"""
REGO = """package lib

import rego.v1

users := {"ana": ["analysts"], "bo": []}

groups contains name if some name in users[input.user]

big := 1180591620717411303424

uneven contains x if some x in numbers.range(1, 5)
"""


def document(**sections: Any) -> dict[str, Any]:
    return {
        "principal": {"id": "ann", "kind": "human", "groups": ["analysts"]},
        "action": {"name": "query"},
        "resource": {"kind": "postgres", "name": "shop"},
        "session": {"client_address": "10.0.0.1"},
        "postgres": {"statement": "select 1"},
        **sections,
    }


FILES = {"acme.ward": WARD, "lib.rego": REGO}


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(write_policies(tmp_path_factory.mktemp("policies"), FILES)) as engine:
        yield engine


@pytest.fixture(scope="module")
def stub(engine: Served) -> Iterator[Any]:
    with engine.stub() as stub:
        yield stub


def explain(stub: Any, asked: dict[str, Any] | bytes, **more: Any) -> pb.ExplainResponse:
    body = asked if isinstance(asked, bytes) else json.dumps(asked).encode()
    request = pb.ExplainRequest(request=pb.DecideRequest(request_id="7", json=body), **more)
    response: pb.ExplainResponse = stub.Explain(request, timeout=PATIENCE)
    return response


# --- Explain ---


@pytest.mark.parametrize(
    "sections",
    [
        {},
        {"principal": {"id": "bo", "groups": []}},
        {"session": {"client_address": "192.168.0.1"}},
        {"postgres": {"statement": "delete from customers"}},
    ],
)
def test_an_explanation_says_what_the_library_says(stub: Any, sections: dict[str, Any]) -> None:
    asked = document(**sections)
    instant = 1_700_000_000_123_456_789
    request = pb.ExplainRequest(request=pb.DecideRequest(json=json.dumps(asked).encode()), nearest=True)
    request.instant.FromNanoseconds(instant)
    told = stub.Explain(request, timeout=PATIENCE).explanation
    wanted = Engine.from_sources(FILES).explain(asked, now_ns=instant).to_dict()

    names = {0: None, 1: "held", 2: "not_held", 3: "errored", 4: "unknown"}
    verdicts = {1: "block", 2: "approve", 3: "allow"}
    assert verdicts[told.decision.verdict] == wanted["decision"]["verdict"]
    assert [one.text for one in told.decision.reasons] == [r["text"] for r in wanted["decision"]["reasons"]]
    assert json.loads(told.decision.facts) == wanted["decision"]["facts"]
    assert [
        {
            "id": one.id,
            "verb": one.verb,
            "reason": one.reason,
            "place": one.place,
            "outcome": names[one.outcome],
            "determining": one.determining,
            "says": list(one.says),
            "conditions": json.loads(one.conditions),
            "error": None,
        }
        for one in told.statements
    ] == json.loads(json.dumps(wanted["statements"]))
    if wanted["nearest"] is None:
        assert not told.HasField("nearest")
    else:
        assert verdicts[told.nearest.verdict] == wanted["nearest"]["verdict"]
        assert [
            {
                "op": {1: "set", 2: "add", 3: "remove"}[change.op],
                "path": json.loads(change.path),
                "value": json.loads(change.value),
                **({"instead_of": json.loads(change.instead_of)} if change.instead_of else {}),
                "text": change.text,
                "derived": change.derived,
            }
            for change in told.nearest.changes
        ] == wanted["nearest"]["changes"]
    assert (told.searched, told.incomplete) == (wanted["searched"], not wanted["complete"])


def test_the_nearest_allow_is_looked_for_where_it_is_wanted(stub: Any) -> None:
    blocked = document(principal={"id": "bo", "groups": []})
    told = explain(stub, blocked, nearest=True).explanation
    assert [change.text for change in told.nearest.changes] == ['"analysts" in principal.groups']
    assert explain(stub, blocked).explanation.searched == 0


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        (b"{", pb.Failure.CODE_INVALID_REQUEST),
        (b'{"princpal": {}}', pb.Failure.CODE_INVALID_REQUEST),
        (b"[" * 100_000, pb.Failure.CODE_INVALID_REQUEST),
    ],
)
def test_what_cannot_be_explained_is_said_to_be(stub: Any, asked: bytes, code: int) -> None:
    response = explain(stub, asked, nearest=True)
    assert response.request_id == "7"
    assert (response.failure.code, bool(response.failure.message)) == (code, True)


def test_an_explanation_needs_a_document_a_known_catalogue_and_an_instant_that_is_one(stub: Any) -> None:
    nothing = stub.Explain(pb.ExplainRequest(), timeout=PATIENCE)
    assert nothing.failure.code == pb.Failure.CODE_INVALID_REQUEST
    asked = pb.DecideRequest(json=json.dumps(document()).encode(), catalogue="0" * 64)
    unknown = stub.Explain(pb.ExplainRequest(request=asked), timeout=PATIENCE)
    assert unknown.failure.code == pb.Failure.CODE_UNKNOWN_CATALOGUE
    asked.catalogue = ""
    never = pb.ExplainRequest(request=asked)
    never.instant.seconds = 1 << 62
    assert stub.Explain(never, timeout=PATIENCE).failure.code == pb.Failure.CODE_INVALID_REQUEST


# --- Query ---

SLOW = "count([1 | some i in numbers.range(1, 3000); some j in numbers.range(1, 3000); i == j * 4001]) = x"


def query(stub: Any, text: str, given: Any = None, **more: Any) -> pb.QueryResponse:
    sent = b"" if given is None else json.dumps(given).encode()
    response: pb.QueryResponse = stub.Query(pb.QueryRequest(query=text, input=sent, **more), timeout=PATIENCE)
    return response


def answers(response: pb.QueryResponse) -> list[Any]:
    assert response.WhichOneof("outcome") == "answers", response
    return [json.loads(binding) for binding in response.answers.bindings]


def test_a_query_has_an_object_for_each_answer(engine: Served, stub: Any) -> None:
    response = query(stub, "data.lib.groups = x", {"user": "ana"})
    assert answers(response) == [{"x": ["analysts"]}]
    assert response.revision == engine.ready["revision"]
    assert answers(query(stub, "some x in [1, 2]")) == [{"x": 1}, {"x": 2}]
    assert answers(query(stub, "1 = 2")) == []
    assert answers(query(stub, "input")) == []
    assert answers(query(stub, "data.lib.big = x")) == [{"x": 1180591620717411303424}]


def test_a_query_stands_in_a_package_and_has_a_clock(stub: Any) -> None:
    assert answers(query(stub, "uneven = x", within="package lib")) == [{"x": [1, 2, 3, 4, 5]}]
    request = pb.QueryRequest(query="time.now_ns() = x")
    request.instant.FromNanoseconds(17)
    assert answers(stub.Query(request, timeout=PATIENCE)) == [{"x": 17}]


def test_a_built_in_that_fails_fails_the_query_where_that_is_asked_for(stub: Any) -> None:
    assert answers(query(stub, "x := 1 / 0")) == []
    (problem,) = query(stub, "x := 1 / 0", strict_builtin_errors=True).errors.errors
    assert problem.code == "eval_builtin_error"


@pytest.mark.parametrize(
    ("text", "within", "code", "place"),
    [
        ("x = ", "", "rego_parse_error", "<query>:1:4"),
        ("", "", "rego_parse_error", ""),
        ("data.nothing.at.all + y", "", "rego_unsafe_var_error", "<query>:1:"),
        ("x := 1", "package", "rego_parse_error", "query:1:"),
        ("count(1, 2, 3)", "", "rego_type_error", "<query>:1:"),
        (SLOW, "", "eval_budget_error", ""),
    ],
)
def test_a_query_that_is_none_or_takes_too_much_is_refused(
    stub: Any, text: str, within: str, code: str, place: str
) -> None:
    response = query(stub, text, within=within)
    problem = response.errors.errors[0]
    assert (problem.code, bool(problem.message)) == (code, True)
    assert problem.place.startswith(place)


@pytest.mark.parametrize("given", [b"{", b"nonsense", b"[" * 100_000, b"1e99999", b"\xff"])
def test_an_input_that_is_no_json_is_refused(stub: Any, given: bytes) -> None:
    response = stub.Query(pb.QueryRequest(query="input = x", input=given), timeout=PATIENCE)
    assert response.failure.code == pb.Failure.CODE_INVALID_REQUEST


def test_an_endless_query_is_refused(stub: Any) -> None:
    response = query(stub, "x = [" + "1," * 70_000 + "]")
    assert response.failure.code == pb.Failure.CODE_INVALID_REQUEST


def test_decisions_do_not_wait_for_queries_and_too_many_queries_are_refused(tmp_path: Path) -> None:
    policies = write_policies(tmp_path, FILES)
    flags = ("--evaluation-ms", "3000", "--evaluation-steps", "100000000")
    with served(policies, *flags) as engine, engine.stub() as stub:
        asked = [stub.Query.future(pb.QueryRequest(query=SLOW), timeout=PATIENCE) for _ in range(40)]
        took = []
        request = pb.DecideRequest(json=json.dumps(document()).encode())
        for _ in range(20):
            begin = time.perf_counter()
            assert stub.Decide(request, timeout=PATIENCE).decision.verdict == pb.VERDICT_ALLOW
            took.append(time.perf_counter() - begin)
        assert not all(one.done() for one in asked)
        assert sorted(took)[10] < 1.0  # of queries that take three seconds each
        until = time.monotonic() + PATIENCE
        while not (refused := [one for one in asked if one.done() and one.exception() is not None]):
            assert time.monotonic() < until
        assert {one.code() for one in refused} == {grpc.StatusCode.RESOURCE_EXHAUSTED}
        assert len(refused) <= 40 - 18
        for one in asked:
            one.cancel()
        # the turns of those who gave up are given back
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            try:
                assert answers(query(stub, "1 = x")) == [{"x": 1}]
                break
            except grpc.RpcError as error:
                assert error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED  # noqa: PT017


# --- WatchRevision ---


def test_whoever_watches_is_told_of_every_change_until_the_service_stops(tmp_path: Path) -> None:
    good = "package p\n\ngoverns postgres\n\nallow if sql.read_only\n"
    policies = write_policies(tmp_path, {"p.ward": good})
    with served(policies) as engine, engine.stub() as stub:
        states = stub.WatchRevision(pb.WatchRevisionRequest(), timeout=PATIENCE * 3)
        first = next(states).state
        assert first.revision == engine.ready["revision"]
        assert first == stub.GetRevision(pb.GetRevisionRequest(), timeout=PATIENCE)

        (policies / "p.ward").write_text(good + "nonsense\n")
        broken = next(states).state
        assert broken.revision == first.revision
        assert "p.ward:6:" in broken.rejected

        (policies / "p.ward").write_text(good + "block if sql.writes\n")
        mended = next(states).state
        assert (mended.rejected, mended.statements) == ("", 2)
        assert mended.revision != first.revision

        stopped = threading.Thread(target=engine.stop)
        stopped.start()
        assert list(states) == []
        stopped.join(PATIENCE)
        assert engine.process.returncode == 0
