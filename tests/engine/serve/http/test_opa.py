"""OPA's API: what clients of OPA get here, side by side with the real one where it is on the PATH."""

from __future__ import annotations

import asyncio
import json
import shutil
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from tests.support.http import Http, http_of
from tests.support.served import PATIENCE, write_policies

from doorward.run.budget import Limits
from doorward.serve.http import opa as opa_api
from doorward_dsl.diagnostics import PolicyError

pytestmark = pytest.mark.asyncio(loop_scope="module")

POLICIES = {
    "p.rego": """
package a.b

x := 1
s := {3, 1, 2}
never if input.never
f(y) := y + 1
bad := 1 / 0
greeting := sprintf("hi %s", [input.name])
allow if input.user == "ana"
arr := ["a", ["b"]]
conflict := 1 if input.c
conflict := 2 if input.c
obj := {"k": {"n": 1}, "with space": {"a/b": "ä"}}
numbered := {7: "n7", "7": "s7"}
composite := {{"a": 1}: 2, [1]: 3}
big := 12345678901234567890123
fraction := 0.1 + 0.2
roles contains r if some r in input.roles
nulls := {"n": null, "f": false, "e": "", "l": [], "o": {}}
echo := input
default level := "low"
level := "high" if input.n > 10
partial[k] := v if some k, v in input.map
""",
    "q.rego": """
package system.health

live := true
""",
    "data.json": json.dumps(
        {"d": {"list": [1, 2], "we/ird": {"x y": 1}, "7": "seven", "deep": {"8": {"9": 1}}, "nul": None}}
    ),
}

PATHS = [
    "",
    "/a",
    "/a/b",
    "/a/b/x",
    "/a/b/x/y",
    "/a/b/s",
    "/a/b/s/1",
    "/a/b/s/9",
    "/a/b/never",
    "/a/b/f",
    "/a/b/bad",
    "/a/b/greeting",
    "/a/b/allow",
    "/a/b/arr/0",
    "/a/b/arr/1/0",
    "/a/b/arr/2",
    "/a/b/arr/00",
    "/a/b/arr/-1",
    "/a/b/conflict",
    "/a/b/obj/k/n",
    "/a/b/obj/with%20space/a%2Fb",
    "/a/b/numbered/7",
    "/a/b/composite",
    "/a/b/big",
    "/a/b/fraction",
    "/a/b/roles",
    "/a/b/roles/admin",
    "/a/b/nulls",
    "/a/b/nulls/n",
    "/a/b/nulls/f",
    "/a/b/echo",
    "/a/b/echo/user",
    "/a/b/level",
    "/a/b/partial",
    "/a/b/partial/k",
    "/d",
    "/d/list/1",
    "/d/list/5",
    "/d/7",
    "/d/deep/8/9",
    "/d/we%2Fird/x%20y",
    "/d/nul",
    "/d/nope",
    "/nope",
    "/nope/at/all",
    "/a/nope",
    "/input",
    "/system/health/live",
    "/a/%5B",
]
BODIES: list[Any] = [
    b"",
    b"null",
    b"{}",
    b'{"input": {}}',
    b'{"input": null}',
    b'{"input": {"user": "ana", "name": "ana", "n": 11, "roles": ["admin", "dev"], "map": {"k": 1}}}',
    b'{"input": {"c": true, "never": false, "n": 3, "roles": 7}}',
    b'{"input": 1.50, "other": 7}',
    b'{"input": [1, {"a": 12345678901234567890}]}',
    b"[]",
    b'"text"',
    b"garbage",
    b'{"input": ',
]
QUERIES = [
    "data.a.b.x = y",
    "data.a.b.s[x]",
    "data.a.b.never",
    "data.a.b.arr[i]",
    "x = 1; y = 2",
    "input.name = x",
    "data.a.b.conflict = x",
    "1 == 1",
    "x == 1",
    "syntax(",
    "data.a.b.f",
    "1/0",
    "[x | x = data.a.b.s[_]] = y",
    "some i; data.d.list[i] = v",
]


def with_input(query: str) -> bytes:
    return json.dumps({"query": query, "input": {"name": "ana", "c": True}}).encode()


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def served(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Http]:
    async with http_of(tmp_path_factory.mktemp("opa"), POLICIES) as http:
        yield http


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def opa(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[httpx.AsyncClient]:
    """The real one, on the same policies."""
    program = shutil.which("opa")
    if program is None:
        pytest.skip("there is no `opa` on the PATH")
    folder = write_policies(tmp_path_factory.mktemp("real"), POLICIES)
    socket = tmp_path_factory.mktemp("socket") / "opa"
    process = await asyncio.create_subprocess_exec(
        *(program, "run", "--server", "--addr", f"unix://{socket}", "--disable-telemetry", str(folder)),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    transport = httpx.AsyncHTTPTransport(uds=str(socket))
    try:
        async with httpx.AsyncClient(
            transport=transport, base_url="http://opa", timeout=PATIENCE, follow_redirects=True
        ) as client:
            async with asyncio.timeout(PATIENCE):
                while True:
                    try:
                        if (await client.get("/health")).status_code == 200:
                            break
                    except httpx.TransportError:
                        await asyncio.sleep(0.02)
            yield client
    finally:
        process.kill()
        await process.wait()


def outcome(answer: httpx.Response) -> Any:
    """What clients go by: the status, what came out or that nothing did, and of errors their classes."""
    document = answer.json()
    if answer.status_code != 200:
        codes = sorted(
            {each["code"] for each in document.get("errors", ()) if each["code"].startswith("eval")}
        )
        return answer.status_code, document["code"], codes
    result = document.get("result", "undefined")
    if answer.url.path == "/v1/query" and isinstance(result, list):
        result = sorted(result, key=lambda each: json.dumps(each, sort_keys=True))
    return 200, result, document.get("warning", {}).get("code")


@pytest.mark.parametrize("body", BODIES)
async def test_documents_are_as_opa_gives_them(served: Http, opa: httpx.AsyncClient, body: bytes) -> None:
    differences = {}
    for path in PATHS:
        for parameters in ("", "?strict-builtin-errors=true"):
            url = f"/v1/data{path}{parameters}"
            ours = outcome(await served.client.post(url, content=body))
            theirs = outcome(await opa.post(url, content=body))
            if ours != theirs:
                differences[url] = ours, theirs
    assert differences == {}


@pytest.mark.parametrize("given", [None, "{}", '{"user": "ana"}', "7", "garbage", ""])
async def test_documents_by_get_are_as_opa_gives_them(
    served: Http, opa: httpx.AsyncClient, given: str | None
) -> None:
    differences = {}
    parameters = {} if given is None else {"input": given}
    for path in PATHS:
        ours = outcome(await served.client.get(f"/v1/data{path}", params=parameters))
        theirs = outcome(await opa.get(f"/v1/data{path}", params=parameters))
        if ours != theirs:
            differences[path] = ours, theirs
    assert differences == {}


@pytest.mark.parametrize("query", QUERIES)
async def test_queries_are_answered_as_opa_does(served: Http, opa: httpx.AsyncClient, query: str) -> None:
    for method, more in (("GET", {"params": {"q": query}}), ("POST", {"content": with_input(query)})):
        ours = outcome(await served.client.request(method, "/v1/query", **more))
        assert ours == outcome(await opa.request(method, "/v1/query", **more))


async def test_a_document_with_all_that_can_be_asked_for(served: Http) -> None:
    url = "/v1/data/a/b/obj?pretty=true&metrics&provenance=true"
    answer = await served.client.post(url, json={"input": {}})
    assert answer.status_code == 200
    assert answer.text.startswith('{\n  "')
    document = answer.json()
    assert document["result"]["k"] == {"n": 1}
    assert document["decision_id"]
    assert document["provenance"]["revision"] == served.point.revisions.in_force.engine.revision  # type: ignore[union-attr]
    assert document["metrics"]["timer_rego_query_eval_ns"] > 0
    assert "warning" not in document
    plain = (await served.client.post("/v1/data/a/b/x?metrics=false&pretty=false", json={"input": {}})).json()
    assert plain.keys() == {"result", "decision_id"}
    assert plain["decision_id"] != document["decision_id"]


async def test_what_is_undefined_has_no_result(served: Http) -> None:
    answer = await served.client.post("/v1/data/a/b/never", json={"input": {}})
    assert answer.status_code == 200
    assert "result" not in answer.json()
    assert (await served.client.get("/v1/query", params={"q": "1 == 2"})).json() == {}


async def test_errors_have_opas_shape_and_their_place(served: Http) -> None:
    answer = await served.client.post("/v1/data/a/b/conflict", json={"input": {"c": 1}})
    assert answer.status_code == 500
    document = answer.json()
    assert document["code"] == "internal_error"
    (error,) = document["errors"]
    assert error["code"] == "eval_conflict_error"
    assert error["location"]["file"] == "p.rego"
    answer = await served.client.get("/v1/query", params={"q": "x == 1"})
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["code"] == "rego_unsafe_var_error"


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("path", ["/v1/data/a", "/v1/policies/p", "/v1/policies"])
async def test_nothing_is_written(served: Http, method: str, path: str) -> None:
    answer = await served.client.request(method, path, content=b"{}")
    assert answer.status_code == 405
    assert "new revision" in answer.json()["message"]
    assert (await served.client.get("/v1/data/a/b/x")).json()["result"] == 1


@pytest.mark.parametrize(
    ("method", "url", "body"),
    [
        ("GET", "/v1/query", b""),
        ("GET", "/v1/query?q=", b""),
        ("GET", "/v1/query?q=%20", b""),
        ("POST", "/v1/query", b""),
        ("POST", "/v1/query", b"{}"),
        ("POST", "/v1/query", b'{"query": 7}'),
        ("POST", "/v1/query", b'{"query": "' + b"x" * 70_000 + b'"}'),
        ("POST", "/v1/query", b'{"query": "'),
        ("GET", "/v1/data" + "/a" * 101, b""),
        ("GET", "/v1/data/%ff", b""),
        ("GET", "/v1/data/a?input=%ff", b""),
        ("POST", "/", b"garbage"),
    ],
)
async def test_what_cannot_be_asked_is_answered_400(served: Http, method: str, url: str, body: bytes) -> None:
    answer = await served.client.request(method, url, content=body)
    assert answer.status_code == 400
    assert answer.json()["code"] == "invalid_parameter"


async def test_a_document_by_itself(tmp_path: Path) -> None:
    files = {"m.rego": 'package system\n\nmain := {"allowed": input.user == "ana"} if input.user'}
    async with http_of(tmp_path, files) as http:
        assert (await http.client.post("/", json={"user": "ana"})).json() == {"allowed": True}
        answer = await http.client.post("/", json={})
        assert (answer.status_code, answer.json()["code"]) == (404, "undefined_document")
        assert (await http.client.post("/")).status_code == 404
        assert (await http.client.get("/")).status_code == 405


async def test_health_tells_loaded_from_newest(tmp_path: Path) -> None:
    async with http_of(tmp_path, {"p.rego": "package p\n\nx := 1"}) as http:
        assert (await http.client.get("/health")).json() == {}
        assert (await http.client.get("/health?bundles")).status_code == 200
        (tmp_path / "p.rego").write_text("package p\n\nx :=")
        with pytest.raises(PolicyError):
            await http.point.revisions.load()
        assert (await http.client.get("/health")).status_code == 200
        assert (await http.client.get("/health?bundles=true")).status_code == 500
        assert (await http.client.get("/health?bundles=false")).status_code == 200
        http.point.revisions.in_force = None
        assert (await http.client.get("/health")).status_code == 500
        for path in ("/v1/data/p/x", "/v1/query?q=1"):
            assert (await http.client.get(path)).status_code == 503
        ask = {
            "subject": {"type": "user", "id": "a"},
            "action": {"name": "x"},
            "resource": {"type": "t", "id": "1"},
        }
        answer = await http.client.post("/access/v1/evaluation", json=ask)
        assert (answer.status_code, answer.json()["code"]) == (503, "no_policy")
        answer = await http.client.post("/access/v1/evaluations", json={"evaluations": [ask]})
        assert answer.json()["evaluations"][0]["decision"] is False


SLOW = """
package slow

n := count([1 | some i in numbers.range(1, 30000); some j in numbers.range(1, 30000); i + j < 0])
"""


async def test_an_evaluation_without_end_ends_and_holds_up_nothing(tmp_path: Path) -> None:
    files = {"slow.rego": SLOW, "w.ward": "package w\n\ngoverns http\n\nallow"}
    limits = Limits(steps=2_000_000_000, wall_ms=1000)
    async with http_of(tmp_path, files, limits=limits) as http:
        slow = asyncio.create_task(http.client.get("/v1/data/slow/n"))
        async with asyncio.timeout(PATIENCE):
            while not any(thread.name.startswith("aside") for thread in threading.enumerate()):  # noqa: ASYNC110
                await asyncio.sleep(0)
        call = {"name": "call", "properties": {"method": "GET", "target": "/"}}
        ask = {
            "subject": {"type": "user", "id": "a"},
            "action": call,
            "resource": {"type": "http", "id": "1"},
        }
        answer = await http.client.post("/access/v1/evaluation", json=ask)
        assert answer.json()["decision"] is True
        assert not slow.done()
        answer = await slow
        assert answer.status_code == 500
        assert answer.json()["errors"][0]["code"] == "eval_budget_error"


async def test_more_evaluations_than_may_wait_are_refused_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opa_api, "_AT_ONCE", 1)
    monkeypatch.setattr(opa_api, "_WAITING", 1)
    limits = Limits(steps=2_000_000_000, wall_ms=1000)
    async with http_of(tmp_path, {"slow.rego": SLOW}, limits=limits) as http:
        slow = [asyncio.create_task(http.client.get("/v1/data/slow/n")) for _ in range(3)]
        done, _ = await asyncio.wait(slow, return_when=asyncio.FIRST_COMPLETED)
        refused = done.pop().result()
        assert refused.status_code == 503
        assert refused.json()["code"] == "overloaded"
        assert refused.headers["retry-after"]
        answers = await asyncio.gather(*slow)
        assert sorted(answer.status_code for answer in answers) == [500, 500, 503]
