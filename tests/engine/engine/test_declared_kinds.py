"""Kinds of request that a policy tree declares: typed, total, checked, decided, and tested like any other."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from doorward import Engine
from doorward.author.testing import run_tests
from doorward.decide.document import parse_document
from doorward.engine import read_policies
from doorward_dsl import PolicyError

SCHEMA = {
    "type": "object",
    "required": ["amount", "to"],
    "properties": {
        "amount": {"type": "number", "minimum": 0},
        "to": {"$ref": "#/$defs/account"},
        "purpose": {"type": "string"},
        "currency": {"type": "string", "default": "EUR"},
    },
    "$defs": {
        "account": {
            "type": "object",
            "required": ["iban"],
            "properties": {"iban": {"type": "string", "pattern": "^[A-Z]{2}"}, "owner": {"type": "string"}},
        }
    },
}
POLICY = """package bank

governs payments

allow "small sums" if payments.amount <= 100
block "to nowhere" if payments.to.owner == null
approve "large sums" by "treasury" if payments.amount > 50
"""


def tree(tmp_path: Path, policy: str = POLICY, schema: Any = SCHEMA, name: str = "payments") -> Path:
    (tmp_path / "bank.ward").write_text(policy)
    (tmp_path / f"{name}.kind.json").write_text(schema if isinstance(schema, str) else json.dumps(schema))
    return tmp_path


def request(section: Any = None, **more: Any) -> dict[str, Any]:
    whole = {"resource": {"kind": "payments"}, "action": {"name": "pay"}, **more}
    return whole if section is None else {**whole, "payments": section}


GOOD = {"amount": 10, "to": {"iban": "DE1", "owner": "bob"}}


@pytest.mark.parametrize(
    ("section", "verdict", "reason"),
    [
        (GOOD, "allow", "small sums"),
        ({**GOOD, "amount": 60}, "approve", "large sums"),
        ({**GOOD, "to": {"iban": "DE1"}}, "block", "to nowhere"),
        ({**GOOD, "amount": -1}, "block", "`payments` is not as its kind says: amount: Must be greater"),
        ({**GOOD, "to": {"iban": "x"}}, "block", "Does not match pattern"),
        ({"to": {"iban": "DE1"}}, "block", "amount is required"),
        ({**GOOD, "ammount": 1}, "block", "Additional property ammount is not allowed"),
        ({}, "block", "is required"),
        (None, "block", "`payments` is not as its kind says"),
    ],
)
def test_requests_are_decided_by_what_they_say(
    tmp_path: Path, section: Any, verdict: str, reason: str
) -> None:
    decision = Engine.from_path(tree(tmp_path)).decide(request(section))
    assert decision.verdict == verdict
    assert any(reason in one.text for one in decision.reasons), decision.reasons


def test_what_need_not_be_sent_has_its_default_or_null(tmp_path: Path) -> None:
    policy = """package bank

governs payments

allow "as said" if {
	payments.currency == "EUR"
	payments.purpose == null
}
"""
    assert Engine.from_path(tree(tmp_path, policy)).decide(request(GOOD)).verdict == "allow"


def test_sums_are_exact(tmp_path: Path) -> None:
    policy = 'package bank\n\ngoverns payments\n\nallow "exactly" if payments.amount == 0.12345678901234567890123\n'
    text = (
        json.dumps(request({**GOOD, "amount": "SUM"})).replace('"SUM"', "0.12345678901234567890123").encode()
    )
    document = parse_document(text)
    assert document["payments"]["amount"] == Decimal("0.12345678901234567890123")
    assert Engine.from_path(tree(tmp_path, policy)).decide(document).verdict == "allow"


def test_a_credential_may_be_asked_for_before_anything_is_paid(tmp_path: Path) -> None:
    policy = 'package bank\n\ngoverns payments\n\nallow "all"\n\ncredential ttl 60s\n'
    decision = Engine.from_path(tree(tmp_path, policy)).decide(request(action={"name": "issue_credential"}))
    assert decision.credential is not None


@pytest.mark.parametrize(
    ("policy", "code", "said"),
    [
        (
            POLICY.replace("payments.amount <=", "payments.amout <="),
            "ward_unknown_field",
            "has no field `amout`",
        ),
        (POLICY.replace("to.owner", "to.ownr"), "ward_unknown_field", "has no field `ownr`"),
        (
            POLICY.replace("governs payments", "governs payment"),
            "ward_governs_error",
            "unknown kind of request `payment`",
        ),
        (
            POLICY.replace("payments.amount > 50", "payments.purpose == 5"),
            "rego_type_error",
            "null or string and number can never be equal",
        ),
    ],
)
def test_policies_are_typed_by_the_schema(tmp_path: Path, policy: str, code: str, said: str) -> None:
    with pytest.raises(PolicyError) as refused:
        Engine.from_path(tree(tmp_path, policy))
    assert refused.value.code == code
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("name", "schema", "said"),
    [
        ("sql", SCHEMA, "`sql` already has a meaning in requests"),
        ("postgres", SCHEMA, "already has a meaning"),
        ("principal", SCHEMA, "already has a meaning"),
        ("Pay-ments", SCHEMA, "`Pay-ments` is no name for a kind"),
        ("payments", {"type": "array"}, "does not describe an object"),
        ("payments", [], "does not describe an object"),
        ("payments", {"type": "object", "properties": {"a": {"type": "text"}}}, "is not one"),
        ("payments", {"type": "object", "properties": {"a": {"pattern": "("}}}, "is not one"),
        ("payments", "{", "the file is not JSON"),
    ],
)
def test_a_declaration_that_is_none_is_refused_at_its_file(
    tmp_path: Path, name: str, schema: Any, said: str
) -> None:
    with pytest.raises(PolicyError, match=said) as refused:
        Engine.from_path(tree(tmp_path, "package bank\n", schema, name))
    assert refused.value.diagnostics[0].span.source.name == f"{name}.kind.json"


def test_a_kind_is_declared_once(tmp_path: Path) -> None:
    tree(tmp_path)
    (tmp_path / "more").mkdir()
    (tmp_path / "more/payments.kind.yaml").write_text("type: object\n")
    with pytest.raises(PolicyError, match="the kind `payments` is declared twice"):
        Engine.from_path(tmp_path)


def test_a_test_block_asks_as_a_gateway_would(tmp_path: Path) -> None:
    block = """
test "small sums pass" {
	when payments {"amount": 5, "to": {"iban": "DE1", "owner": "bob"}}
	expect allow
	when payments {"amount": 500, "to": {"iban": "DE1", "owner": "bob"}}
	expect block
}
"""
    run = run_tests(read_policies(tree(tmp_path, POLICY + block)))
    assert [result.outcome for result in run.results] == ["passed"], run


def test_an_explanation_names_what_the_section_lacks(tmp_path: Path) -> None:
    engine = Engine.from_path(tree(tmp_path))
    explanation = engine.explain(request({**GOOD, "amount": 500}))
    assert explanation.decision.verdict == "block"
    assert "payments.amount <= 100" in explanation.to_text()
