"""How a decision's cost grows: with the number of rules, of which hardly any can match, and with what it joins."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from bench import peers
from bench.measure import Contestant, Question, Settings, per_call
from doorward import Engine

__all__ = ["questions"]

_SIZES = (10, 1_000, 10_000)
_PARSED = (
    "requests parsed beforehand; three requests in turn: allowed by role, allowed by one rule of all, refused"
)


def questions(settings: Settings, sizes: Sequence[int] = _SIZES) -> list[Question]:
    """Rules on one name, rules on a group and a prefix, whole decisions by statements of either kind, and joins."""
    sizes = sizes[:2] if settings.quick else sizes
    largest = sizes[-1]
    return [
        Question(
            "rules on a name, 10 to 10,000",
            "µs",
            lambda: _rules(sizes, _on_name, _cedar_on_name, settings),
            _PARSED,
            seconds=90,
        ),
        Question(
            "rules on a group and a prefix, 10 to 10,000",
            "µs",
            lambda: _rules(sizes, _on_prefix, _cedar_on_prefix, settings),
            _PARSED,
            seconds=90,
        ),
        Question(
            "whole decisions, 10 to 10,000 statements",
            "µs",
            lambda: [
                _decisions(size, shape, statement, settings)
                for shape, statement in _STATEMENTS.items()
                for size in sizes
            ],
            "completing the request, evaluating, combining; request parsed beforehand; `block` statements, none of which holds",
            seconds=90,
        ),
        *(
            Question(
                f"users and grants {shape}, {asked[0]:,} to {asked[-1]:,}",
                "µs",
                partial(_joins, text, asked, settings),
                _JOINED,
                seconds=30,
            )
            for shape, (text, every) in _JOINS.items()
            if (asked := [size for size in every if size <= largest])
        ),
    ]


def _request(groups: Sequence[str], name: str) -> dict[str, Any]:
    return {
        "principal": {"id": "-".join(groups), "kind": "human", "groups": list(groups)},
        "action": {"name": "exec"},
        "resource": {"kind": "ssh", "name": name},
        "ssh_request": {"request": "shell"},
    }


_REQUESTS = (
    _request(["guests", "editor"], "host-7"),
    _request(["guests", "team-3"], "open-3-west"),
    _request(["guests", "team-4"], "host-7"),
)
_ANSWERS = (True, True, False)


def _on_name(size: int) -> list[str]:
    rules = [f'allow if input.resource.name == "open-{n}-west"' for n in range(size - 1)]
    return ['allow if "editor" in input.principal.groups', *rules]


def _on_prefix(size: int) -> list[str]:
    rules = [
        f'allow if {{ "team-{n}" in input.principal.groups; startswith(input.resource.name, "open-{n}-") }}'
        for n in range(size - 1)
    ]
    return ['allow if "editor" in input.principal.groups', *rules]


def _cedar_on_name(size: int) -> list[str]:
    rules = [f'permit(principal, action, resource == Host::"open-{n}-west");' for n in range(size - 1)]
    return ['permit(principal in Role::"editor", action, resource);', *rules]


def _cedar_on_prefix(size: int) -> list[str]:
    rules = [
        f'permit(principal in Role::"team-{n}", action, resource) when {{ resource.name like "open-{n}-*" }};'
        for n in range(size - 1)
    ]
    return ['permit(principal in Role::"editor", action, resource);', *rules]


def _rules(
    sizes: Sequence[int],
    rego: Callable[[int], list[str]],
    cedar: Callable[[int], list[str]],
    settings: Settings,
) -> list[Contestant]:
    by_size: list[list[Contestant]] = []
    for size in sizes:
        text = "\n".join(["package bench.many", "default allow := false", *rego(size), ""])
        rules = peers.Rules({"many.rego": text}, "data.bench.many.allow", _REQUESTS, _ANSWERS)
        ours = peers.doorward(
            f"doorward, {size:,} rules", rules, settings, series="doorward, prepared query", size=size
        )
        by_size.append(
            [ours, *peers.rego_peers(rules, settings, size=size), *_cedar(cedar(size), settings, size)]
        )
    return [contestant for of_one in zip(*by_size, strict=True) for contestant in of_one]


def _cedar(policies: Sequence[str], settings: Settings, size: int) -> list[Contestant]:
    roles = sorted({role for request in _REQUESTS for role in request["principal"]["groups"]})
    entities: list[dict[str, Any]] = [
        {"uid": {"type": "Role", "id": role}, "attrs": {}, "parents": []} for role in roles
    ]
    entities += [
        {"uid": {"type": "Host", "id": name}, "attrs": {"name": name}, "parents": []}
        for name in sorted({request["resource"]["name"] for request in _REQUESTS})
    ]
    for request in _REQUESTS:
        principal = request["principal"]
        held = [{"type": "Role", "id": role} for role in principal["groups"]]
        entities.append({"uid": {"type": "User", "id": principal["id"]}, "attrs": {}, "parents": held})
    asked = [
        {
            "principal": f'User::"{request["principal"]["id"]}"',
            "action": 'Action::"exec"',
            "resource": f'Host::"{request["resource"]["name"]}"',
            "context": {},
        }
        for request in _REQUESTS
    ]
    return peers.cedar("\n".join(policies), entities, asked, _ANSWERS, settings, size=size)


_STATEMENTS = {
    "on a name": 'block "host {n}" if resource.name == "closed-{n}-west"',
    "on a group and a prefix": (
        'block "hosts {n}" if {{ "team-x{n}" in principal.groups; startswith(resource.name, "closed-{n}-") }}'
    ),
}


def _decisions(size: int, shape: str, statement: str, settings: Settings) -> Contestant:
    lines = ["package bench.many", "governs ssh", 'allow "editors" if "editor" in principal.groups']
    lines += [statement.format(n=n) for n in range(size - 1)]
    engine = Engine.from_sources({"many.ward": "\n".join(lines) + "\n"})
    series, requests = f"doorward, {shape}", (_REQUESTS[0], _REQUESTS[2])
    verdicts = [engine.decide(request).verdict for request in requests]
    peers.check(series, ["allow", "block"], verdicts)
    work = per_call(engine.decide, requests, settings.slice_seconds)
    return Contestant(f"{series}, {size:,} statements", work, series=series, size=size)


_JOINED = (
    "as many users in the request as grants in the data; request parsed beforehand; who has none is found"
)
_JOINS = {
    "in a comprehension": (
        """package bench.joins

granted[id] := permissions if {
	some i
	id := input.users[i].id
	permissions := {permission |
		some j
		data.grants[j].user == id
		permission := data.grants[j].permission
	}
}

without contains id if {
	some id, permissions in granted
	count(permissions) == 0
}
""",
        (10, 1_000, 10_000),
    ),
    "in nested loops": (
        """package bench.joins

granted contains user.id if {
	some user in input.users
	some grant in data.grants
	grant.user == user.id
}

without := {user.id | some user in input.users} - granted
""",
        (10, 100, 1_000),
    ),
}
"""The first as OPA's documentation writes what its index of comprehensions is for; the second has no index there."""

_MOST_FOR_REGORUS = 1_000
"""Users with as many grants: it compares each with each, which for more takes half a minute."""


def _joins(text: str, sizes: Sequence[int], settings: Settings) -> list[Contestant]:
    by_size: list[list[Contestant]] = []
    for size in sizes:
        grants = [{"user": f"user-{n * 7 % size}", "permission": f"permission-{n % 5}"} for n in range(size)]
        users = [{"id": f"user-{n}"} for n in range(size - 1)] + [{"id": "nobody"}]
        rules = peers.Rules(
            {"joins.rego": text},
            "data.bench.joins.without",
            [{"users": users}],
            [["nobody"]],
            {"grants": grants},
        )
        beside = settings
        if size > _MOST_FOR_REGORUS:
            beside = replace(settings, peers=(settings.peers or frozenset(peers.PEERS)) - {"regorus"})
        ours = peers.doorward(
            f"doorward, {size:,} users", rules, settings, series="doorward, prepared query", size=size
        )
        others = peers.rego_peers(rules, beside, size=size)
        named = [replace(one, name=one.name.replace(" rules", " users")) for one in others]
        by_size.append([ours, *named])
    return [contestant for of_one in zip(*by_size, strict=True) for contestant in of_one]
