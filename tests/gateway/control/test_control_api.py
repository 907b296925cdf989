"""The control API over real HTTP."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from google.protobuf.duration_pb2 import Duration
from tests.support.control import ControlNode, running_node, token_of

from doorward_gateway.approvals import Operation, Requirement
from doorward_gateway.attribution import Attribution
from doorward_gateway.control import ControlServer
from doorward_gateway.errors import CredentialRefused, GatewayError
from doorward_gateway.identity.model import STATIC_ISSUER
from doorward_gateway.recording.verify import verify_record
from doorward_gateway.sessions import LiveSession
from doorward_proto.v1 import decision_pb2 as pb

WANTED = {
    "resource": "warehouse",
    "purpose": "figures",
    "run": "r1",
    "branch": "b",
    "step": "2",
    "trace_id": "t",
}


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[ControlNode]:
    async with running_node(tmp_path) as node:
        yield node


@pytest.fixture
async def http(node: ControlNode) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=node.url, timeout=15, trust_env=False) as client:
        yield client


def as_(name: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token_of(name)}"}


def allow(**credential: Any) -> pb.Decision:
    reason = pb.Reason(id="shop:3", verb="allow", text="analysts may", place="shop.ward:3:1")
    return pb.Decision(verdict=pb.VERDICT_ALLOW, reasons=[reason], credential=pb.Credential(**credential))


def error(response: httpx.Response, status: int) -> dict[str, Any]:
    assert response.status_code == status, response.text
    assert response.headers["cache-control"] == "no-store"
    found: dict[str, Any] = response.json()["error"]
    return found


async def test_a_credential_is_issued_as_policy_says(node: ControlNode, http: httpx.AsyncClient) -> None:
    node.rule = lambda _: allow(ttl=Duration(seconds=60), single_use=True, role="reader")
    response = await http.post("/v1/credentials", json=WANTED, headers=as_("ana"))
    assert response.status_code == 201
    issued = response.json()
    assert (issued["ttl_ms"], issued["single_use"], issued["role"]) == (60_000, True, "reader")
    assert issued["connection"] == {
        "host": "127.0.0.1",
        "port": 6432,
        "tls": True,
        "user": "ana",
        "database": "warehouse",
    }
    (asked,) = node.asked
    assert asked["action"] == {"name": "issue_credential"}
    assert asked["principal"]["id"] == "ana"
    assert asked["principal"]["groups"] == ["analysts"]
    assert asked["resource"] == {
        "kind": "postgres",
        "name": "warehouse",
        "environment": "prod",
        "labels": {"team": "data"},
    }
    assert asked["session"]["purpose"] == "figures"
    assert asked["session"]["client_address"] == "127.0.0.1"
    grant = await node.credentials.redeem(issued["secret"], "warehouse")
    assert grant.credential_id == issued["id"]
    assert grant.attribution.document() == {k: v for k, v in WANTED.items() if k != "resource"}
    (record,) = node.records("credential")
    assert record.body["event"] == "issued"
    assert record.body["grant"]["id"] == issued["id"]
    everything = b"".join(path.read_bytes() for path in node.directory.rglob("*") if path.is_file())
    assert issued["secret"].encode() not in everything


@pytest.mark.parametrize(("ttl", "expected"), [(0, 90_000), (7200, 3_600_000), (5, 5_000)])
async def test_the_life_of_a_credential_is_bounded(
    node: ControlNode, http: httpx.AsyncClient, ttl: int, expected: int
) -> None:
    node.rule = lambda _: allow(ttl=Duration(seconds=ttl))
    response = await http.post("/v1/credentials", json=WANTED, headers=as_("ana"))
    assert response.json()["ttl_ms"] == expected


@pytest.mark.parametrize("verdict", [pb.VERDICT_BLOCK, pb.VERDICT_UNSPECIFIED, 99])
async def test_a_block_is_a_403_with_reasons_and_a_record(
    node: ControlNode, http: httpx.AsyncClient, verdict: int
) -> None:
    reason = pb.Reason(id="shop:4", verb="block", text="the contract has ended", place="shop.ward:4:1")
    node.rule = lambda _: pb.Decision(verdict=verdict, reasons=[reason])  # type: ignore[arg-type]
    found = error(await http.post("/v1/credentials", json=WANTED, headers=as_("ana")), 403)
    assert found["code"] == "blocked"
    assert found["message"] == "the contract has ended"
    assert found["reasons"][0]["place"] == "shop.ward:4:1"
    (record,) = node.records("credential")
    assert (record.body["event"], record.body["decision"]["verdict"]) == ("refused", "block")
    assert await node.credentials.entries(live_only=False) == []


async def test_a_role_that_the_resource_lacks_is_a_block(node: ControlNode, http: httpx.AsyncClient) -> None:
    node.rule = lambda _: allow(role="superuser")
    assert (
        "superuser"
        in error(await http.post("/v1/credentials", json=WANTED, headers=as_("ana")), 403)["message"]
    )


async def test_no_engine_no_credential(node: ControlNode, http: httpx.AsyncClient) -> None:
    assert (await http.get("/readyz")).status_code == 200
    await node.engine_server.stop(None)
    found = error(await http.post("/v1/credentials", json=WANTED, headers=as_("ana")), 503)
    assert found["code"] == "engine_unavailable"
    ready = await http.get("/readyz")
    assert ready.status_code == 503
    assert "engine" in ready.json()["problems"]
    assert (await http.get("/healthz")).status_code == 200


async def test_no_record_no_credential(node: ControlNode, http: httpx.AsyncClient) -> None:
    await node.recorder.close()
    found = error(await http.post("/v1/credentials", json=WANTED, headers=as_("ana")), 503)
    assert found["code"] == "recording_unavailable"
    assert await node.credentials.entries() == []


async def test_no_state_no_credential(node: ControlNode, http: httpx.AsyncClient) -> None:
    await node.credentials.close()
    await node.approvals.close()
    assert (
        error(await http.post("/v1/credentials", json=WANTED, headers=as_("ana")), 503)["code"]
        == "state_unavailable"
    )
    assert "state" in (await http.get("/readyz")).json()["problems"]


async def test_nobody_is_let_in_without_a_token(http: httpx.AsyncClient) -> None:
    paths = [
        ("POST", "/v1/credentials"),
        ("GET", "/v1/approvals"),
        ("POST", "/v1/approvals/x/approve"),
        ("POST", "/v1/approvals/x/refuse"),
        ("GET", "/v1/sessions"),
        ("GET", "/v1/credentials"),
        ("POST", "/v1/credentials/x/revoke"),
        ("GET", "/v1/approvals/x"),
        ("POST", "/v1/kill"),
        ("POST", "/v1/sessions/x/kill"),
    ]
    wrong: list[dict[str, str]] = [
        {},
        {"Authorization": "Bearer wrong"},
        {"Authorization": "Bearer"},
        {"Authorization": "Basic " + token_of("ana")},
        {"Authorization": "Bearer " + "x" * 20_000},
        {"Authorization": token_of("ana")},
    ]
    for method, path in paths:
        for headers in wrong:
            response = await http.request(method, path, headers=headers)
            assert error(response, 401)["code"] == "unauthenticated"
            assert response.headers["www-authenticate"] == "Bearer"


BAD_REQUESTS = [
    (b"{", 400),
    (b"[]", 400),
    (b"", 400),
    (b'{"resource": "warehouse"}', 400),
    (b'{"resource": "warehouse", "purpose": 1}', 400),
    (b'{"resource": "warehouse", "purpose": "p", "role": "admin"}', 400),
    (b'{"resource": "warehouse", "purpose": "a\\u001bb"}', 400),
    (b'{"resource": "warehouse", "purpose": "%s"}' % (b"x" * 600), 400),
    (b'{"resource": "other", "purpose": "p"}', 404),
    (b'{"resource": "warehouse", "purpose": "%s"}' % (b"x" * 70_000), 413),
    (b"[" * 5000, 400),
    (b"\xff\xfe", 400),
]


async def test_bad_requests_are_told_so(node: ControlNode, http: httpx.AsyncClient) -> None:
    for content, status in BAD_REQUESTS:
        error(await http.post("/v1/credentials", content=content, headers=as_("ana")), status)
    assert node.asked == []


async def test_unknown_paths_and_methods(http: httpx.AsyncClient) -> None:
    assert error(await http.get("/nothing"), 404)["code"] == "not_found"
    assert error(await http.put("/v1/credentials"), 405)["code"] == "method_not_allowed"


async def ask(node: ControlNode) -> str:
    dora = {"id": "dora", "kind": "human", "issuer": STATIC_ISSUER}
    operation = Operation("h", dora, "warehouse", "update x", session_id="ses_1")
    requirement = Requirement("shop:9", frozenset({"dba"}), 60_000, "writes wait")
    approval = await node.approvals.ask(operation, requirement)
    return str(approval.id)


async def test_approvals_are_shown_to_whom_they_concern(node: ControlNode, http: httpx.AsyncClient) -> None:
    id_ = await ask(node)
    for name, sees in (("omar", True), ("dora", True), ("sec", True), ("ana", False)):
        document = (await http.get("/v1/approvals", headers=as_(name))).json()
        assert [entry["id"] for entry in document["approvals"]] == ([id_] if sees else []), name


async def test_an_approval_through_the_api(node: ControlNode, http: httpx.AsyncClient) -> None:
    id_ = await ask(node)
    waiting = asyncio.create_task(node.approvals.wait(id_))
    for name, code in (("dora", "own_request"), ("ana", "wrong_group"), ("agent-refunds", "not_a_person")):
        response = await http.post(f"/v1/approvals/{id_}/approve", headers=as_(name))
        assert error(response, 403)["code"] == code
    assert not waiting.done()
    response = await http.post(f"/v1/approvals/{id_}/approve", json={"reason": "ticket"}, headers=as_("omar"))
    assert response.status_code == 200
    assert response.json()["state"] == "approved"
    assert (await asyncio.wait_for(waiting, 5)).comment == "ticket"
    response = await http.post(f"/v1/approvals/{id_}/refuse", headers=as_("omar"))
    assert error(response, 409)["code"] == "not_waiting"
    error(await http.post("/v1/approvals/none/approve", headers=as_("omar")), 404)
    denied = [record.body["decided_by"] for record in node.records("approval")]
    assert denied == ["dora", "ana", "agent-refunds"]
    assert {record.session for record in node.records("approval")} == {"ses_1"}
    assert (await http.get("/v1/approvals", headers=as_("omar"))).json() == {"approvals": []}
    everything = (await http.get("/v1/approvals?all=true", headers=as_("omar"))).json()["approvals"]
    assert [entry["state"] for entry in everything] == ["approved"]


def with_consent(_document: dict[str, Any]) -> pb.Decision:
    approval = pb.Approval(statement_id="shop:7", groups=["dba"], within=Duration(seconds=30), reason="ask")
    return pb.Decision(
        verdict=pb.VERDICT_APPROVE,
        operation_hash="h1",
        approvals=[approval],
        credential=pb.Credential(ttl=Duration(seconds=9)),
    )


async def someone_waits(node: ControlNode) -> str:
    async with asyncio.timeout(5):
        while not (entries := await node.approvals.entries()):  # noqa: ASYNC110 - it comes over the wire
            await asyncio.sleep(0.01)
    return str(entries[0].id)


@pytest.mark.parametrize("verb", ["approve", "refuse"])
async def test_a_credential_can_need_consent(node: ControlNode, http: httpx.AsyncClient, verb: str) -> None:
    node.rule = with_consent
    request = asyncio.create_task(http.post("/v1/credentials", json=WANTED, headers=as_("dora")))
    id_ = await someone_waits(node)
    await http.post(f"/v1/approvals/{id_}/{verb}", headers=as_("omar"))
    response = await asyncio.wait_for(request, 10)
    if verb == "approve":
        assert response.status_code == 201
        assert response.json()["ttl_ms"] == 9_000
        assert (await node.approvals.get(id_)).state == "used"
    else:
        assert error(response, 403)["code"] == "consent_withheld"


async def test_a_client_that_goes_cancels_its_request_for_consent(node: ControlNode) -> None:
    node.rule = with_consent
    client = httpx.AsyncClient(base_url=node.url, trust_env=False)
    request = asyncio.create_task(client.post("/v1/credentials", json=WANTED, headers=as_("dora")))
    id_ = await someone_waits(node)
    request.cancel()
    await asyncio.gather(request, return_exceptions=True)
    await client.aclose()
    assert (await asyncio.wait_for(node.approvals.wait(id_), 5)).state == "cancelled"


def live(
    node: ControlNode, id_: str, principal: str, ended: list[str], credential_id: str | None = None
) -> None:
    node.sessions.add(
        LiveSession(
            id=id_,
            kind="postgres",
            principal={"id": principal, "kind": "human", "groups": [], "issuer": STATIC_ISSUER},
            resource="warehouse",
            started_at_ns=len(node.sessions),
            client_address="127.0.0.1",
            end=ended.append,
            attribution=Attribution(run="r1"),
            credential_id=credential_id,
        )
    )


async def test_sessions_are_listed_and_killed(node: ControlNode, http: httpx.AsyncClient) -> None:
    issued = await node.credentials.issue(
        principal={"id": "ana", "issuer": STATIC_ISSUER},
        resource="warehouse",
        attribution=Attribution(),
        ttl_ms=60_000,
        single_use=False,
    )
    ended: list[str] = []
    live(node, "s1", "ana", ended, issued.grant.credential_id)
    live(node, "s2", "dora", ended)

    async def listed(name: str) -> list[str]:
        sessions = (await http.get("/v1/sessions", headers=as_(name))).json()["sessions"]
        return [session["id"] for session in sessions]

    assert (await listed("sec"), await listed("ana"), await listed("omar")) == (["s1", "s2"], ["s1"], [])
    error(await http.post("/v1/sessions/s1/kill", headers=as_("omar")), 404)
    error(await http.post("/v1/sessions/none/kill", headers=as_("sec")), 404)
    assert ended == []
    response = await http.post("/v1/sessions/s1/kill", json={"reason": "off-boarded"}, headers=as_("sec"))
    assert response.json() == {"ended": ["s1"], "revoked": 1}
    assert ended == ["ended by sec: off-boarded"]
    with pytest.raises(CredentialRefused, match="revoked"):
        await node.credentials.redeem(issued.secret, "warehouse")
    (record,) = node.records("kill")
    assert (record.session, record.body["by"], record.body["reason"]) == ("s1", "sec", "off-boarded")
    assert (await http.post("/v1/sessions/s2/kill", headers=as_("dora"))).status_code == 200
    assert verify_record(node.config.recording.directory).problem is None


async def credential(node: ControlNode, principal: str, run: str | None = None) -> Any:
    return await node.credentials.issue(
        principal={"id": principal, "issuer": STATIC_ISSUER},
        resource="warehouse",
        attribution=Attribution(run=run),
        ttl_ms=60_000,
        single_use=False,
    )


async def test_the_kill_switch(node: ControlNode, http: httpx.AsyncClient) -> None:
    ended: list[str] = []
    mine, agents = await credential(node, "ana"), await credential(node, "agent-refunds", "r9")
    used = await credential(node, "dora")
    live(node, "s1", "ana", ended)
    live(node, "s2", "dora", ended, used.grant.credential_id)
    live(node, "s3", "dora", ended)

    async def kill(name: str, **body: str) -> httpx.Response:
        return await http.post("/v1/kill", json=body, headers=as_(name))

    error(await kill("sec"), 400)
    error(await kill("sec", session="s1"), 400)
    error(await kill("ana", principal="dora"), 403)
    other = {"credential": agents.grant.credential_id}
    assert (await kill("ana", **other)).json() == {"ended": [], "revoked": 0}
    assert (await kill("ana", run="r9")).json() == {"ended": [], "revoked": 0}
    assert ended == []
    assert (await kill("sec", run="r9")).json() == {"ended": [], "revoked": 1}
    assert (await kill("sec", principal="dora", reason="gone")).json() == {
        "ended": ["s2", "s3"],
        "revoked": 1,
    }
    assert ended == ["ended by sec: gone"] * 2
    left = [entry.grant.credential_id for entry in await node.credentials.entries()]
    assert left == [mine.grant.credential_id]
    assert (await kill("ana", resource="warehouse")).json() == {"ended": ["s1"], "revoked": 1}
    assert [record.session for record in node.records("kill")] == ["", "s2", "s3", "s1"]


async def test_credentials_are_listed_and_revoked(node: ControlNode, http: httpx.AsyncClient) -> None:
    anas, doras = await credential(node, "ana"), await credential(node, "dora")

    async def listed(name: str, query: str = "") -> list[str]:
        response = await http.get(f"/v1/credentials{query}", headers=as_(name))
        assert "dwc_" not in response.text
        return sorted(entry["id"] for entry in response.json()["credentials"])

    ids = anas.grant.credential_id, doras.grant.credential_id
    assert await listed("ana") == [ids[0]]
    assert await listed("sec") == sorted(ids)
    error(await http.post(f"/v1/credentials/{ids[1]}/revoke", headers=as_("ana")), 404)
    response = await http.post(
        f"/v1/credentials/{ids[0]}/revoke", json={"reason": "lost"}, headers=as_("ana")
    )
    assert response.json() == {"revoked": ids[0]}
    assert (await listed("ana"), await listed("ana", "?all=true")) == ([], [ids[0]])
    (record,) = node.records("credential")
    assert (record.body["event"], record.body["by"], record.body["reason"]) == ("revoked", "ana", "lost")
    error(await http.post(f"/v1/credentials/{ids[0]}/revoke", headers=as_("ana")), 404)


async def test_an_approval_is_shown_with_its_history(node: ControlNode, http: httpx.AsyncClient) -> None:
    id_ = await ask(node)
    await http.post(f"/v1/approvals/{id_}/approve", headers=as_("ana"))
    await http.post(f"/v1/approvals/{id_}/refuse", json={"reason": "no"}, headers=as_("omar"))
    document = (await http.get(f"/v1/approvals/{id_}", headers=as_("dora"))).json()
    assert document["state"] == "refused"
    told = [(event["event"], event["actor"]) for event in document["history"]]
    assert told == [("opened", "dora"), ("denied", "ana"), ("refused", "omar")]
    error(await http.get(f"/v1/approvals/{id_}", headers=as_("ana")), 404)
    error(await http.get("/v1/approvals/none", headers=as_("sec")), 404)


async def test_a_session_ends_also_when_that_cannot_be_recorded(
    node: ControlNode, http: httpx.AsyncClient
) -> None:
    ended: list[str] = []
    live(node, "s1", "ana", ended)
    await node.recorder.close()
    error(await http.post("/v1/sessions/s1/kill", headers=as_("ana")), 503)
    assert len(ended) == 1


async def test_an_address_in_use_is_told(node: ControlNode) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        from doorward_gateway.config import HostPort

        with pytest.raises(GatewayError, match="cannot listen"):
            await ControlServer.start(lambda *_: None, HostPort("127.0.0.1", taken.getsockname()[1]))  # type: ignore[arg-type,return-value]
