"""The policies of `policies/` as a Python programmer would write them, who trusts the request to be well-formed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from ipaddress import ip_address, ip_network
from typing import Any, Final

__all__ = ["BY_HAND"]

_GRANTS: Final = {
    "reader": {"get", "list"},
    "editor": {"get", "list", "put"},
    "owner": {"get", "list", "put", "delete"},
}


def _rbac(request: Any) -> bool:
    action = request["action"]["name"]
    for role in request["principal"]["groups"]:  # noqa: SIM110 - the faster way
        if action in _GRANTS.get(role, ()):
            return True
    return False


_CONTAINED: Final = {
    "lead": ["engineer", "reviewer"],
    "engineer": ["reader"],
    "reviewer": ["reader"],
    "reader": [],
}
_PERMISSIONS: Final = {
    "reader": {("read", "document"), ("read", "build")},
    "reviewer": {("comment", "document")},
    "engineer": {("write", "document"), ("start", "build")},
    "lead": {("release", "build")},
}


def _hierarchy(request: Any) -> bool:
    roles = set(request["user"]["roles"])
    for held in request["user"]["roles"]:
        for between in _CONTAINED.get(held, ()):
            roles.add(between)
            roles.update(_CONTAINED.get(between, ()))
    wanted = request["action"], request["resource"]["kind"]
    return any(wanted in _PERMISSIONS.get(role, ()) for role in roles)


_LEVELS: Final = {"public": 0, "internal": 1, "confidential": 2, "restricted": 3}


def _sensitivity(request: Any) -> bool:
    deny = set()
    data, user = request["data"], request["user"]
    if _LEVELS[user["clearance"]] < _LEVELS[data["sensitivity"]]:
        deny.add("the clearance is too low")
    if data["sensitivity"] in {"confidential", "restricted"} and request["purpose"] not in data["purposes"]:
        deny.add("a purpose is needed")
    if data["sensitivity"] == "restricted" and not request["device"].get("managed"):
        deny.add("restricted data stays on managed devices")
    if "personal" in data["tags"] and user["region"] != data["region"]:
        deny.add("personal data stays in its region")
    return not deny


_RULES: Final = [
    (ip_network("10.0.0.0/8"), {22, 443, 5432}, "tcp"),
    (ip_network("192.168.0.0/16"), {443}, "tcp"),
    (ip_network("172.16.0.0/12"), {53}, "udp"),
]
_REFUSED: Final = [ip_network("10.66.0.0/16"), ip_network("192.168.66.0/24")]


def _network(request: Any) -> bool:
    source = ip_address(request["source"])
    for network, ports, protocol in _RULES:
        if protocol == request["protocol"] and request["port"] in ports and source in network:
            return not any(source in refused for refused in _REFUSED)
    return False


_OFFICE: Final = {"Monday", "Tuesday", "Wednesday", "Thursday", "Friday"}
_MAINTENANCE: Final = {"Tuesday": (2, 4), "Sunday": (0, 6)}


def _windows(request: Any) -> bool:
    kind, weekday, hour = request["principal"]["kind"], request["time"]["weekday"], request["time"]["hour"]
    if kind == "human":
        return weekday in _OFFICE and 8 <= hour < 18
    if kind == "job" and weekday in _MAINTENANCE:
        begin, end = _MAINTENANCE[weekday]
        return bool(begin <= hour < end)
    return False


_PLANS: Final = {
    "free": {"requests": 100, "bytes": 1_000_000, "sessions": 1},
    "team": {"requests": 10_000, "bytes": 100_000_000, "sessions": 20},
}


def _quotas(request: Any) -> bool:
    plan, usage = _PLANS[request["account"]["plan"]], request["usage"]
    violations = set()
    if usage["requests"] + 1 > plan["requests"]:
        violations.add("too many requests")
    if usage["bytes"] + request["request"]["bytes"] > plan["bytes"]:
        violations.add("too much data")
    if usage["sessions"] >= plan["sessions"]:
        violations.add(f"no more than {plan['sessions']} sessions")
    return not violations


def _ownership(request: Any) -> bool:
    user, document, action = request["user"], request["document"], request["action"]
    if document["owner"] == user["id"]:
        return True
    if document["team"] in user["teams"] and action in {"read", "comment", "write"}:
        return True
    for share in document["shares"]:
        if share["user"] == user["id"] and action in share["actions"] and not share.get("expired"):
            return True
    return False


def _http_api(request: Any) -> bool:
    if request["method"] == "GET" and request["path"].startswith("/public/"):
        return True
    parts = request["path"].removeprefix("/").split("/")
    for scope in request["token"]["scope"].split(" "):
        method, area = scope.split(":")
        if request["method"].lower() == method and parts[:3] == ["tenants", request["token"]["tenant"], area]:
            return True
    return False


_REGISTRIES: Final = ("registry.example.org/", "mirror.example.org/")


def _admission(request: Any) -> bool:
    deny = set()
    for container in request["spec"]["containers"]:
        if not container["image"].startswith(_REGISTRIES):
            deny.add(f"the image {container['image']} comes from an unknown registry")
        if not container.get("resources", {}).get("limits", {}).get("memory"):
            deny.add(f"the container {container['name']} has no memory limit")
        if container.get("securityContext", {}).get("privileged"):
            deny.add(f"the container {container['name']} is privileged")
    if not request["metadata"]["labels"].get("owner"):
        deny.add("a workload has an owner")
    return not deny


_PURPOSES: Final[dict[str, dict[str, Any]]] = {
    "billing": {"basis": "contract", "fields": {"name", "email", "address"}, "keep_days": 3650},
    "newsletter": {"basis": "consent", "fields": {"email"}, "keep_days": 365},
    "advertising": {"basis": "consent", "fields": {"email", "age"}, "keep_days": 90},
}
_REGIONS: Final = {"eu": {"eu", "eea", "ch"}, "us": {"us"}}


def _processing(request: Any) -> bool:
    subject, activity = request["subject"], request["activity"]
    purpose = _PURPOSES.get(activity["purpose"])
    if purpose is None:
        return False
    if purpose["basis"] == "consent":
        given = {consent["purpose"] for consent in subject["consents"] if not consent.get("withdrawn")}
        if activity["purpose"] not in given:
            return False
    return (
        purpose["fields"].issuperset(activity["fields"])
        and activity["keep_days"] <= purpose["keep_days"]
        and activity["region"] in _REGIONS[subject["region"]]
    )


BY_HAND: Final[Mapping[str, Callable[[Any], bool]]] = {
    "rbac": _rbac,
    "hierarchy": _hierarchy,
    "sensitivity": _sensitivity,
    "network": _network,
    "windows": _windows,
    "quotas": _quotas,
    "ownership": _ownership,
    "http_api": _http_api,
    "admission": _admission,
    "processing": _processing,
}
"""By the name of the policy's file."""
