"""One decision in process: what a policy costs beside the same policy written by hand and beside other engines, and how
the cost grows with the number of rules."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench import peers
from bench.by_hand import BY_HAND
from bench.measure import Contestant, Question, per_call
from doorward import Engine

__all__ = ["questions"]

_HERE = Path(__file__).parent
_POLICIES = _HERE / "policies"
_SIZES = (10, 1_000, 10_000)
_REQUEST: dict[str, Any] = json.loads((_POLICIES / "rbac.json").read_text())
_ROLES = {
    "reader": ("get", "list"),
    "editor": ("get", "list", "put"),
    "owner": ("get", "list", "put", "delete"),
}


@contextmanager
def questions() -> Iterator[Sequence[Question]]:
    """Nine policies as queries; then whole decisions and queries under ten to ten thousand rules."""
    with tempfile.TemporaryDirectory(prefix="doorward-bench-") as directory:
        asked = [_policy(name, Path(directory)) for name in BY_HAND]
        asked += [_statements(), _prefixes(), _rules(), _growth_of_cedar()]
        yield asked


def _policy(name: str, directory: Path) -> Question:
    policy, request = _POLICIES / f"{name}.rego", _POLICIES / f"{name}.json"
    document, rule = json.loads(request.read_text()), f"data.bench.{name}.allow"
    by_hand, allowed = BY_HAND[name], Engine.from_path(policy).prepare(rule).value
    if not (by_hand(document) and allowed(document) is True):
        raise RuntimeError(f"`{name}` is answered wrongly")
    contestants = [
        Contestant("Python by hand", per_call(lambda: by_hand(document))),
        Contestant("doorward, prepared query", per_call(lambda: allowed(document))),
        peers.opa(policy, request, rule),
        *peers.regorus(policy, request, rule),
        peers.rego_cpp(policy, request, rule),
    ]
    if name == "rbac":
        contestants += [_cedar_roles(), _casbin_roles(directory)]
    return Question(f"policy `{name}`", "µs", contestants)


def _cedar_roles() -> Contestant:
    policies = "".join(_cedar_permit(role, actions) for role, actions in _ROLES.items())
    return peers.cedar("Cedar, parsed before", policies, _CEDAR_ENTITIES, _CEDAR_REQUEST)


def _cedar_permit(role: str, actions: Sequence[str]) -> str:
    named = ", ".join(f'Action::"{action}"' for action in actions)
    return f'permit(principal in Role::"{role}", action in [{named}], resource);\n'


_CEDAR_ENTITIES: list[dict[str, Any]] = [
    {
        "uid": {"type": "User", "id": "ana"},
        "attrs": {},
        "parents": [{"type": "Role", "id": role} for role in ("guests", "editor")],
    },
    *({"uid": {"type": "Role", "id": role}, "attrs": {}, "parents": []} for role in ("guests", *_ROLES)),
]
_CEDAR_REQUEST = {
    "principal": 'User::"ana"',
    "action": 'Action::"put"',
    "resource": 'Host::"host-7"',
    "context": {},
}


def _casbin_roles(directory: Path) -> Contestant:
    rules = [f"p, {role}, {action}" for role, actions in _ROLES.items() for action in actions]
    return peers.casbin(directory, [*rules, "g, ana, guests", "g, ana, editor"], ("ana", "put"))


def _statements() -> Question:
    return _growth(
        "a whole decision as statements on one name grow",
        'block "host {n}" if resource.name == "host-closed-{n}"',
        "completing the request, evaluating, combining; one statement of all can hold",
    )


def _prefixes() -> Question:
    return _growth(
        "a whole decision as statements on a prefix and a group grow",
        'block "hosts {n}" if {{ "team-{n}" in principal.groups; startswith(resource.name, "closed-{n}-") }}',
        "the same, each statement with a condition on the principal and one on the resource",
    )


def _growth(name: str, statement: str, note: str) -> Question:
    def contestant(size: int) -> Contestant:
        lines = ["package bench.many", "governs ssh", 'allow "editors" if "editor" in principal.groups']
        lines += [statement.format(n=n) for n in range(size - 1)]
        engine = Engine.from_sources({"many.ward": "\n".join(lines) + "\n"})
        return Contestant(f"doorward, {size:,} statements", per_call(lambda: engine.decide(_REQUEST)))

    return Question(name, "µs", [contestant(size) for size in _SIZES], note)


def _rules() -> Question:
    def contestant(size: int) -> Contestant:
        lines = ["package bench.many", 'allow if "editor" in input.principal.groups']
        lines += [f'allow if input.resource.name == "host-open-{n}"' for n in range(size - 1)]
        engine = Engine.from_sources({"many.rego": "\n".join(lines) + "\n"})
        allowed = engine.prepare("data.bench.many.allow").value
        return Contestant(f"doorward, {size:,} rules", per_call(lambda: allowed(_REQUEST)))

    return Question(
        "a query as plain Rego rules grow",
        "µs",
        [contestant(size) for size in _SIZES],
        "definitions of one rule",
    )


def _growth_of_cedar() -> Question:
    def contestant(size: int) -> Contestant:
        policies = 'permit(principal in Role::"editor", action, resource);\n'
        policies += "".join(
            f'forbid(principal, action, resource == Host::"host-closed-{n}");\n' for n in range(size - 1)
        )
        return peers.cedar(f"Cedar, {size:,} policies", policies, _CEDAR_ENTITIES, _CEDAR_REQUEST)

    return Question("the same in Cedar", "µs", [contestant(size) for size in _SIZES], "parsed beforehand")
