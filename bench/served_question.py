"""The question that every decision point is asked: may this person, by their roles, do this to a document?

Two people with three roles and four requests, two of which are refused. Each server has the same rules in its own language and is
sent the question in its own words, as bytes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import grpc
import orjson
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.json_format import ParseDict
from google.protobuf.message_factory import GetMessageClass
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from doorward_proto.envoy import authorization_pb2 as envoy
from doorward_proto.v1 import decision_pb2 as pb

__all__ = [
    "CHECK",
    "DOCUMENTS",
    "DOORWARD_CONFIG",
    "OPA_ENVOY_PATH",
    "OPA_PATH",
    "RIGHT",
    "Cerbos",
    "by_check",
    "by_doorward",
    "by_opa",
    "check_requests",
    "write_rules",
]

_GROUPS: Final = {"ana": ["guests", "editor"], "ben": ["reader"]}
_ASKED: Final = (("ana", "put", True), ("ana", "delete", False), ("ben", "list", True), ("ben", "put", False))

RIGHT: Final = [allowed for _, _, allowed in _ASKED]
"""The answer to each request."""

DOCUMENTS: Final[Sequence[dict[str, Any]]] = [
    {
        "principal": {"id": who, "kind": "human", "groups": _GROUPS[who]},
        "action": {"name": action},
        "resource": {"kind": "document", "name": "7", "environment": "production"},
    }
    for who, action, _ in _ASKED
]
"""The requests, as Doorward and OPA take them."""

_ROLES: Final = {
    "reader": ["get", "list"],
    "editor": ["get", "list", "put"],
    "owner": ["get", "list", "put", "delete"],
}
_METHODS: Final = {"get": "GET", "list": "HEAD", "put": "PUT", "delete": "DELETE"}
"""Actions as Envoy meets them."""

_REGO: Final = (Path(__file__).parent / "policies" / "rbac.rego").read_text()
OPA_PATH: Final = "/v1/data/bench/rbac/allow"
"""Where OPA answers by those rules."""

OPA_ENVOY_PATH: Final = "bench/envoy/allow"
"""Where its plugin for Envoy finds the answer."""

CHECK: Final = "/envoy.service.auth.v3.Authorization/Check"
"""Envoy's name of the method by which it asks."""

DOORWARD_CONFIG: Final = {"envoy": {"identity": {"source": "headers", "id": "x-user", "groups": "x-groups"}}}


def _ward(kind: str, of_action: str, names: Mapping[str, str]) -> str:
    text = f"package bench.{kind}\n\ngoverns {kind}\n"
    for role, actions in _ROLES.items():
        allowed = ", ".join(f'"{names[action]}"' for action in actions)
        text += (
            f'\nallow "{role}" if {{\n\t"{role}" in principal.groups\n\t{of_action} in {{{allowed}}}\n}}\n'
        )
    return text


def _rego_of_envoy() -> str:
    """The rules by headers and methods."""
    text = _REGO.replace("package bench.rbac", "package bench.envoy")
    text = text.replace(
        "input.principal.groups", 'split(input.attributes.request.http.headers["x-groups"], ",")'
    )
    text = text.replace("input.action.name", "input.attributes.request.http.method")
    for action, method in _METHODS.items():
        text = text.replace(f'"{action}"', f'"{method}"')
    return text


def write_rules(root: Path) -> None:
    """The rules of each server, in a folder of its name."""
    rules = [
        {"actions": actions, "effect": "EFFECT_ALLOW", "roles": [role]} for role, actions in _ROLES.items()
    ]
    cerbos = {
        "apiVersion": "api.cerbos.dev/v1",
        "resourcePolicy": {"version": "default", "resource": "document", "rules": rules},
    }
    texts = {
        "doorward/document.ward": _ward("document", "action.name", {name: name for name in _METHODS}),
        "doorward/http.ward": _ward("http", "http.method", _METHODS),
        "doorward/document.kind.json": '{"type": "object", "properties": {}}\n',
        "opa/rbac.rego": _REGO,
        "opa-envoy/rbac.rego": _rego_of_envoy(),
        "cerbos/document.json": orjson.dumps(cerbos).decode(),
    }
    for name, text in texts.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def by_doorward(answer: bytes) -> bool:
    """What a DecideResponse says."""
    response = pb.DecideResponse.FromString(answer)
    if response.WhichOneof("outcome") != "decision":
        raise ValueError(f"no decision: {response}")
    return response.decision.verdict == pb.VERDICT_ALLOW


def check_requests() -> list[bytes]:
    """What Envoy sends of each request."""
    return [
        envoy.CheckRequest(
            attributes=envoy.Attributes(
                source=envoy.Peer(
                    address=envoy.Address(socket_address=envoy.SocketAddress(address="10.0.0.7"))
                ),
                request=envoy.Request(
                    http=envoy.HttpRequest(
                        method=_METHODS[action],
                        path="/documents/7",
                        host="documents.example",
                        scheme="https",
                        headers={"x-user": who, "x-groups": ",".join(_GROUPS[who]), "user-agent": "bench"},
                    )
                ),
            )
        ).SerializeToString()
        for who, action, _ in _ASKED
    ]


def by_check(answer: bytes) -> bool:
    """What a CheckResponse says: to Envoy, status 0 is an allow."""
    response = envoy.CheckResponse.FromString(answer)
    if response.status.code not in (0, grpc.StatusCode.PERMISSION_DENIED.value[0]):
        raise ValueError(f"no decision: {response}")
    return response.status.code == 0 and response.WhichOneof("http_response") != "denied_response"


def by_opa(answer: bytes) -> bool:
    """What OPA's data API says."""
    said: bool = orjson.loads(answer)["result"]
    return said


class Cerbos:
    """Cerbos' own words, which it tells by reflection."""

    METHOD = "/cerbos.svc.v1.CerbosService/CheckResources"

    def __init__(self, target: str) -> None:
        with grpc.insecure_channel(target) as channel:
            pool = DescriptorPool(ProtoReflectionDescriptorDatabase(channel))
            method = pool.FindServiceByName("cerbos.svc.v1.CerbosService").FindMethodByName("CheckResources")
            question, self._answer = GetMessageClass(method.input_type), GetMessageClass(method.output_type)
        self.requests = []
        for who, action, _ in _ASKED:
            resource = {"actions": [action], "resource": {"kind": "document", "id": "7"}}
            said = {"principal": {"id": who, "roles": _GROUPS[who]}, "resources": [resource]}
            self.requests.append(ParseDict(said, question()).SerializeToString())

    def read(self, answer: bytes) -> bool:
        """What a CheckResourcesResponse says."""
        response: Any = self._answer.FromString(answer)
        (result,) = response.results
        (effect,) = result.actions.values()
        return bool(effect == 1)  # EFFECT_ALLOW
