"""What becomes of a `CheckRequest`, whatever is in it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import grpc
import pytest
from google.protobuf.struct_pb2 import Struct
from hypothesis import given
from hypothesis import strategies as st

from doorward.decide.decision import Approval, Decision, Mask
from doorward.engine import Engine
from doorward.serve.catalogues import Catalogues
from doorward.serve.envoy.identity import Unreadable
from doorward.serve.envoy.request import question_of
from doorward.serve.envoy.response import response_of
from doorward.serve.envoy.service import EnvoyAuthorization
from doorward.serve.envoy.settings import (
    EnvoySettings,
    HeaderIdentity,
    Identity,
    JwtIdentity,
    PeerIdentity,
)
from doorward.serve.point import DecisionPoint, Made, Observer
from doorward_proto.envoy import authorization_pb2 as pb

DENIED = grpc.StatusCode.PERMISSION_DENIED.value[0]
UNAVAILABLE = grpc.StatusCode.UNAVAILABLE.value[0]


class Fixed:
    """Revisions of which one, or none, is in force."""

    def __init__(self, engine: Engine | None) -> None:
        self.in_force = None if engine is None else InForceNow(engine)


class InForceNow:
    """An engine in force."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine


def authorization(policy: str | None, *observers: Observer) -> EnvoyAuthorization:
    engine = None if policy is None else Engine.from_sources({"p.ward": f"package p\ngoverns http\n{policy}"})
    point = DecisionPoint(Fixed(engine), Catalogues(), observers=observers)  # type: ignore[arg-type]
    return EnvoyAuthorization(point, EnvoySettings())


def check(service: EnvoyAuthorization, message: bytes) -> pb.CheckResponse:
    """The answer, without a loop: nothing here waits for anything but its turn."""
    answering = service.check(message, None)  # type: ignore[arg-type]
    try:
        for _ in range(100):
            answering.send(None)
    except StopIteration as stop:
        answer: pb.CheckResponse = stop.value
        return answer
    raise AssertionError("it waits")


def request(**http: Any) -> pb.CheckRequest:
    asked = {"method": "GET", "path": "/", "host": "shop", "scheme": "http", **http}
    return pb.CheckRequest(attributes=pb.Attributes(request=pb.Request(http=pb.HttpRequest(**asked))))


NOTHING_ALLOWED = authorization("")
ALL_ALLOWED = authorization("allow")

requests = st.builds(
    pb.CheckRequest,
    attributes=st.builds(
        pb.Attributes,
        request=st.builds(
            pb.Request,
            http=st.builds(
                pb.HttpRequest,
                method=st.sampled_from(["GET", "POST", "get", "", "CONNECT"]) | st.text(max_size=9),
                path=st.sampled_from(["/", "/a?b=c", "*", "", "http://x/", "/..", "//"])
                | st.text(max_size=9),
                host=st.sampled_from(["shop", "[::1]:1", "a/b", "u@h", ""]) | st.text(max_size=9),
                scheme=st.sampled_from(["http", "https", ""]) | st.text(max_size=5),
                headers=st.dictionaries(st.text(max_size=6), st.text(max_size=6), max_size=3),
                body=st.text(max_size=9),
                raw_body=st.binary(max_size=9),
            ),
        ),
        context_extensions=st.dictionaries(
            st.sampled_from(["resource.name", "resource.kind", "resource.x", "y"]),
            st.text(max_size=5),
            max_size=2,
        ),
    ),
)


@given(st.binary(max_size=200) | requests.map(pb.CheckRequest.SerializeToString))
def test_every_answer_says_what_to_do_and_nothing_is_let_through(message: bytes) -> None:
    answer = check(NOTHING_ALLOWED, message)
    assert answer.status.code in (DENIED, UNAVAILABLE)
    assert answer.WhichOneof("http_response") == "denied_response"
    assert answer.denied_response.status.code in (403, 503)
    assert json.loads(answer.denied_response.body)["message"]


@given(requests)
def test_only_what_is_read_one_way_is_let_through(asked: pb.CheckRequest) -> None:
    answer = check(ALL_ALLOWED, asked.SerializeToString())
    http = asked.attributes.request.http
    if answer.status.code == 0:
        assert answer.WhichOneof("http_response") == "ok_response"
        assert http.method.isupper() or http.method not in ("get", "")
        assert http.path.startswith("/") or http.path == "*" or http.path.startswith("http")
        assert ".." not in http.path
        assert "/" not in http.host
        assert "@" not in http.host


def test_without_policies_there_is_no_decision() -> None:
    answer = check(authorization(None), request().SerializeToString())
    assert answer.status.code == UNAVAILABLE
    assert answer.denied_response.status.code == 503
    assert json.loads(answer.denied_response.body)["code"] == "no_policy"
    assert answer.dynamic_metadata["verdict"] == "block"


class Broken:
    """An observer that fails."""

    def saw(self, batch: Sequence[Made]) -> None:
        raise RuntimeError("secret")


def test_a_fault_of_ours_is_a_refusal() -> None:
    answer = check(authorization("allow", Broken()), request().SerializeToString())
    assert answer.status.code == UNAVAILABLE
    assert answer.denied_response.status.code == 503
    assert "secret" not in answer.denied_response.body


def test_what_is_no_http_is_refused() -> None:
    answer = check(ALL_ALLOWED, pb.CheckRequest().SerializeToString())
    assert answer.status.code == DENIED
    assert answer.denied_response.status.code == 403


def decided(**parts: Any) -> Decision:
    plain: dict[str, Any] = {
        "decision_id": "1",
        "revision": "r",
        "verdict": "allow",
        "credential": None,
        "operation_hash": "",
        "cacheable": False,
        "facts": {},
    }
    empty = dict.fromkeys(("reasons", "determining", "masks", "approvals", "errors"), ())
    return Decision(**{**plain, **empty, **parts})


@pytest.mark.parametrize(
    ("parts", "settings", "code"),
    [
        ({}, {}, 0),
        ({"verdict": "block"}, {}, DENIED),
        ({"verdict": ""}, {}, DENIED),
        ({"verdict": "approve", "approvals": (Approval("p:1", ("dba",), 0, "why"),)}, {}, DENIED),
        ({"masks": (Mask("$.a", "redact", 0, "", (), (), ""),)}, {}, DENIED),
        (
            {"masks": (Mask("$.a", "replace", 0, "\u20ac\U0001f600", (), (), ""),)},
            {"upstream_masks": True},
            0,
        ),
        ({"masks": (Mask("$.a", "replace", 0, "x" * 5000, (), (), ""),)}, {"upstream_masks": True}, DENIED),
    ],
)
def test_only_an_allow_that_can_be_carried_out_is_one(
    parts: dict[str, Any], settings: dict[str, Any], code: int
) -> None:
    answer = response_of(decided(**parts), EnvoySettings(**settings))
    assert answer.HasField("status")
    assert answer.status.code == code
    consent = parts.get("verdict") == "approve"
    assert answer.dynamic_metadata["verdict"] == ("allow" if not code else "approve" if consent else "block")
    for option in answer.ok_response.headers:
        assert option.header.value.isascii()
        if option.header.key == "x-doorward-obligations":
            assert json.loads(option.header.value)[0]["replacement"] == "\u20ac\U0001f600"


def principal(identity: Identity | None, claims: Any = None, **http: Any) -> dict[str, Any]:
    asked = request(**http)
    if claims is not None:
        metadata = Struct()
        metadata.update({"jwt_payload": claims})
        asked.attributes.metadata_context.filter_metadata["envoy.filters.http.jwt_authn"].CopyFrom(metadata)
    asked.attributes.source.principal = "spiffe://a/b"
    question = question_of(asked, EnvoySettings(identity=identity))
    found: dict[str, Any] = question.document["principal"]
    return found


def test_the_principal_is_where_the_configuration_says() -> None:
    headers = {"x-user": "ana", "x-groups": "a, b,"}
    assert principal(None, {"sub": "eve"}, headers=headers) == {}
    assert principal(JwtIdentity(), None, headers=headers) == {}
    assert principal(PeerIdentity(), {"sub": "eve"}, headers=headers)["id"] == "spiffe://a/b"
    assert principal(HeaderIdentity(id="x-user", groups="x-groups"), {"sub": "eve"}, headers=headers) == {
        "id": "ana",
        "kind": "",
        "groups": ["a", "b"],
        "issuer": "",
    }
    claims = {"sub": "eve", "iss": "i", "groups": "staff", "auth_time": 0, "n": 7, "as": "agent"}
    assert principal(JwtIdentity(kind_claim="as"), claims, headers=headers) == {
        "id": "eve",
        "kind": "agent",
        "groups": ["staff"],
        "issuer": "i",
        "claims": claims,
        "authenticated_at": "1970-01-01T00:00:00Z",
    }


@pytest.mark.parametrize(
    "values", [["ana", "eve"], ["ana", "ana"], ["ana,eve"], ["ana, eve"]], ids=lambda values: "+".join(values)
)
def test_a_header_that_says_twice_who_asks_is_refused(values: list[str]) -> None:
    sent = pb.HeaderMap(headers=[pb.HeaderValue(key="x-user", raw_value=value.encode()) for value in values])
    with pytest.raises(Unreadable):
        principal(HeaderIdentity(id="x-user"), header_map=sent)


@pytest.mark.parametrize("host", ["a/b", "a?b", "u@h", "", "a b", "a#b", "shop:port", "[::1", "a\n"])
def test_a_host_that_is_none_is_refused(host: str) -> None:
    answer = check(ALL_ALLOWED, request(host=host).SerializeToString())
    assert answer.status.code == DENIED


@pytest.mark.parametrize("kind", ["postgres", "ssh", "", "nonsense"])
def test_a_kind_that_does_not_travel_by_http_is_refused(kind: str) -> None:
    asked = request()
    asked.attributes.context_extensions["resource.kind"] = kind
    assert check(ALL_ALLOWED, asked.SerializeToString()).status.code == DENIED


def test_the_whole_request() -> None:
    trace = f"00-{'a' * 32}-{'b' * 16}-01"
    asked = request(
        method="POST",
        path="/a?b=c",
        host="Shop.example:8443",
        scheme="https",
        headers={":path": "/a?b=c", "x-one": "1,2", "content-type": "a/b,c/d", "traceparent": trace},
        raw_body=b"\xff",
    )
    asked.attributes.source.address.socket_address.address = "192.0.2.7"
    asked.attributes.source.address.socket_address.port_value = 5000
    asked.attributes.context_extensions.update(
        {"resource.kind": "llm", "resource.labels.a": "b", "theirs": "x"}
    )
    question = question_of(asked, EnvoySettings(resource="models", environment="prod"))
    assert question.trace == trace
    assert question.document == {
        "principal": {},
        "action": {"name": "call"},
        "resource": {"kind": "llm", "name": "models", "environment": "prod", "labels": {"a": "b"}},
        "session": {"client_address": "192.0.2.7:5000", "trace_id": "a" * 32},
        "http_request": {
            "method": "POST",
            "target": "https://Shop.example:8443/a?b=c",
            "headers": {
                "x-one": ["1,2"],
                "content-type": ["a/b", "c/d"],
                "traceparent": [trace],
                "host": ["Shop.example:8443"],
            },
            "body_base64": "/w==",
        },
    }


@pytest.mark.parametrize(
    "claims",
    [
        {"sub": 7},
        {"groups": [7]},
        {"groups": {}},
        {"iss": []},
        {"auth_time": "x"},
        {"auth_time": 1e300},
        "text",
    ],
)
def test_claims_of_other_types_are_refused(claims: Any) -> None:
    with pytest.raises(Unreadable):
        principal(JwtIdentity(), claims)
