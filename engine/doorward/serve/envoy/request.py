"""From what Envoy sends of a request to an access request of ours."""

from __future__ import annotations

import base64
import re
from typing import Any, Final

from doorward.decide.request import OPERATIONS
from doorward.serve.envoy.identity import Unreadable, principal_of
from doorward.serve.envoy.settings import EnvoySettings
from doorward.serve.point import Question
from doorward_proto.envoy import authorization_pb2 as pb

__all__ = ["question_of"]

_HOST: Final = re.compile(r"[A-Za-z0-9._-]+(:[0-9]{1,5})?|\[[0-9A-Fa-f:.]+\](:[0-9]{1,5})?")
_TRACEPARENT: Final = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")
_PARTIAL: Final = "x-envoy-auth-partial-body"
_NEVER_JOINED: Final = "content-type"
"""What is sent once. Where Envoy joins values of one name, a comma in it says that it was sent twice, and which of the two
a server takes is its own affair.
"""

_RESOURCE: Final = "resource."
_LABEL: Final = "resource.labels."
_KINDS: Final = frozenset(kind for kind, section in OPERATIONS.items() if section == "http_request")


def question_of(request: pb.CheckRequest, settings: EnvoySettings) -> Question:
    """The access request. Raises Unreadable."""
    attributes = request.attributes
    if not attributes.HasField("request") or not attributes.request.HasField("http"):
        raise Unreadable("what Envoy asks about is no request of HTTP")
    http = attributes.request.http
    headers = _headers(http)
    if "true" in headers.pop(_PARTIAL, ()):
        raise Unreadable("Envoy hands over a part of the body, and the rest may say anything")
    within = _TRACEPARENT.fullmatch(headers.get("traceparent", [""])[0])
    document = {
        "principal": principal_of(settings.identity, attributes, headers),
        "action": {"name": "call"},
        "resource": _resource(attributes, settings),
        "session": {
            "client_address": _address(attributes.source.address),
            "trace_id": "" if within is None else within[1],
        },
        "http_request": {
            "method": http.method,
            "target": _target(http),
            "headers": headers,
            **_body(http),
        },
    }
    return Question(document, trace="" if within is None else within[0])


def _headers(http: pb.HttpRequest) -> dict[str, list[str]]:
    """Every value by name, without HTTP/2's own, which the request line and `host` say again."""
    found: dict[str, list[str]] = {}
    if http.header_map.headers:
        for header in http.header_map.headers:
            value = header.value or header.raw_value.decode(errors="replace")
            found.setdefault(header.key.lower(), []).append(value)
    else:
        for name, value in http.headers.items():
            values = value.split(",") if name.lower() == _NEVER_JOINED else [value]
            found.setdefault(name.lower(), []).extend(values)
    found = {name: values for name, values in found.items() if not name.startswith(":")}
    found["host"] = [http.host]
    return found


def _target(http: pb.HttpRequest) -> str:
    """In absolute form, so that policies see the scheme and the host that Envoy goes by."""
    if _HOST.fullmatch(http.host) is None:
        raise Unreadable("the host is not a name or an address")
    if not http.path.startswith("/"):
        return http.path
    return f"{http.scheme}://{http.host}{http.path}"


def _body(http: pb.HttpRequest) -> dict[str, str]:
    if not http.raw_body:
        return {"body": http.body}
    try:
        return {"body": http.raw_body.decode()}
    except UnicodeDecodeError:
        return {"body_base64": base64.b64encode(http.raw_body).decode("ascii")}


def _resource(attributes: pb.Attributes, settings: EnvoySettings) -> dict[str, Any]:
    said = {
        name: value for name, value in attributes.context_extensions.items() if name.startswith(_RESOURCE)
    }
    labels = {name.removeprefix(_LABEL): said.pop(name) for name in sorted(said) if name.startswith(_LABEL)}
    resource = {
        "kind": said.pop("resource.kind", "http"),
        "name": said.pop("resource.name", settings.resource),
        "environment": said.pop("resource.environment", settings.environment),
        "labels": labels,
    }
    if said:  # misspelt, it would quietly switch off the policies that ask for it
        raise Unreadable(f"the route's context extension `{min(said)[:100]}` means nothing")
    if resource["kind"] not in _KINDS:
        raise Unreadable("the route's `resource.kind` is none that travels by HTTP")
    return resource


def _address(address: pb.Address) -> str:
    if address.WhichOneof("address") == "socket_address":
        return f"{address.socket_address.address}:{address.socket_address.port_value}"
    return address.pipe.path
