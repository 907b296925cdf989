"""Test blocks against one small policy: every kind of line, met and not met."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from doorward.author.testing import FileError, FilesBelow, TestResult, run_tests
from doorward.author.testing.load import load
from doorward.bundle import policies_from, read_policies
from doorward_dsl import PolicyError

POLICY = """package shop

governs postgres

analyst if "analysts" in principal.groups

allow "analysts read" if { analyst; sql.read_only; every t in sql.tables { t == "customers" } }
allow "analysts write" if { analyst; not sql.read_only }
block "schema changes" if sql.changes_schema
mask "addresses" customers.email with hash
mask customers.ssn with partial(4) unless "compliance" in principal.groups
approve "writes wait" by "dba" within 15m if { sql.writes; resource.environment == "prod" }
credential ttl 60s single_use as "reader" if principal.kind == "agent"
credential ttl 15m as "reader" if principal.kind == "human"
allow "anybody may ask" if action.name in {"issue_credential", "connect"}
block "suspended" if principal.id in data.directory.suspended
block "risky" if score(principal.groups) > 50
block "at night" if time.hour > 21
allow "by level" if { principal.claims.level; to_number(principal.claims.level) > 3 }
score(x) := count(x)
of_one(x) := 1
real_score(x) := count(x)
unread := 6
directory_of := {"x": 0}
"""

FILE = """package shop

given schema := `
	create table customers (id int, name text, ssn text, email text);
	create table orders (id int, total int);
`
given principal := {"id": "ana", "kind": "human", "groups": ["analysts"]}

"""

CASES: list[dict[str, Any]] = yaml.safe_load(Path(__file__).with_name("test_expectations.yaml").read_text())


def run(block: str, **options: Any) -> tuple[TestResult, ...]:
    test = f'{FILE}test "it" {{\n{block}\n}}\n'
    return run_tests(policies_from({"p.ward": POLICY, "t.ward": test}), **options).results


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_lines(case: dict[str, Any]) -> None:
    policies = policies_from({"t.ward": POLICY, "t_test.ward": f'{FILE}test "it" {{\n{case["block"]}\n}}\n'})
    results = run_tests(policies).results
    said = [
        f"{result.case}: {failure.message}" if result.case else failure.message
        for result in results
        for failure in result.failures
    ]
    assert said == case["failures"]
    assert all(result.failures or result.outcome == "passed" for result in results)


def test_a_failure_shows_the_parts_of_the_expression() -> None:
    (result,) = run(
        "when postgres `select name from customers`\nexpect if {\n  some t in sql.tables\n  count(t) == 3\n}"
    )
    (failure,) = result.failures
    assert (failure.source, failure.place.line) == ("count(t) == 3", 13)
    assert failure.values == (("count(t)", "9"), ("t", '"customers"'))


def test_a_failure_shows_the_difference_the_decision_and_its_explanation() -> None:
    (result,) = run("given principal.groups := []\nwhen postgres `select name from customers`\nexpect allow")
    (failure,) = result.failures
    assert (failure.expected, failure.actual) == ("allow", 'block "no statement allows this"')
    assert failure.decision is not None
    assert failure.decision["verdict"] == "block"
    assert '"analysts" in principal.groups' in failure.explanation
    assert result.outcome == "failed"


def test_the_explanation_follows_data_that_is_given() -> None:
    (result,) = run(
        'given data.directory.suspended := ["ana"]\nwhen postgres `select name from customers`\nexpect allow'
    )
    assert '["ana"]' in result.failures[0].explanation


def test_what_cannot_be_carried_out_is_an_error() -> None:
    (result,) = run('given time := "never"\nwhen postgres `select 1`\nexpect allow')
    assert result.outcome == "error"
    assert result.failures[0].place.line == 10


def test_the_policies_decide_as_in_production() -> None:
    """What a test file adds to a package is not there when its tests decide."""
    policy = 'package shop\n\ngoverns postgres\n\nallow "few names" if count(data.shop) == 1\n\nhelper := 1\n'
    test = 'package shop\n\ntest "names" {\n  given data.other := helper\n  when postgres `select 1`\n  expect allow\n}\n'
    results = run_tests(policies_from({"p.ward": policy, "p_test.ward": test})).results
    assert [result.outcome for result in results] == ["passed"]


def test_files(tmp_path: Path) -> None:
    root = tmp_path / "policies"
    (root / "fixtures").mkdir(parents=True)
    (tmp_path / "secret.json").write_text('{"id": "root"}')
    (root / "p.ward").write_text(POLICY)
    (root / "fixtures/schema.sql").write_text("create table customers (id int, ssn text);")
    (root / "fixtures/who.yaml").write_text("id: eve\ngroups: [analysts]\n")
    (root / "fixtures/many.json").write_text('{"suspended": ["eve"]}')
    (root / "p_test.ward").write_text(
        """package shop_test
given schema := file("fixtures/schema.sql")
given principal := file("fixtures/who.yaml")
test "given by files" {
	when postgres `select ssn from customers`
	expect allow
	expect mask customers.ssn
	given data.directory := file("fixtures/many.json")
	when postgres `select 1`
	expect block "suspended"
}
test "outside" {
	given principal := file("../secret.json")
	when postgres `select 1`
	expect allow
}
test "missing" {
	given principal := file("nowhere.json")
	when postgres `select 1`
	expect allow
}
"""
    )
    results = run_tests(load([root]), read=FilesBelow((root,))).results
    assert [result.outcome for result in results] == ["passed", "error", "error"]
    assert "outside of the policies" in results[1].failures[0].message
    assert "no such file" in results[2].failures[0].message
    assert results[0].test.place.file == (root / "p_test.ward").as_posix()


def test_a_link_does_not_lead_out(tmp_path: Path) -> None:
    root = tmp_path / "policies"
    root.mkdir()
    (tmp_path / "secret.json").write_text("{}")
    (root / "inside.json").symlink_to(tmp_path / "secret.json")
    with pytest.raises(FileError, match="outside"):
        FilesBelow((root,))(str(root / "t.ward"), "inside.json")


def test_errors_in_test_blocks_are_those_of_policies(tmp_path: Path) -> None:
    with pytest.raises(PolicyError) as caught:
        run("given princpal.id := 1\nwhen postgres `select 1`\nexpect if sql.tabls")
    said = [(diagnostic.message, diagnostic.hint) for diagnostic in caught.value.diagnostics]
    assert said == [
        ("there is nothing `princpal.id` that could be given", "did you mean `principal`?"),
        ("`sql` has no field `tabls`", "did you mean `tables`?"),
    ]
    (tmp_path / "p.ward").write_text('package p\ntest "a" {\n  when postgres `x`\n}\n')
    with pytest.raises(PolicyError, match="nothing is expected in this test"):
        run_tests(read_policies(tmp_path))
