"""Whole decisions by real policies on real statements."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest

from doorward import Engine, InvalidRequest, PolicyError, PostgresRequest
from doorward.decide.decision import Decision, Origin, Output, decision_schema
from doorward.decide.masks import column_matches
from doorward.facts.postgres import Catalogue

COLUMNS = {
    "customers": ["id", "name", "ssn", "card"],
    "orders": ["id", "customer_id", "total"],
    "notes": ["id", "body"],
}


def catalogue() -> Catalogue:
    """A small shop; columns are numbered from 1, tables from 100."""
    relations: list[Any] = [
        ["public", name, 100 + at, "r", [[column, n, "text"] for n, column in enumerate(columns, 1)]]
        for at, (name, columns) in enumerate(COLUMNS.items())
    ]
    people = [["id", 1, "text"], ["ssn", 2, "text"]]
    relations.append(["hr", "people", 200, "r", people])
    relations.append(["public", "who", 300, "v", people, [], False, "SELECT id, ssn FROM hr.people"])
    functions = [
        ["pg_catalog", name, "f", "i", False, 1, -1, "internal", "text"] for name in ("concat", "lower")
    ]
    document = {"server_version": 180000, "database": "shop", "relations": relations, "functions": functions}
    return Catalogue.from_json(json.dumps(document).encode())


SHOP = catalogue()

WARD = """package acme

governs postgres

allow "everybody reads" if sql.read_only
allow "writers write" if { "writers" in principal.groups; sql.writes }
block "schema changes go through migrations" if sql.changes_schema
mask customers.ssn, hr.people.ssn with partial(4) unless "compliance" in principal.groups
mask *.card with redact
approve "writes to production wait" by "dba" within 15m if {
    resource.environment == "prod"
    sql.writes
}
credential ttl 60s single_use if principal.kind == "agent"
credential ttl 15m as "readonly" if principal.kind == "human"
allow "credentials are free" if action.name == "issue_credential"
"""


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine.from_sources({"acme.ward": WARD})


def ask(
    statement: str = "", *, action: str = "query", groups: tuple[str, ...] = (), **more: Any
) -> dict[str, Any]:
    return {
        "principal": {"id": "ann", "groups": list(groups), "kind": more.get("kind", "human")},
        "action": {"name": action},
        "resource": {"kind": "postgres", "name": "shop", "environment": more.get("environment", "dev")},
        "postgres": {"statement": statement, "user": "app", "database": "shop"},
    }


def masked(decision: Decision) -> dict[str, list[Output]]:
    return {mask.target: list(mask.outputs) for mask in decision.masks if mask.outputs}


def texts(decision: Decision) -> set[str]:
    return {reason.text for reason in decision.reasons}


@pytest.mark.parametrize(
    ("statement", "outputs"),
    [
        ("select ssn from customers", {"customers.ssn": [Output(0, 0, False)]}),
        ("select id, ssn as x from customers c", {"customers.ssn": [Output(0, 1, False)]}),
        ("select id from customers", {}),
        ("select 'customers.ssn'", {}),
        (
            "select * from customers",
            {"*.card": [Output(0, 3, False)], "customers.ssn": [Output(0, 2, False)]},
        ),
        ("select lower(ssn) from customers", {"customers.ssn": [Output(0, 0, True)]}),
        ("select concat(ssn, card) from customers", {"customers.ssn": [Output(0, 0, True)]}),
        ("select 1; select ssn from customers", {"customers.ssn": [Output(1, 0, False)]}),
        ("select ssn from who", {"hr.people.ssn": [Output(0, 0, False)]}),
        ("with a as (select ssn s from customers) select s from a", {"customers.ssn": [Output(0, 0, False)]}),
    ],
)
def test_masks_follow_the_value(engine: Engine, statement: str, outputs: dict[str, list[Output]]) -> None:
    decision = engine.decide(ask(statement), catalogue=SHOP)
    assert decision.verdict == "allow"
    if "concat" in statement:  # two masks on one output: one of them has it, whole
        assert [o for found in masked(decision).values() for o in found] == [Output(0, 0, True)]
    else:
        assert masked(decision) == outputs


def test_origins_are_there_even_where_lineage_sees_nothing(engine: Engine) -> None:
    decision = engine.decide(ask("select 1"), catalogue=SHOP)
    assert {mask.target: mask.origins for mask in decision.masks} == {
        "*.card": (Origin(100, 4),),
        "customers.ssn": (Origin(100, 3),),
        # the server reports a column of a view as the view's own
        "hr.people.ssn": (Origin(200, 2), Origin(300, 2)),
    }


@pytest.mark.parametrize(
    "statement",
    [
        "select o.id, c.ssn from customers c join orders o on o.customer_id = c.ssn",
        "select o.id, c.ssn from customers c, orders o where c.ssn = o.customer_id and o.total = '5'",
        "select o.id, c.ssn from customers c join hr.people o using (ssn)",
    ],
)
def test_a_masked_column_may_be_joined_on(engine: Engine, statement: str) -> None:
    decision = engine.decide(ask(statement), catalogue=SHOP)
    assert (decision.verdict, texts(decision)) == ("allow", {"everybody reads"})
    assert masked(decision)["customers.ssn"] == [Output(0, 1, False)]


def test_compliance_sees_what_others_do_not(engine: Engine) -> None:
    decision = engine.decide(ask("select ssn, card from customers", groups=("compliance",)), catalogue=SHOP)
    assert masked(decision) == {"*.card": [Output(0, 1, False)]}


@pytest.mark.parametrize(
    "target", ["customers.ssn", "Customers.SSN", "*.ssn", "public.customers.ssn", "*.Customers.ssn"]
)
def test_the_strongest_of_overlapping_masks_has_the_column(target: str) -> None:
    ward = f"package p\ngoverns postgres\nallow\nmask {target} with partial(4)\nmask *.ssn with redact\n"
    decision = Engine.from_sources({"p.ward": ward}).decide(ask("select ssn from customers"), catalogue=SHOP)
    (mask,) = [mask for mask in decision.masks if mask.outputs]
    assert mask.method == "redact"
    owners = [mask.target for mask in decision.masks for origin in mask.origins if origin == Origin(100, 3)]
    assert owners == ["*.ssn"]


@pytest.mark.parametrize(
    ("statement", "why"),
    [
        (
            "select id from customers where ssn like '1%'",
            "`customers.ssn` is masked, so it cannot decide which rows",
        ),
        (
            "select id from customers order by ssn",
            "`customers.ssn` is masked, so it cannot decide which rows",
        ),
        (
            "select c.id from customers c join orders o on c.ssn = o.id where c.ssn > '5'",
            "`customers.ssn` is masked, so it cannot decide which rows",
        ),
        (
            "select c.id from customers c join (values ('123-45-6789')) v(x) on c.ssn = v.x",
            "`customers.ssn` is masked, so it cannot decide which rows",
        ),
        (
            "select id from customers group by id, ssn",
            "`customers.ssn` is masked, so it cannot decide which rows",
        ),
        (
            "insert into notes (body) select ssn from customers",
            "`customers.ssn` is masked, so its value cannot go",
        ),
        (
            "update notes set body = (select card from customers limit 1)",
            "`customers.card` is masked, so its value",
        ),
        ("drop table customers", "schema changes go through migrations"),
        ("select * from nowhere", "the statement cannot be analysed: "),
        ("select from where", "the statement cannot be analysed: "),
        ("delete from orders", "no statement allows this"),
    ],
)
def test_what_is_refused_says_why(engine: Engine, statement: str, why: str) -> None:
    groups = ("writers",) if not statement.startswith("delete") else ()
    decision = engine.decide(ask(statement, groups=groups), catalogue=SHOP)
    assert decision.verdict == "block"
    assert any(text.startswith(why) for text in texts(decision)), texts(decision)
    assert decision.masks == ()
    assert decision.approvals == ()


def test_the_words_of_a_drop_in_a_string_are_no_drop(engine: Engine) -> None:
    assert engine.decide(ask("select 'drop table x'"), catalogue=SHOP).verdict == "allow"


def test_a_write_to_production_waits_for_consent(engine: Engine) -> None:
    document = ask("update orders set total = 0", groups=("writers",), environment="prod")
    decision = engine.decide(document, catalogue=SHOP)
    assert decision.verdict == "approve"
    (approval,) = decision.approvals
    assert (approval.groups, approval.within_ms, approval.reason) == (
        ("dba",),
        900_000,
        "writes to production wait",
    )
    again = engine.decide(document, catalogue=SHOP)
    assert again.operation_hash == decision.operation_hash != ""
    assert again.decision_id != decision.decision_id


@pytest.mark.parametrize(
    "change",
    [
        {"postgres": {"statement": "update orders set total = 1", "user": "app", "database": "shop"}},
        {
            "postgres": {
                "statement": "update orders set total = 0",
                "user": "app",
                "database": "shop",
                "parameters": ["1"],
            }
        },
        {"principal": {"id": "bob", "groups": ["writers"], "kind": "human"}},
        {"resource": {"kind": "postgres", "name": "other", "environment": "prod"}},
    ],
)
def test_a_consent_fits_no_other_operation(engine: Engine, change: dict[str, Any]) -> None:
    document = ask("update orders set total = 0", groups=("writers",), environment="prod")
    one = engine.decide(document, catalogue=SHOP)
    other = engine.decide({**document, **change}, catalogue=SHOP)
    assert other.verdict == "approve"
    assert other.operation_hash != one.operation_hash


def test_credentials_come_with_their_action_only(engine: Engine) -> None:
    agent = engine.decide(ask(action="issue_credential", kind="agent"))
    assert (agent.verdict, agent.credential and agent.credential.ttl_ms) == ("allow", 60_000)
    assert agent.credential is not None
    assert agent.credential.single_use
    assert agent.credential.role == ""
    human = engine.decide(ask(action="issue_credential", kind="human"))
    assert human.credential is not None
    assert human.credential.role == "readonly"
    ci = engine.decide(ask(action="issue_credential", kind="ci"))
    assert (ci.verdict, ci.credential, texts(ci)) == ("block", None, {"no statement grants a credential"})
    assert engine.decide(ask("select 1", kind="agent"), catalogue=SHOP).credential is None


@pytest.mark.parametrize("action", ["connect", "issue_credential"])
def test_before_any_operation_facts_are_empty_and_nothing_is_masked(action: str) -> None:
    ward = "package p\ngoverns postgres\nallow if not sql.read_only\nmask content(card_number) with redact\ncredential ttl 1s\n"
    decision = Engine.from_sources({"p.ward": ward}).decide(ask("drop table x", action=action))
    assert (decision.verdict, decision.masks, decision.facts) == ("allow", (), {})


def test_a_mask_that_cannot_be_carried_out_blocks() -> None:
    ward = "package p\ngoverns postgres\nallow\nmask $.user.email with redact\n"
    decision = Engine.from_sources({"p.ward": ward}).decide(ask("select 1"), catalogue=SHOP)
    assert texts(decision) == {"`$.user.email` cannot be masked in an answer of this kind"}


def test_masks_by_content_go_to_the_gateway_beside_those_of_columns() -> None:
    ward = "package p\ngoverns postgres\nallow\nmask content(email), customers.ssn with redact\nmask content(email) with null\n"
    decision = Engine.from_sources({"p.ward": ward}).decide(ask("select ssn from customers"), catalogue=SHOP)
    assert decision.verdict == "allow"
    assert [(mask.target, mask.method, len(mask.outputs)) for mask in decision.masks] == [
        ("content(email)", "redact", 0),
        ("customers.ssn", "redact", 1),
    ]


@pytest.mark.parametrize("kind", ["http", "kubernetes", "llm", "mcp", "ssh", "gopher"])
def test_what_cannot_be_analysed_is_blocked(kind: str) -> None:
    engine = Engine.from_sources({"p.ward": "package p\ngoverns *\nallow\n"})
    decision = engine.decide({"resource": {"kind": kind}, "action": {"name": "read"}})
    assert decision.verdict == "block"
    connect = engine.decide({"resource": {"kind": kind}, "action": {"name": "connect"}})
    assert connect.verdict == ("block" if kind == "gopher" else "allow")


def test_without_a_catalogue_names_are_unknown(engine: Engine) -> None:
    assert engine.decide(ask("select 1")).verdict == "allow"
    assert engine.decide(ask("select * from orders")).verdict == "block"


def test_an_error_in_a_block_blocks_and_is_reported() -> None:
    ward = 'package p\ngoverns postgres\nallow\nblock "odd" if to_number(principal.id) > 3\n'
    decision = Engine.from_sources({"p.ward": ward}).decide(ask("select 1"))
    assert texts(decision) == {"odd (its condition could not be evaluated)"}
    (error,) = decision.errors
    assert (error.id, error.code, error.place.startswith("p.ward:4:")) == ("p:4", "eval_builtin_error", True)


def test_the_clock_is_the_callers_to_set() -> None:
    ward = 'package p\ngoverns postgres\nallow if time.weekday == "Friday"\n'
    engine = Engine.from_sources({"p.ward": ward})
    friday = 1_795_193_583_000_000_000
    assert engine.decide(ask("select 1"), now_ns=friday).verdict == "allow"
    assert engine.decide(ask("select 1"), now_ns=friday + 86_400 * 10**9).verdict == "block"


def test_models_and_mappings_are_taken_alike(engine: Engine) -> None:
    document = ask("select 1")
    model = PostgresRequest.model_validate(document)
    assert engine.decide(model).reasons == engine.decide(document).reasons
    with pytest.raises(InvalidRequest):
        engine.decide({"resource": {"kind": "postgres", "nam": "x"}})


def test_a_decision_is_json_by_its_schema(engine: Engine) -> None:
    import jsonschema

    decision = engine.decide(ask("select ssn, lower(card) from customers"), catalogue=SHOP)
    plain = json.loads(decision.to_json())
    jsonschema.validate(plain, decision_schema())
    assert plain["masks"][0]["outputs"] == [{"statement": 0, "column": 1, "whole": True}]
    assert plain["facts"]["sql"]["tables"] == ["customers"]


def test_file_order_and_names_do_not_show() -> None:
    head = "package p\ngoverns postgres\n"
    parts = ["allow\n", 'block "a" if principal.id == "ann"\n', 'block "b" if resource.name == "shop"\n']
    decisions = [
        Engine.from_sources({f"{n}.ward": head + part for n, part in zip(names, parts, strict=True)}).decide(
            ask("select 1")
        )
        for names in ("abc", "cba", "bca")
    ]
    assert len({frozenset(texts(d)) for d in decisions}) == 1
    assert len({d.verdict for d in decisions}) == 1


def test_many_threads_decide_at_once(engine: Engine) -> None:
    wrong: list[Any] = []

    def work(name: str, groups: tuple[str, ...], expected: int) -> None:
        for _ in range(50):
            decision = engine.decide(ask("select ssn, card from customers", groups=groups), catalogue=SHOP)
            if len(masked(decision)) != expected:
                wrong.append((name, decision))

    threads = [
        threading.Thread(target=work, args=(str(n), ("compliance",) if n % 2 else (), 1 if n % 2 else 2))
        for n in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_policies_that_do_not_compile_raise_everything_at_once() -> None:
    with pytest.raises(PolicyError) as caught:
        Engine.from_sources({"a.ward": "package a\nallow if {\n", "b.rego": "package b\np := )\n"})
    assert {d.span.source.name for d in caught.value.diagnostics} == {"a.ward", "b.rego"}


@pytest.mark.parametrize(
    ("target", "relation", "column", "matches"),
    [
        ("customers.ssn", "customers", "ssn", True),
        ("customers.ssn", "hr.customers", "ssn", False),
        ("customers.ssn", "customers", "ssn2", False),
        ("*.ssn", "hr.customers", "ssn", True),
        ("public.customers.ssn", "customers", "ssn", True),
        ("hr.customers.ssn", "hr.customers", "ssn", True),
        ("hr.*.ssn", "hr.customers", "ssn", True),
        ("*.customers.ssn", "customers", "ssn", True),
        ("hr.*.ssn", "customers", "ssn", False),
        ("CUSTOMERS.SSN", "customers", "ssn", True),
        ("customers.ssn", "CUSTOMERS", "Ssn", True),
        ("ssn", "customers", "ssn", False),
    ],
)
def test_targets_and_columns(target: str, relation: str, column: str, matches: bool) -> None:
    assert column_matches(target, relation, column) is matches


def test_what_is_remembered_never_crosses_requests() -> None:
    ward = """package p
governs postgres
allow $"{principal.id} may" if sql.read_only
mask column with redact if { some column in data.hidden[principal.id] }
"""
    data = {"hidden": {"ann": ["customers.ssn"], "bob": ["customers.card", "customers.ssn"], "eve": []}}
    engine = Engine.from_sources({"p.ward": ward}, data)
    remembered: dict[Any, Any] = {}
    for _ in range(2):
        for who in ("ann", "bob", "eve"):
            for statement in (
                "select ssn, card from customers",
                "select card, ssn from customers",
                "select 1",
            ):
                decision = engine.decide({**ask(statement), "principal": {"id": who}}, catalogue=SHOP)
                assert texts(decision) == {f"{who} may"}
                hidden = {target.split(".")[1] for target in masked(decision)}
                asked = {"ssn", "card"} if "customers" in statement else set()
                assert hidden == {name.split(".")[1] for name in data["hidden"][who]} & asked
                for target, outputs in masked(decision).items():
                    assert outputs == [
                        Output(0, statement[7:16].split(", ").index(target.split(".")[1]), False)
                    ]
                said = (decision.verdict, decision.reasons, decision.masks)
                assert remembered.setdefault((who, statement), said) == said


def test_a_new_catalogue_is_not_taken_for_the_old_one(engine: Engine) -> None:
    statement = ask("select name from customers")
    assert masked(engine.decide(statement, catalogue=SHOP)) == {}
    columns = [["name", 1, "text"], ["ssn", 2, "text"], ["card", 3, "text"]]
    document = {
        "server_version": 180000,
        "database": "shop",
        "relations": [
            ["public", "people", 500, "r", columns],
            [
                "public",
                "customers",
                501,
                "v",
                columns,
                [],
                False,
                "SELECT ssn AS name, name AS ssn, card FROM public.people",
            ],
        ],
        "functions": [],
    }
    other = Catalogue.from_json(json.dumps(document).encode())
    ward = "package p\ngoverns postgres\nallow\nmask people.ssn with redact\n"
    engine = Engine.from_sources({"p.ward": ward})
    assert masked(engine.decide(statement, catalogue=SHOP)) == {}
    assert masked(engine.decide(statement, catalogue=other)) == {"people.ssn": [Output(0, 0, False)]}
    assert masked(engine.decide(statement, catalogue=SHOP)) == {}
