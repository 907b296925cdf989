"""The PostgreSQL policies of this repository (`policies/`): whole decisions on SQL, from the bytes of a request."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import orjson

from bench import peers
from bench.measure import Contestant, Question, Settings, per_call
from doorward import Engine
from doorward.decide.document import parse_document
from doorward.facts.postgres import Catalogue

__all__ = ["questions"]

_HERE = Path(__file__).parent
_TREE = _HERE.parent / "policies"
_WAREHOUSE = _HERE / "policies" / "warehouse"
"""A smaller set, which has a twin in plain Rego."""
_TWIN = _HERE / "policies" / "warehouse.rego"
_TABLES = {
    "customers": ("id", "name", "email", "ssn", "card", "country", "joined"),
    "orders": ("id", "customer_id", "placed_at", "status", "total"),
    "reasoning_traces": ("trace_id", "branch", "step", "thought", "score"),
}
_STATEMENTS = {
    "select name, ssn, email from customers where id = 7": "allow",
    "select status, total from orders where customer_id = 7 order by placed_at limit 20": "allow",
    "drop table orders": "block",
    "update orders set status = 'paid' where id = 7": "approve",
}


def questions(settings: Settings) -> list[Question]:
    """Whole decisions; then the conditions alone, which other engines can evaluate too."""
    return [
        Question(
            "PostgreSQL policies, whole `decide`",
            "µs",
            lambda: _whole(settings),
            "from JSON bytes: parsing, analysis of the SQL, evaluation, combination, masks; four statements in turn",
        ),
        Question(
            "PostgreSQL policies, conditions alone",
            "µs",
            lambda: _conditions(settings),
            "a smaller set in plain Rego, on documents with the facts of the SQL found and parsed beforehand; the answer is "
            "the set of reasons, not one boolean",
        ),
    ]


def _catalogue() -> Catalogue:
    relations = [
        ["public", table, 100 + at, "r", [[name, n, "text"] for n, name in enumerate(columns, 1)]]
        for at, (table, columns) in enumerate(_TABLES.items())
    ]
    document = {"server_version": 180000, "database": "shop", "relations": relations, "functions": []}
    return Catalogue.from_json(json.dumps(document).encode())


def _request(statement: str) -> dict[str, Any]:
    writes = not statement.startswith("select")
    return {
        "principal": {
            "id": "dora" if writes else "ana",
            "kind": "human",
            "groups": ["dba" if writes else "analysts"],
        },
        "action": {"name": "query"},
        "resource": {"kind": "postgres", "name": "warehouse", "environment": "production"},
        "session": {"id": "s-1", "purpose": "support", "client_address": "10.1.2.3"},
        "postgres": {"statement": statement, "protocol": "simple", "user": "reader", "database": "shop"},
    }


def _whole(settings: Settings) -> list[Contestant]:
    engine, catalogue = Engine.from_path(_TREE), _catalogue()
    texts = [orjson.dumps(_request(statement)) for statement in _STATEMENTS]

    def decide(text: bytes) -> Any:
        return engine.decide(parse_document(text), catalogue=catalogue)

    peers.check("doorward", list(_STATEMENTS.values()), [decide(text).verdict for text in texts])
    numbers = itertools.count()

    def decide_anew(_: str) -> Any:
        # under another alias it is another statement; another literal would share the analysis
        alias = f"c{next(numbers)}"
        statement = f"select {alias}.name, {alias}.ssn from customers {alias} where {alias}.id = 7"
        return decide(orjson.dumps(_request(statement)))

    seconds = settings.slice_seconds
    return [
        Contestant("doorward, statements seen before", per_call(decide, texts, seconds)),
        Contestant("doorward, a statement never seen before", per_call(decide_anew, [""], seconds)),
        Contestant("parsing the request alone", per_call(parse_document, texts, seconds)),
    ]


def _conditions(settings: Settings) -> list[Contestant]:
    engine, catalogue = Engine.from_path(_WAREHOUSE), _catalogue()
    documents, answers = [], []
    for statement in _STATEMENTS:
        request = _request(statement)
        decision = engine.decide(request, catalogue=catalogue)
        documents.append({**request, **decision.facts})
        answers.append(sorted(reason.text for reason in decision.determining))
    rules = peers.Rules(
        modules={"warehouse.rego": _TWIN.read_text()},
        data={"directory": json.loads((_WAREHOUSE / "directory" / "data.json").read_text())},
        query="data.bench.warehouse.reasons",
        inputs=documents,
        answers=answers,
    )
    return [peers.doorward("doorward, prepared query", rules, settings), *peers.rego_peers(rules, settings)]
