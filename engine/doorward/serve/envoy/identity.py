"""Who asks: out of the one place that the configuration names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from google.protobuf.json_format import MessageToDict

from doorward.serve.envoy.settings import HeaderIdentity, Identity, JwtIdentity, PeerIdentity
from doorward_proto.envoy import authorization_pb2 as pb

__all__ = ["Unreadable", "principal_of"]

_KINDS: Final = frozenset({"", "human", "service", "agent", "ci"})
_EDGES: Final = re.compile(r"\s*,\s*")


class Unreadable(Exception):
    """What Envoy sent cannot be made an access request: it is refused. The message says why."""


def principal_of(
    identity: Identity | None, attributes: pb.Attributes, headers: Mapping[str, list[str]]
) -> dict[str, Any]:
    """The `principal` section; empty where nobody said who asks. Raises Unreadable."""
    match identity:
        case None:
            return {}
        case JwtIdentity():
            return _of_claims(identity, attributes.metadata_context)
        case PeerIdentity():
            name = attributes.source.principal
            return {"id": name, "kind": identity.kind, "issuer": identity.issuer} if name else {}
        case HeaderIdentity():
            return _of_headers(identity, headers)


def _of_claims(identity: JwtIdentity, metadata: pb.Metadata) -> dict[str, Any]:
    if identity.namespace not in metadata.filter_metadata:
        return {}
    found = metadata.filter_metadata[identity.namespace].fields
    if identity.payload not in found:
        return {}
    claims = MessageToDict(found[identity.payload])
    if not isinstance(claims, dict):
        raise Unreadable("the token's payload is not an object")
    groups = claims.get(identity.groups_claim, [])
    kind = claims.get(identity.kind_claim, identity.kind) if identity.kind_claim else identity.kind
    if kind not in _KINDS:
        raise Unreadable(f"the claim `{identity.kind_claim}` names no kind of principal")
    return {
        "id": _text(claims, identity.id_claim),
        "kind": kind,
        "groups": _texts([groups] if isinstance(groups, str) else groups, identity.groups_claim),
        "issuer": _text(claims, "iss"),
        "claims": claims,
        "authenticated_at": _instant(claims),
    }


def _text(claims: Mapping[str, Any], name: str) -> str:
    value = claims.get(name, "")
    if not isinstance(value, str):
        raise Unreadable(f"the claim `{name}` is not a text")
    return value


def _texts(value: Any, name: str) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise Unreadable(f"the claim `{name}` is not a list of texts")
    return value


def _instant(claims: Mapping[str, Any]) -> str:
    at = claims.get("auth_time")
    if at is None:
        return ""
    try:
        return datetime.fromtimestamp(at, UTC).isoformat().replace("+00:00", "Z")
    except (TypeError, ValueError, OverflowError, OSError):
        raise Unreadable("the claim `auth_time` is no instant") from None


def _of_headers(identity: HeaderIdentity, headers: Mapping[str, list[str]]) -> dict[str, Any]:
    names = headers.get(identity.id, [])
    if not names or not names[0]:
        return {}
    if len(names) > 1 or "," in names[0]:
        raise Unreadable(f"the header `{identity.id}` is sent twice")
    groups = ",".join(headers.get(identity.groups, [])) if identity.groups is not None else ""
    return {
        "id": names[0],
        "kind": identity.kind,
        "groups": [group for group in _EDGES.split(groups.strip()) if group],
        "issuer": identity.issuer,
    }
