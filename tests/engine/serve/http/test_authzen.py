"""AuthZEN 1.0: what is asked becomes an access request, and what is not permitted is not."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from tests.support.http import Http, http_of

from doorward.serve.http.authzen import Evaluation, document_of
from doorward.serve.http.settings import HttpSettings
from doorward.serve.point import Unanswered

pytestmark = pytest.mark.asyncio(loop_scope="module")

POLICIES = {
    "todo.kind.json": json.dumps(
        {
            "type": "object",
            "properties": {"owner": {"type": "string"}, "status": {"type": "string"}},
        }
    ),
    "todo.ward": """
package todos

governs todo

allow "everybody reads" if action.name == "read"

allow "owners write" if {
    action.name == "write"
    todo.owner == principal.id
}

block "nobody writes on holiday" if session.purpose == "holiday"

approve "deleting is looked at" by "admins" within 5m if action.name == "delete"

allow "admins delete" if action.name == "delete"

allow "log in" if action.name == "issue_credential"

credential "for an hour" ttl 1h if true
""",
    "http.ward": """
package api

governs http

allow if startswith(http.path, "/customers")

mask "mail stays here" $.email with redact if http.path == "/customers/1"

block "no agents" if principal.kind == "agent"

block "tired" if principal.claims.tired
""",
}

ANA = {"type": "user", "id": "ana"}
TODO = {"type": "todo", "id": "7"}
READ = {"name": "read"}
WRITE = {"name": "write"}
CUSTOMER = {"name": "call", "properties": {"method": "GET", "target": "/customers/1"}}
API = {"type": "http", "id": "api"}


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def served(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Http]:
    async with http_of(tmp_path_factory.mktemp("authzen"), POLICIES) as http:
        yield http


async def ask(served: Http, body: Any, path: str = "evaluation", **more: Any) -> httpx.Response:
    return await served.client.post(f"/access/v1/{path}", json=body, **more)


@pytest.mark.parametrize(
    ("body", "permitted"),
    [
        ({"subject": ANA, "action": READ, "resource": TODO}, True),
        ({"subject": ANA, "action": WRITE, "resource": TODO}, False),
        ({"subject": ANA, "action": WRITE, "resource": {**TODO, "properties": {"owner": "ana"}}}, True),
        ({"subject": ANA, "action": {**WRITE, "properties": {"owner": "ana"}}, "resource": TODO}, True),
        ({"subject": ANA, "action": WRITE, "resource": TODO, "context": {"owner": "ana"}}, True),
        ({"subject": ANA, "action": WRITE, "resource": {**TODO, "properties": {"owner": "eve"}}}, False),
        (
            {"subject": ANA, "action": {"name": "delete"}, "resource": TODO},
            False,
        ),  # a consent is not a permission
        ({"subject": ANA, "action": {"name": "fly"}, "resource": TODO}, False),
        ({"subject": ANA, "action": READ, "resource": TODO, "context": {"purpose": "holiday"}}, False),
        (
            {"subject": ANA, "action": READ, "resource": TODO, "context": {"time": "1985-10-26T01:22-07:00"}},
            True,
        ),
        ({"subject": ANA, "action": READ, "resource": {"type": "planet", "id": "mars"}}, False),
        ({"subject": ANA, "action": READ, "resource": TODO, "later": {"version": 2}}, True),
        (
            {
                "subject": ANA,
                "action": {"name": "call", "properties": {"method": "GET", "target": "/customers"}},
                "resource": API,
            },
            True,
        ),
        (
            {
                "subject": {**ANA, "properties": {"tired": True, "groups": ["staff"]}},
                "action": {"name": "call", "properties": {"method": "GET", "target": "/customers"}},
                "resource": API,
            },
            False,
        ),
    ],
)
async def test_decisions(served: Http, body: dict[str, Any], permitted: bool) -> None:
    answer = await ask(served, body)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["decision"] is permitted
    assert "error" not in answer.json()["context"]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"subject": {"type": "robot", "id": "r"}, "action": READ, "resource": TODO}, "`robot`"),
        (
            {"subject": ANA, "action": READ, "resource": {**TODO, "properties": {"labels": 7}}},
            "`resource.labels`",
        ),
        (
            {"subject": {**ANA, "properties": {"groups": "x"}}, "action": READ, "resource": TODO},
            "`principal.groups`",
        ),
        ({"subject": ANA, "action": READ, "resource": TODO, "context": {"purpose": 7}}, "`session.purpose`"),
        (
            {"subject": ANA, "action": {**CUSTOMER, "properties": {"colour": 1}}, "resource": API},
            "http_request.colour",
        ),
        (
            {
                "subject": ANA,
                "action": {**WRITE, "properties": {"owner": "ana"}},
                "resource": {**TODO, "properties": {"owner": "eve"}},
            },
            "`owner` is said twice",
        ),
        ({"subject": ANA, "action": CUSTOMER, "resource": {"type": "principal", "id": "x"}}, "`principal`"),
        ({"subject": ANA, "action": CUSTOMER, "resource": {"type": "resource", "id": "x"}}, "`resource`"),
    ],
)
async def test_what_means_nothing_here_is_not_permitted_and_says_why(
    served: Http, body: dict[str, Any], said: str
) -> None:
    answer = await ask(served, body)
    assert answer.status_code == 200
    assert answer.json()["decision"] is False
    assert answer.json()["context"]["error"]["status"] == 400
    assert said in answer.json()["context"]["error"]["message"]


async def test_a_section_that_the_kind_does_not_know_is_not_permitted(served: Http) -> None:
    body = {"subject": ANA, "action": {**READ, "properties": {"colour": "red"}}, "resource": TODO}
    assert (await ask(served, body)).json()["decision"] is False


def without(change: str) -> bytes:
    """A request in which something is missing, or another thing."""
    whole: dict[str, Any] = {"subject": ANA, "action": READ, "resource": {"type": "t", "id": "1"}}
    whole.update(json.loads(change))
    return json.dumps(whole).encode()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"garbage",
        b"[]",
        b"{}",
        without('{"subject": {"type": "user"}}'),
        without('{"subject": {"type": "user", "id": 7}}'),
        without('{"action": "read"}'),
        without('{"resource": null}'),
        without('{"context": 7}'),
        without('{"resource": {"type": "t", "id": "1", "properties": []}}'),
        without("{}").replace(b"ana", b"\xff"),
        without("{}").replace(b'"1"', b"[" * 70 + b"]" * 70),
    ],
)
@pytest.mark.parametrize("path", ["evaluation", "evaluations"])
async def test_what_is_no_request_is_answered_400(served: Http, path: str, content: bytes) -> None:
    headers = {"content-type": "application/json"}
    answer = await served.client.post(f"/access/v1/{path}", content=content, headers=headers)
    assert answer.status_code == 400
    assert answer.json()["code"] == "invalid_parameter"
    assert answer.json()["message"]


async def test_another_content_type_is_answered_400(served: Http) -> None:
    for headers in ({"content-type": "text/plain"}, {}):
        answer = await served.client.post("/access/v1/evaluation", content=without("{}"), headers=headers)
        assert answer.status_code == 400


async def test_an_unknown_semantic_and_too_many_evaluations_are_answered_400(served: Http) -> None:
    one = {"subject": ANA, "action": READ, "resource": TODO}
    answer = await ask(
        served, {"evaluations": [one], "options": {"evaluations_semantic": "guess"}}, "evaluations"
    )
    assert answer.status_code == 400
    answer = await ask(served, {"evaluations": [one] * 1001}, "evaluations")
    assert answer.status_code == 400


YES = {"action": READ}
NO = {"action": {"name": "fly"}}
WRONG = {"action": 7}


@pytest.mark.parametrize(
    ("semantic", "asked", "answered"),
    [
        (None, [YES, NO, YES], [True, False, True]),
        ("execute_all", [YES, NO, WRONG, YES], [True, False, False, True]),
        ("deny_on_first_deny", [YES, YES], [True, True]),
        ("deny_on_first_deny", [YES, NO, YES], [True, False]),
        ("deny_on_first_deny", [WRONG, YES], [False]),
        ("permit_on_first_permit", [NO, WRONG, YES, NO], [False, False, True]),
        ("permit_on_first_permit", [NO, NO], [False, False]),
    ],
)
async def test_the_three_semantics(
    served: Http, semantic: str | None, asked: list[dict[str, Any]], answered: list[bool]
) -> None:
    body: dict[str, Any] = {"subject": ANA, "resource": TODO, "evaluations": asked}
    if semantic is not None:
        body["options"] = {"evaluations_semantic": semantic}
    answer = await ask(served, body, "evaluations")
    assert answer.status_code == 200
    assert answer.json().keys() == {"evaluations"}
    assert [each["decision"] for each in answer.json()["evaluations"]] == answered


async def test_what_stands_beside_evaluations_is_for_those_that_do_not_say_otherwise(served: Http) -> None:
    body = {
        "subject": {**ANA, "properties": {"tired": True}},
        "action": {"name": "call", "properties": {"method": "GET", "target": "/customers"}},
        "resource": API,
        "context": {"purpose": "x"},
        "evaluations": [{}, {"subject": ANA}, {"subject": {"id": "x"}}, {"context": {"purpose": 7}}],
    }
    answers = (await ask(served, body, "evaluations")).json()["evaluations"]
    assert [each["decision"] for each in answers] == [False, True, False, False]
    assert answers[2]["context"]["error"] == {"status": 400, "message": "`subject.type`: field required"}
    assert "error" in answers[3]["context"]


@pytest.mark.parametrize("none", [{}, {"evaluations": []}])
async def test_without_evaluations_it_is_a_single_one(served: Http, none: dict[str, Any]) -> None:
    answer = await ask(served, {"subject": ANA, "action": READ, "resource": TODO, **none}, "evaluations")
    assert answer.json()["decision"] is True


async def test_what_has_obligations_is_permitted_to_who_asks_for_them(served: Http) -> None:
    body: dict[str, Any] = {"subject": ANA, "action": CUSTOMER, "resource": API}
    assert (await ask(served, body)).json()["decision"] is False
    told = (await ask(served, {**body, "options": {"include": ["reasons"]}})).json()
    assert told["decision"] is False
    assert told["context"]["verdict"] == "allow"
    assert "options.include" in told["context"]["unmet"]
    answer = (await ask(served, {**body, "options": {"include": ["obligations"]}})).json()
    assert answer["decision"] is True
    (mask,) = answer["context"]["obligations"]["masks"]
    assert (mask["target"], mask["method"]) == ("$.email", "redact")


async def test_a_credential_is_an_obligation_and_an_approval_is_told(served: Http) -> None:
    body = {"subject": ANA, "action": {"name": "issue_credential"}, "resource": TODO}
    assert (await ask(served, body)).json()["decision"] is False
    answer = (await ask(served, {**body, "options": {"include": ["obligations"]}})).json()
    assert answer["decision"] is True
    assert answer["context"]["obligations"]["credential"]["ttl_ms"] == 3_600_000
    body = {**body, "action": {"name": "delete"}, "options": {"include": ["obligations", "reasons"]}}
    answer = (await ask(served, body)).json()
    assert answer["decision"] is False
    assert answer["context"]["verdict"] == "approve"
    assert answer["context"]["obligations"]["approvals"][0]["groups"] == ["admins"]


async def test_the_id_of_a_request_comes_back_whatever_becomes_of_it(served: Http) -> None:
    headers = {"x-request-id": "bfe9eb29-ab87-4ca3"}
    for method, path in (
        ("POST", "/access/v1/evaluation"),
        ("GET", "/nope"),
        ("DELETE", "/health"),
        ("GET", "/health"),
    ):
        answer = await served.client.request(method, path, headers=headers)
        assert answer.headers["x-request-id"] == "bfe9eb29-ab87-4ca3"
    assert "x-request-id" not in (await served.client.get("/health")).headers


async def test_the_metadata_names_what_is_offered(served: Http, tmp_path: Path) -> None:
    base = f"http://{served.address}"
    found = (await served.client.get("/.well-known/authzen-configuration")).json()
    assert found == {
        "policy_decision_point": base,
        "access_evaluation_endpoint": f"{base}/access/v1/evaluation",
        "access_evaluations_endpoint": f"{base}/access/v1/evaluations",
    }
    answer = await served.client.get("/.well-known/authzen-configuration", headers={"host": "a/b"})
    assert answer.status_code == 400
    assert (await served.client.post("/access/v1/search/subject", json={})).status_code == 404
    async with http_of(tmp_path, POLICIES, HttpSettings(public_url="https://pdp.example/x/")) as other:
        found = (await other.client.get("/.well-known/authzen-configuration")).json()
        assert found["access_evaluation_endpoint"] == "https://pdp.example/x/access/v1/evaluation"


async def test_nothing_that_is_said_is_lost() -> None:
    evaluation = Evaluation.model_validate(
        {
            "subject": {
                "type": "agent",
                "id": "a",
                "properties": {"groups": ["g"], "issuer": "i", "team": "t", "claims": 1},
            },
            "action": {"name": "call", "properties": {"method": "GET"}},
            "resource": {
                "type": "http",
                "id": "r",
                "properties": {"environment": "prod", "labels": {"a": "b"}, "target": "/"},
            },
            "context": {"run": "7", "time": "now", "body": "x"},
        }
    )
    assert document_of(evaluation) == {
        "principal": {
            "id": "a",
            "kind": "agent",
            "groups": ["g"],
            "issuer": "i",
            "claims": {"team": "t", "claims": 1},
        },
        "action": {"name": "call"},
        "resource": {"kind": "http", "name": "r", "environment": "prod", "labels": {"a": "b"}},
        "session": {"run": "7"},
        "http_request": {"method": "GET", "target": "/", "body": "x"},
    }
    with pytest.raises(Unanswered):
        document_of(evaluation.model_copy(update={"context": {"method": "PUT"}}))
