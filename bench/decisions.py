"""Policies in process: what a decision costs beside the same policy written by hand and beside other engines."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from bench import growth, peers, warehouse
from bench.by_hand import BY_HAND
from bench.measure import Contestant, Question, Settings

__all__ = ["questions", "rules_of"]

_POLICIES = Path(__file__).parent / "policies"
_NOTE = "allowed and refused requests in turn, parsed and policies compiled before the clock starts; the answer is one boolean"


@contextmanager
def questions(settings: Settings) -> Iterator[Sequence[Question]]:
    """The policies of `policies/`, ten to ten thousand rules, and the PostgreSQL policies of this repository."""
    yield [
        *(
            Question(f"policy `{name}`", "µs", partial(_contestants, name, settings), _NOTE)
            for name in BY_HAND
        ),
        *growth.questions(settings),
        *warehouse.questions(settings),
    ]


def rules_of(name: str) -> peers.Rules:
    """One policy of `policies/`, its requests, and the answers that are right."""
    base = json.loads((_POLICIES / f"{name}.json").read_text())
    cases = json.loads((_POLICIES / "cases.json").read_text())[name]
    return peers.Rules(
        modules={f"{name}.rego": (_POLICIES / f"{name}.rego").read_text()},
        query=f"data.bench.{name}.allow",
        inputs=[_merged(base, case["but"]) for case in cases],
        answers=[case["allow"] for case in cases],
    )


def _merged(document: Any, patch: Any) -> Any:
    """The document with a JSON merge patch (RFC 7396) applied."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(document) if isinstance(document, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = _merged(merged.get(key), value)
    return merged


def _contestants(name: str, settings: Settings) -> list[Contestant]:
    rules = rules_of(name)
    found = [
        peers.doorward("doorward, prepared query", rules, settings),
        peers.by_hand(BY_HAND[name], rules, settings),
        *peers.rego_peers(rules, settings),
        peers.rego_cpp(rules, settings),
    ]
    if name == "rbac":
        found += [*_cedar_roles(rules, settings), _casbin_roles(rules, settings)]
    return found


_ROLES = {
    "reader": ("get", "list"),
    "editor": ("get", "list", "put"),
    "owner": ("get", "list", "put", "delete"),
}


def _cedar_roles(rules: peers.Rules, settings: Settings) -> list[Contestant]:
    policies = ""
    for role, actions in _ROLES.items():
        named = ", ".join(f'Action::"{action}"' for action in actions)
        policies += f'permit(principal in Role::"{role}", action in [{named}], resource);\n'
    groups = {request["principal"]["id"]: request["principal"]["groups"] for request in rules.inputs}
    entities: list[dict[str, Any]] = [
        {
            "uid": {"type": "User", "id": user},
            "attrs": {},
            "parents": [{"type": "Role", "id": role} for role in roles],
        }
        for user, roles in groups.items()
    ]
    roles = {role for held in groups.values() for role in held} | set(_ROLES)
    entities += [{"uid": {"type": "Role", "id": role}, "attrs": {}, "parents": []} for role in sorted(roles)]
    requests = [
        {
            "principal": f'User::"{request["principal"]["id"]}"',
            "action": f'Action::"{request["action"]["name"]}"',
            "resource": f'Host::"{request["resource"]["name"]}"',
            "context": {},
        }
        for request in rules.inputs
    ]
    return peers.cedar(policies, entities, requests, rules.answers, settings)


def _casbin_roles(rules: peers.Rules, settings: Settings) -> Contestant:
    granted = [f"p, {role}, {action}" for role, actions in _ROLES.items() for action in actions]
    groups = {request["principal"]["id"]: request["principal"]["groups"] for request in rules.inputs}
    granted += [f"g, {user}, {role}" for user, roles in groups.items() for role in roles]
    requests = [(request["principal"]["id"], request["action"]["name"]) for request in rules.inputs]
    return peers.casbin(granted, requests, rules.answers, settings)
