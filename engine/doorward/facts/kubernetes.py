"""Kubernetes: the verb and the resource behind a request to the API server, as the API server reads it.

Source: the API server's own resolution of requests (`k8s.io/apiserver`, RequestInfo), in its terms.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pydantic import Field

from doorward.facts.http import read_request
from doorward.facts.reading import Facts, Opaque, Reading

__all__ = ["KubernetesFacts", "analyse"]

_VERBS: Final = {
    "GET": "get",
    "HEAD": "get",
    "POST": "create",
    "PUT": "update",
    "PATCH": "patch",
    "DELETE": "delete",
}
_NAMESPACE_PARTS: Final = frozenset({"status", "finalize"})
"""Subresources of a namespace itself; any other word in that place is a kind of resource in it."""

_NO: Final = frozenset({"", "0", "f", "F", "false", "FALSE", "False"})
_BY_NAME: Final = "metadata.name="


class KubernetesFacts(Facts):
    """The `kubernetes` part of a request document."""

    verb: str = Field(
        default="", description="get, list, watch, create, update, patch, delete, deletecollection"
    )
    group: str = Field(default="", description="API group, empty for core")
    version: str = Field(default="", description="v1, v1beta1, …")
    resource: str = Field(default="", description="pods, secrets, …; empty for a path that names no resource")
    subresource: str = Field(default="", description="exec, log, scale, …")
    namespace: str = Field(default="", description="empty for all namespaces, and for what is in none")
    name: str = Field(default="", description="empty for all of them")
    path: str = Field(default="", description="of a request for no resource: /healthz, /version, …")
    dry_run: bool = Field(default=False, description="nothing will be stored")
    impersonated_user: str = Field(default="", description="whom the request asks to be taken for")
    impersonated_groups: list[str] = Field(default=[], description="in which groups, besides")


def analyse(request: Mapping[str, Any]) -> Reading:
    """The `http` and `kubernetes` facts of an `HttpRequest` as plain values."""
    try:
        http = read_request(request)
        return Reading({"http": http, "kubernetes": _facts(http, request["headers"])})
    except Opaque as why:
        return Reading({}, str(why))


def _facts(http: Mapping[str, Any], sent: Mapping[str, list[str]]) -> dict[str, Any]:
    method, query = http["method"], http["query"]
    verb = _VERBS.get(method)
    if verb is None:
        raise Opaque(f"the API server has no verb for {method}")
    facts = KubernetesFacts().model_dump()
    headers = {name.lower(): values for name, values in sent.items()}
    facts["impersonated_user"] = ", ".join(headers.get("impersonate-user", ()))
    facts["impersonated_groups"] = list(headers.get("impersonate-group", ()))
    facts["dry_run"] = query.get("dryRun") == ["All"]
    if not _resource(http["segments"], facts):
        facts["verb"] = method.lower()
        facts["path"] = http["path"]
        return facts
    facts["verb"] = facts["verb"] or verb
    selected = [value for one in query.get("fieldSelector", ()) for value in one.split(",")]
    by_name = {value.removeprefix(_BY_NAME) for value in selected if value.startswith(_BY_NAME)}
    if not facts["name"]:
        if facts["verb"] == "get":
            facts["verb"] = "list" if set(query.get("watch", ("",))) <= _NO else "watch"
        elif facts["verb"] == "delete":
            facts["verb"] = "deletecollection"
        if facts["verb"] in ("list", "watch", "deletecollection") and len(by_name) == 1:
            facts["name"] = by_name.pop()
    return facts


def _resource(segments: list[str], facts: dict[str, Any]) -> bool:
    """Reads the path into the facts; False where it names no resource."""
    if segments[:1] == ["api"] and len(segments) > 2:
        facts["version"], rest = segments[1], segments[2:]
    elif segments[:1] == ["apis"] and len(segments) > 3:
        facts["group"], facts["version"], rest = segments[1], segments[2], segments[3:]
    else:
        return False
    if rest[0] in ("watch", "proxy"):
        facts["verb"], rest = rest[0], rest[1:]
        if not rest:
            return False
    if rest[0] == "namespaces" and len(rest) > 1:
        facts["namespace"] = rest[1]
        if len(rest) > 2 and rest[2] not in _NAMESPACE_PARTS:
            rest = rest[2:]
    facts["resource"] = rest[0]
    facts["name"] = rest[1] if len(rest) > 1 else ""
    # what follows the subresource is a path of its own, as behind a proxy
    facts["subresource"] = rest[2] if len(rest) > 2 and facts["verb"] != "proxy" else ""
    return True
