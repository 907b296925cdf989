"""Generated Ward policies about PostgreSQL, and requests that make their conditions hold now and then."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

from doorward.decide.request import document_schemas
from doorward.facts.postgres import Catalogue
from doorward_dsl import PolicyError, Source, parse_module
from doorward_dsl.compile import compile_modules

__all__ = ["CATALOGUE", "DATA", "policies", "requests"]

_RELATIONS = [
    ["public", name, oid, "r", [[column, at, "text"] for at, column in enumerate(columns, 1)]]
    for oid, name, columns in ((101, "orders", ["id", "total"]), (102, "customers", ["id", "ssn"]))
]
CATALOGUE = Catalogue.from_json(
    json.dumps(
        {"server_version": 180000, "database": "shop", "relations": _RELATIONS, "functions": []}
    ).encode()
)

DATA = {"known": {"people": ["eve"], "powerful": ["dba", "root"]}}

_HELPERS = """package p

governs postgres

import data.known

analyst if "analysts" in principal.groups

trusted if principal.id in known.people
trusted if { principal.kind == "ci"; "jobs" in principal.groups }

late if time.hour >= 18
late if time.hour < 8

small(name) if name != "customers"

privileged contains group if { some group in principal.groups; group in known.powerful }

level := to_number(principal.claims.level)
"""

_TESTS = [
    "analyst",
    "trusted",
    "late",
    "not late",
    "not analyst",
    '"analysts" in principal.groups',
    '"dba" in principal.groups',
    'principal.kind == "agent"',
    'principal.kind != "human"',
    'principal.kind in {"ci", "service"}',
    'resource.environment == "prod"',
    'resource.environment != "prod"',
    'startswith(resource.name, "eu-")',
    'glob.match("*.example", [], session.purpose)',
    "sql.read_only",
    "sql.writes",
    "not sql.limited",
    '"customers" in sql.tables',
    "count(sql.tables) > 1",
    "count(principal.groups) < 2",
    "every name in sql.tables { small(name) }",
    "every group in principal.groups { group in data.known.powerful }",
    "some group in principal.groups; group in data.known.powerful",
    'some group in principal.groups; startswith(group, "team-")',
    'principal.groups[_] == "auditors"',
    "owner := resource.labels.owner; owner == principal.id",
    'resource.labels.tier == "gold"',
    "count(privileged) > 0",
    "level > 3",
    "to_number(principal.claims.level) >= 2",
    'time.weekday in {"Monday", "Tuesday"}',
    'principal.id == "ada"',
    "principal.id in data.known.people",
    "sql.read_only == false",
    "session.purpose",
]

_HEADS = [
    "allow",
    "allow",
    "allow",
    "block",
    "mask customers.ssn with hash",
    'approve by "dba" within 15m',
    "approve by principal.kind",
    "credential ttl 60s",
    'credential ttl 5m single_use as "reader"',
]

_bodies = st.lists(st.sampled_from(_TESTS), min_size=1, max_size=3, unique=True).map("\n\t".join)


@st.composite
def policies(draw: Callable[[st.SearchStrategy[Any]], Any]) -> str:
    """A package of helpers and up to eight statements, each on lines of its own."""
    text = _HELPERS
    for number in range(draw(st.integers(1, 8))):
        head = draw(st.sampled_from(_HEADS)) if number else "allow"
        verb, _, rest = head.partition(" ")
        condition = f" if {{\n\t{draw(_bodies)}\n}}" if draw(st.integers(0, 5)) else ""
        exception = f" unless {{\n\t{draw(_bodies)}\n}}" if not draw(st.integers(0, 3)) else ""
        added = f'{text}\n{verb} "s{number}" {rest}{condition}{exception}\n'
        # what the checks refuse, as a block that an absent value would switch off, is left out
        text = added if _compiles(added) else text
    return text


def _compiles(text: str) -> bool:
    try:
        compile_modules([parse_module(Source("p.ward", text))], schemas=document_schemas(), data=DATA)
    except PolicyError:
        return False
    return True


_principals = st.fixed_dictionaries(
    {
        "id": st.sampled_from(["ada", "bob", "eve"]),
        "kind": st.sampled_from(["human", "agent", "ci"]),
        "groups": st.lists(st.sampled_from(["analysts", "dba", "jobs", "team-x", "guests"]), max_size=3),
        "claims": st.sampled_from([{}, {"level": "1"}, {"level": "5"}, {"level": "high"}, {"level": 4}]),
    }
)

requests = st.fixed_dictionaries(
    {
        "principal": _principals,
        "action": st.sampled_from([{"name": "query"}, {"name": "query"}, {"name": "issue_credential"}]),
        "resource": st.fixed_dictionaries(
            {
                "kind": st.just("postgres"),
                "name": st.sampled_from(["eu-1", "us-1"]),
                "environment": st.sampled_from(["prod", "dev"]),
                "labels": st.sampled_from([{}, {"owner": "ada"}, {"tier": "gold"}]),
            }
        ),
        "session": st.sampled_from([{}, {"purpose": "report.example"}]),
        "postgres": st.sampled_from(
            [
                "select id from orders",
                "select ssn from customers",
                "select 1 from customers where ssn = 'x'",
                "select o.id from orders o join customers c on c.id = o.id limit 5",
                "update orders set total = 1",
                "select nonsense",
            ]
        ).map(lambda statement: {"statement": statement}),
    }
)
