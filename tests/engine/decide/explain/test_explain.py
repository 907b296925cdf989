"""What an explanation says, and the form in which it is said."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from doorward import Engine, Explanation, InvalidRequest
from doorward.cli.main import build
from doorward.decide.explain import Condition
from doorward.run.budget import Limits

from .generated import CATALOGUE

NOON = 1_795_003_200_000_000_000
"""Wednesday, 2026-11-18, 12:00 UTC."""

PACKAGE = "package acme\n\ngoverns postgres\n\n"


def told(text: str, *, data: dict[str, Any] | None = None, **request: Any) -> Explanation:
    """The explanation of a request of ada's under a policy."""
    asked: dict[str, Any] = {
        "principal": {"id": "ada", "kind": "human", "groups": ["sales"], **request.get("principal", {})},
        "action": {"name": request.get("action", "query")},
        "resource": {"kind": "postgres", "environment": "prod", **request.get("resource", {})},
        "session": request.get("session", {}),
        "postgres": {"statement": request.get("statement", "select id from orders")},
    }
    engine = Engine.from_sources({"acme.ward": PACKAGE + text}, data)
    return engine.explain(asked, catalogue=CATALOGUE, now_ns=NOON)


def failed(explanation: Explanation, at: int = 0) -> Condition:
    """The condition on which a statement, the first if not said otherwise, failed."""
    (one,) = explanation.statements[at].conditions
    assert one.outcome == "not_held"
    return one


def seen(condition: Condition) -> dict[str, str]:
    return {one.text: one.value for one in condition.seen}


@pytest.mark.parametrize(
    ("condition", "text", "values"),
    [
        ("sql.writes", "sql.writes", {"sql.writes": "false"}),
        ("sql.read_only\n\tsql.writes", "sql.writes", {"sql.writes": "false"}),
        ("not sql.read_only", "not sql.read_only", {"sql.read_only": "true"}),
        (
            '"analysts" in principal.groups',
            '"analysts" in principal.groups',
            {"principal.groups": '["sales"]'},
        ),
        (
            "count(principal.groups) > 3",
            "count(principal.groups) > 3",
            {"count(principal.groups)": "1", "principal.groups": '["sales"]'},
        ),
        (
            "who := principal.id\n\twho == data.boss.id",
            "who == data.boss.id",
            {"who": '"ada"', "data.boss.id": '"eve"'},
        ),
        ("resource.labels.owner", "resource.labels.owner", {"resource.labels.owner": "undefined"}),
        ("sql.tables[_] == \"x\"", 'sql.tables[_] == "x"', {"sql.tables": '["orders"]'}),
        (
            "every name in sql.tables { name != \"orders\" }",
            'every name in sql.tables { name != "orders" }',
            {"sql.tables": '["orders"]', "name": '"orders"'},
        ),
        (
            "startswith(resource.name, $\"{principal.id}-\")",
            'startswith(resource.name, $"{principal.id}-")',
            {"resource.name": '""', "principal.id": '"ada"',
             'startswith(resource.name, $"{principal.id}-")': "false"},
        ),
        (
            "sql.writes with input.sql.writes as false",
            "sql.writes with input.sql.writes as false",
            {"sql.writes": "false"},
        ),
    ],
)  # fmt: skip
def test_the_first_condition_that_failed(condition: str, text: str, values: dict[str, str]) -> None:
    one = failed(told(f'allow "it" if {{\n\t{condition}\n}}', data={"boss": {"id": "eve"}}))
    assert one.text == text
    assert one.place.startswith("acme.ward:")
    assert {name: value for name, value in seen(one).items() if name in values} == values


def test_of_many_bindings_the_nearest_is_shown() -> None:
    one = failed(
        told(
            'allow "it" if {\n\tsome member in data.staff\n\tmember.id == principal.id\n\tmember.age > 30\n}',
            data={"staff": [{"id": name, "age": age} for name, age in (("x", 50), ("ada", 20), ("ada", 25))]},
        )
    )
    assert (one.text, one.tried) == ("member.age > 30", 2)
    assert seen(one)["member.age"] == "20"


def test_rules_are_followed() -> None:
    explanation = told(
        'allow if trusted\n\ntrusted if staff\ntrusted if principal.kind == "ci"\n\nstaff if known(principal.id)\n\n'
        "known(id) if id in data.people\n",
        data={"people": ["eve"]},
    )
    (rule,) = failed(explanation).rules
    assert [one.text for one in rule.definitions] == ["staff", 'principal.kind == "ci"']
    (staff,) = rule.definitions[0].rules
    (known,) = staff.definitions[0].rules
    assert known.name == "known(principal.id)"
    assert seen(known.definitions[0]) == {"id": '"ada"', "data.people": '["eve"]'}


def test_a_rule_whose_value_is_missing_says_which() -> None:
    explanation = told("allow if level > 3\n\nlevel := principal.claims.level")
    (rule,) = failed(explanation).rules
    assert rule.definitions[0].text == "principal.claims.level"


def test_what_held_says_why_and_what_it_asked_for() -> None:
    explanation = told(
        'allow "read" if sql.read_only\n'
        'mask orders.total with partial(4) unless "compliance" in principal.groups\n'
        'approve "wait" by "dba" within 15m if resource.environment == "prod"\n'
    )
    allow, mask, approve = explanation.statements
    assert [one.outcome for one in explanation.statements] == ["held"] * 3
    assert [one.determining for one in explanation.statements] == [False, False, True]
    assert (mask.says, approve.says) == (
        ("mask orders.total with partial(4)",),
        ("consent of dba within 900 s",),
    )
    assert [one.text for one in allow.conditions] == ["sql.read_only"]
    assert [(one.part, one.outcome) for one in mask.conditions] == [("unless", "not_held")]


def test_an_exception_that_held_is_told() -> None:
    (block, _) = told(
        'block "it" if sql.read_only unless "sales" in principal.groups\nallow if true'
    ).statements
    assert block.outcome == "not_held"
    assert [(one.part, one.outcome, one.text) for one in block.conditions] == [
        ("unless", "held", '"sales" in principal.groups')
    ]


def test_errors_are_told_with_their_place() -> None:
    explanation = told('block "it" if to_number(principal.id) > 3\nallow if true')
    block = explanation.statements[0]
    assert (explanation.decision.verdict, block.outcome, block.determining) == ("block", "errored", True)
    assert block.error is not None
    assert block.conditions[0].error.startswith("eval_builtin_error: to_number")
    assert seen(block.conditions[0])["principal.id"] == '"ada"'


def test_statements_that_an_index_skips_are_explained() -> None:
    text = "".join(f'allow "r{number:02}" if principal.id == "p{number:02}"\n' for number in range(40))
    explanation = told(text)
    assert [one.outcome for one in explanation.statements] == ["not_held"] * 40
    assert all(seen(one.conditions[0]) == {"principal.id": '"ada"'} for one in explanation.statements)


def test_rego_rules_that_take_part_are_explained() -> None:
    rego = (
        "# METADATA\n# scope: package\n# custom:\n#   governs: [postgres]\npackage plain\n\n"
        'default allow := false\n\nallow if "dba" in input.principal.groups\n\n'
        'deny contains "no writes" if input.sql.writes\n'
    )
    engine = Engine.from_sources({"plain.rego": rego})
    request = {"resource": {"kind": "postgres"}, "action": {"name": "connect"}}
    explanation = engine.explain(request)
    assert [(one.verb, one.outcome) for one in explanation.statements] == [
        ("allow", "not_held"),
        ("block", "not_held"),
    ]
    assert [one.text for one in explanation.statements[0].conditions] == ['"dba" in input.principal.groups']
    assert explanation.nearest is not None
    assert [change.text for change in explanation.nearest.changes] == ['"dba" in principal.groups']


@pytest.mark.parametrize(
    ("text", "changes"),
    [
        ('allow if "analysts" in principal.groups', ['"analysts" in principal.groups']),
        ("allow if sql.writes", ["sql.writes is true"]),
        ('allow if principal.kind == "ci"', ['principal.kind is "ci"']),
        ('allow if principal.kind in {"agent", "ci"}', ['principal.kind is "agent"']),
        ('allow if principal.kind != "human"', ['principal.kind is not "human", but such as "service"']),
        ("allow if principal.id in data.people", ['principal.id is "eve"']),
        ("allow if count(principal.groups) > 1", ['"some value 1" in principal.groups']),
        ("allow if resource.labels.owner == principal.id", ['resource.labels.owner is "ada"']),
        ('allow if resource.labels.owner', ['resource.labels.owner is there, such as "some value"']),
        ('allow if { owner := resource.labels.owner; owner == "x" }', ['resource.labels.owner is "x"']),
        ('allow if { some g in principal.groups; g in {"dba"} }', ['"dba" in principal.groups']),
        ('allow if principal.groups[_] == "dba"', ['"dba" in principal.groups']),
        ('allow if startswith(resource.name, "eu-")', ['resource.name is "eu-"']),
        ('allow if glob.match("*.example", [], session.purpose)', ['session.purpose is "x.example"']),
        ("allow if time.hour >= 18", ["time.hour is 18"]),
        ('allow if time.weekday == "Monday"', ['time.weekday is "Monday"']),
        ("allow if every t in sql.tables { t != \"orders\" }", ['"orders" not in sql.tables']),
        ('allow if f(principal.id)\nf(x) if x == "eve"', ['principal.id is "eve"']),
        ('allow if staff\nstaff if "a" in principal.groups', ['"a" in principal.groups']),
        (
            'allow if { "a" in principal.groups; "b" in principal.groups; sql.writes }',
            ['"a" in principal.groups', '"b" in principal.groups', "sql.writes is true"],
        ),
        ('allow if true\nblock if "orders" in sql.tables', ['"orders" not in sql.tables']),
        ('allow if true\nblock if resource.environment == "prod" unless "sre" in principal.groups',
         ['"sre" in principal.groups']),
        ('allow if true\nblock if not sql.limited', ["sql.limited is true"]),
        ('allow if true\napprove by "dba" if sql.read_only', ["sql.read_only is false"]),
        ('allow if "sales" in principal.groups unless principal.kind == "human"',
         ['principal.kind is not "human", but such as "service"']),
        ("block if true\nallow if true", None),
        ("allow if data.nothing.here", None),
        ("allow if principal.id == \"x\"; block if principal.id == \"x\"".replace("; ", "\n"), None),
    ],
)  # fmt: skip
def test_the_nearest_allow(text: str, changes: list[str] | None) -> None:
    explanation = told(text, data={"people": ["eve"]})
    assert explanation.decision.verdict != "allow"
    if changes is None:
        assert explanation.nearest is None
    else:
        assert explanation.nearest is not None
        assert sorted(change.text for change in explanation.nearest.changes) == sorted(changes)


def test_waiting_for_consent_is_named_where_it_is_nearer() -> None:
    explanation = told('allow if "a" in principal.groups\napprove by "dba" if resource.environment == "prod"')
    assert explanation.nearest is not None
    assert explanation.nearest_approval is not None
    assert [change.text for change in explanation.nearest_approval.changes] == ['"a" in principal.groups']
    assert len(explanation.nearest.changes) == 2


def test_masks_in_the_way_and_credentials() -> None:
    masked = told(
        'allow if true\nmask customers.ssn with hash unless "compliance" in principal.groups',
        statement="select id from customers where ssn = '1'",
    )
    assert masked.decision.verdict == "block"
    assert masked.nearest is not None
    assert [change.text for change in masked.nearest.changes] == ['"compliance" in principal.groups']
    credential = told(
        'allow if action.name == "issue_credential"\ncredential ttl 1m if "ops" in principal.groups',
        action="issue_credential",
    )
    assert credential.nearest is not None
    assert [change.text for change in credential.nearest.changes] == ['"ops" in principal.groups']


def test_what_the_engine_refuses_no_policy_allows() -> None:
    explanation = told("allow if sql.writes", statement="select nonsense from nowhere")
    assert (explanation.nearest, explanation.searched) == (None, 0)
    assert "the engine itself refuses this operation" in explanation.to_text()


def test_a_changed_request_is_never_asked_of_the_world() -> None:
    from doorward_dsl.capabilities import capabilities_document, read_capabilities

    capabilities = read_capabilities(json.dumps(capabilities_document()).encode())
    text = PACKAGE + 'allow if { "a" in principal.groups; rand.intn(principal.groups[0], 10) < 10 }'
    engine = Engine.from_sources({"acme.ward": text}, capabilities=capabilities)
    request = {"resource": {"kind": "postgres"}, "action": {"name": "connect"}}
    explanation = engine.explain(request)
    assert explanation.nearest is None
    assert explanation.decision.effects == ()


def test_no_request_is_no_explanation() -> None:
    with pytest.raises(InvalidRequest):
        Engine.from_sources({"acme.ward": PACKAGE + "allow if true"}).explain({"resource": {}})


# --- bounds ---


def test_long_values_are_cut() -> None:
    explanation = told(
        'allow if principal.claims.note == "x"',
        principal={"claims": {"note": "n" * 100_000, "deep": [[[[[[[[[[1]]]]]]]]]]}},
    )
    assert max(len(line) for line in explanation.to_text(everything=True).splitlines()) <= 200
    one = failed(told("allow if principal.claims == {}", principal={"claims": {"k": list(range(10_000))}}))
    assert len(seen(one)["principal.claims"]) <= 160


@pytest.mark.parametrize(
    "condition",
    [
        "count([1 | some a in numbers.range(1, 900); some b in numbers.range(1, 900); a == b + 9000]) > 0",
        "every a in numbers.range(1, 900) { some b in numbers.range(1, 900); b > a + 1 }",
    ],
)
def test_hostile_conditions_end(condition: str) -> None:
    text = "\n".join(f'allow "r{n}" if {{\n\t{condition}\n}}' for n in range(3))
    engine = Engine.from_sources({"acme.ward": PACKAGE + text}, limits=Limits(steps=50_000))
    before = time.monotonic()
    explanation = engine.explain({"resource": {"kind": "postgres"}, "action": {"name": "connect"}})
    assert time.monotonic() - before < 30
    assert explanation.decision.errors[0].code == "eval_budget_error"
    assert "the evaluation took more than 50000 steps" in explanation.to_text()
    assert [one.outcome for one in explanation.statements] == ["unknown"] * 3
    assert "may not have been tried" in explanation.to_text()


def test_many_statements_are_told_in_seconds() -> None:
    text = "".join(
        f'allow "r{number}" if {{ principal.id == "p{number}"; "g{number}" in principal.groups }}\n'
        for number in range(1_000)
    )
    before = time.monotonic()
    explanation = told(text)
    assert time.monotonic() - before < 30
    assert explanation.nearest is not None
    assert len(explanation.to_text().splitlines()) < 60
    assert len(explanation.to_text(everything=True).splitlines()) > 1_000


# --- the forms ---


def test_text_for_people() -> None:
    explanation = told(
        'allow "analysts read" if {\n\tanalyst\n\tsql.read_only\n}\n\nanalyst if "analysts" in principal.groups'
    )
    assert explanation.to_text().splitlines() == [
        "block",
        "  · no statement allows this",
        "",
        "did not hold",
        '  - allow "analysts read"  acme.ward:5:1',
        "      - analyst  acme.ward:6:2",
        "          `analyst` asks for:",
        '            - "analysts" in principal.groups  acme.ward:10:12',
        '                principal.groups = ["sales"]',
        "",
        "the nearest that would be allowed",
        '  · "analysts" in principal.groups',
    ]
    coloured = explanation.to_text(color=True)
    assert "\x1b[1;31mblock\x1b[0m" in coloured
    assert "\x1b" not in explanation.to_text()


def test_control_characters_of_a_policy_or_request_reach_no_terminal() -> None:
    explanation = told('allow "\\u001b[2J" if principal.id == "\\u001b[2J"', principal={"id": "\x1b[31m"})
    assert "\x1b" not in explanation.to_text(everything=True)


def test_the_command(tmp_path: Path) -> None:
    (tmp_path / "p.ward").write_text(PACKAGE + 'allow if "dba" in principal.groups\n')
    request: dict[str, Any] = {"resource": {"kind": "postgres"}, "action": {"name": "connect"}}
    run = CliRunner().invoke(build(), ["explain", str(tmp_path)], input=json.dumps(request))
    assert (run.exit_code, run.stdout.splitlines()[0]) == (1, "block")
    assert '"dba" in principal.groups' in run.stdout
    run = CliRunner().invoke(build(), ["explain", str(tmp_path), "--json"], input=json.dumps(request))
    plain = json.loads(run.stdout)
    assert plain["nearest"] == {
        "verdict": "allow",
        "changes": [
            {
                "op": "add",
                "path": ["principal", "groups"],
                "value": "dba",
                "text": '"dba" in principal.groups',
                "derived": False,
            }
        ],
    }
    assert plain["statements"][0]["conditions"][0]["seen"] == [{"text": "principal.groups", "value": "[]"}]
    request["principal"] = {"groups": ["dba"]}
    run = CliRunner().invoke(build(), ["explain", str(tmp_path), "--no-nearest"], input=json.dumps(request))
    assert (run.exit_code, run.stdout.splitlines()[0]) == (0, "allow")
