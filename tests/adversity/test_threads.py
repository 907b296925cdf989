"""Many threads, one engine: every answer is the one that the same question gets alone.

`DOORWARD_THREAD_DECISIONS` sets how many decisions and queries are made in all.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from doorward import Engine
from doorward.decide.decision import Decision
from doorward.facts.postgres import Catalogue
from doorward.run.errors import EvaluationError
from doorward_dsl import PolicyError

THREADS = 8
DECISIONS = int(os.environ.get("DOORWARD_THREAD_DECISIONS", "40000"))
NOW = 1_795_000_000_000_000_000

POLICY = """package acme

governs postgres

roles[who] contains role if { some who, role in data.grants }

level := count(roles[principal.id]) + object.get(principal.claims, "level", 0)

mine contains name if { some name in sql.tables; not name in data.shared }

double(x) := x * 2

others := [g | some g in principal.groups; g != "all"]

ratio := 10 / object.get(principal.claims, "parts", 2)

pretended := n if { n := count(others) with input.principal.groups as ["x", "y", principal.id] }

swapped := n if { n := double(level) with double as count_up }

count_up(x) := x + 100

allow $"level {level}" if { sql.read_only; level > 0; every g in others { startswith(g, "g") } }
allow "of two" if { sql.writes; double(level) == 4; pretended == 3 }
block $"{principal.id} drops nothing" if sql.changes_schema
block $"parts make {ratio}" if ratio > 9
block $"swapped {swapped}" if { swapped == 101; "g3" in others }
mask customers.ssn with partial(4) unless "compliance" in roles[principal.id]
mask *.card with redact if count(mine) > 0
approve $"{concat(",", others)} wait" by "dba" within 15m if { sql.writes; resource.environment == "prod" }
credential ttl 60s single_use if principal.kind == "agent"
allow "credentials" if action.name == "issue_credential"
"""
LIBRARY = """package lib

visits[x] := y if { some x; y := input.seen[x] }

total := sum([y | some y in visits])

fib(n) := n if n < 2

fib(n) := x if { n >= 2; x := n + count([m | some m in numbers.range(1, n)]) }

tree[path] := value if { walk(input, [steps, value]); path := json.marshal(steps); not is_object(value) }

answer := {"total": total, "fib": fib(input.n), "tree": tree, "odd": {x | some x in input.all; x % 2 == 1}}

conflict := x if { some x in input.all }

with_input := x if { x := total with input.seen as {"a": input.n, "b": 1} }
"""
DATA = {
    "grants": {"ana": ["reader", "compliance"], "bo": ["reader"], "ci": ["writer", "deployer"]},
    "shared": ["notes"],
}
STATEMENTS = [
    "SELECT name, ssn FROM customers",
    "SELECT card FROM customers WHERE id = 7",
    "SELECT body FROM notes",
    "UPDATE customers SET name = 'x' WHERE id = 1",
    "DROP TABLE customers",
    "SELECT secrets(1)",
    "this is not SQL",
]


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    tables = {"customers": ["id", "name", "ssn", "card"], "notes": ["id", "body"]}
    relations = [
        ["public", name, 100 + at, "r", [[column, n, "text"] for n, column in enumerate(columns, 1)]]
        for at, (name, columns) in enumerate(tables.items())
    ]
    document = {"server_version": 180000, "database": "shop", "relations": relations, "functions": []}
    return Catalogue.from_json(json.dumps(document).encode())


def requests() -> list[dict[str, Any]]:
    """One of each kind of question, so that every verdict and every error is among the answers."""
    made = []
    for at in range(420):
        who = ("ana", "bo", "ci", "nobody")[at % 4]
        claims: dict[str, Any] = [{}, {"level": at % 3}, {"parts": 0}, {"level": "high"}, {"parts": at}][
            at % 5
        ]
        document: dict[str, Any] = {
            "principal": {
                "id": who,
                "kind": ("human", "agent")[at % 2],
                "groups": [f"g{at % 6}", "all"],
                "claims": claims,
            },
            "action": {"name": "issue_credential" if at % 12 == 11 else "query"},
            "resource": {"kind": "postgres", "name": "shop", "environment": ("prod", "dev")[at // 4 % 2]},
            "postgres": {"statement": STATEMENTS[at % 7], "search_path": ["public"]},
        }
        made.append(document)
    return made


def questions() -> list[tuple[str, Any]]:
    """Queries, with what they are asked about."""
    asked: list[tuple[str, Any]] = []
    for at in range(24):
        document = {
            "seen": {"a": at, "b": at * 2, f"k{at}": 1},
            "n": at,
            "all": list(range(at % 5)),
            "deep": [[at], {"x": [at]}],
        }
        asked.append(
            (
                (
                    "x = data.lib.answer",
                    "x = data.lib.conflict",
                    "data.lib.visits[x] = y",
                    "x = data.lib.with_input",
                )[at % 4],
                document,
            )
        )
    return asked


def plain(decision: Decision) -> tuple[Any, ...]:
    """Everything that a decision says, but for its own number."""
    return (
        *(
            decision.revision,
            decision.verdict,
            decision.reasons,
            decision.determining,
            decision.masks,
            decision.approvals,
        ),
        *(decision.credential, decision.errors, decision.operation_hash, repr(decision.facts)),
    )


def answer(engine: Engine, query: str, document: Any) -> Any:
    """The answers to a query, or the class of its error."""
    try:
        return engine.query(query, document)
    except EvaluationError as error:
        return error.code


@contextmanager
def switching_often() -> Iterator[None]:
    """Lets threads take turns a hundred times as often, in the middle of everything."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(5e-5)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


def together(work: Callable[[int], None]) -> None:
    """Run `work` in all threads at once; raises what any of them raised."""
    start = threading.Barrier(THREADS)
    raised: list[BaseException] = []

    def run(number: int) -> None:
        start.wait()
        try:
            work(number)
        except BaseException as error:
            raised.append(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(THREADS)]
    with switching_often():
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    if raised:
        raise raised[0]


def engine_of(mark: str = "") -> Engine:
    """An engine of the policies above; `mark` is part of every reason of one of them."""
    marked = POLICY.replace("drops nothing", f"drops nothing{mark}").replace(
        "level {level}", f"level {{level}}{mark}"
    )
    return Engine.from_sources({"acme.ward": marked, "lib.rego": LIBRARY}, DATA)


def test_every_answer_is_the_one_given_alone(catalogue: Catalogue) -> None:
    alone = engine_of()
    documents, asked = requests(), questions()
    wanted = [plain(alone.decide(document, catalogue=catalogue, now_ns=NOW)) for document in documents]
    answers = [answer(alone, *one) for one in asked]
    assert {one[1] for one in wanted} == {"allow", "block", "approve"}
    assert all(any(one[at] for one in wanted) for at in (4, 5, 6, 7)), (
        "masks, approvals, credentials and errors are in it"
    )
    assert "eval_conflict_error" in answers

    shared = engine_of()
    wrong: list[tuple[int, Any]] = []

    def work(number: int) -> None:
        for turn in range(DECISIONS // THREADS):
            at = (turn * 31 + number * 11) % (len(documents) + len(asked))
            if at < len(documents):
                found: Any = plain(shared.decide(documents[at], catalogue=catalogue, now_ns=NOW))
                right = wanted[at]
            else:
                found, right = answer(shared, *asked[at - len(documents)]), answers[at - len(documents)]
            if found != right and len(wrong) < 10:
                wrong.append((at, found))

    together(work)
    assert not wrong


def test_a_decision_is_wholly_of_one_revision(catalogue: Catalogue) -> None:
    """Engines are compiled and swapped while others decide, as a service does it when a policy changes."""
    marks = [f" (v{number})" for number in range(6)]
    documents = requests()[:14]
    wanted = {}
    for mark in marks:
        engine = engine_of(mark)
        wanted[engine.revision] = [
            plain(engine.decide(one, catalogue=catalogue, now_ns=NOW)) for one in documents
        ]
    assert len(wanted) == len(marks)
    in_force = [engine_of(marks[0])]
    done = threading.Event()
    seen: set[str] = set()
    wrong: list[Any] = []

    def swap() -> None:
        for turn in range(18):
            in_force[0] = engine_of(marks[turn % len(marks)])
        done.set()

    def decide(number: int) -> None:
        turn = number
        while not done.is_set():
            turn += 1
            engine = in_force[0]
            found = plain(engine.decide(documents[turn % len(documents)], catalogue=catalogue, now_ns=NOW))
            seen.add(found[0])
            if found != wanted[found[0]][turn % len(documents)] or found[0] != engine.revision:
                wrong.append(found)

    together(lambda number: swap() if number == 0 else decide(number))
    assert not wrong
    assert len(seen) > 1


def test_many_threads_compile_at_once() -> None:
    """Compiling shares nothing either: each thread gets the engine, or the diagnostics, of its own text."""
    wrong: list[object] = []

    def work(number: int) -> None:
        for turn in range(6):
            name = f"n{number}_{turn}"
            engine = Engine.from_sources(
                {f"{name}.rego": f"package t\n\n{name} := {turn} + input.x\n\nf(x) := x + {number}\n"}
            )
            if engine.query(f"x = data.t.{name}; y = data.t.f(x)", {"x": number}) != [
                {"x": turn + number, "y": turn + 2 * number}
            ]:
                wrong.append(name)
            try:
                Engine.from_sources({f"{name}.rego": f"package t\n\np if {name}_misspelt\n"})
            except PolicyError as error:
                if f"{name}_misspelt" not in str(error):
                    wrong.append(error)
            else:
                wrong.append(name)

    together(work)
    assert not wrong
