"""Lint: what each rule finds and where, what comments ignore, and what settings make of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from doorward.author.lint import LintSettings, SettingsError, check, find_settings, read_settings
from doorward.engine import policies_from
from doorward_dsl.lint import RULES

CASES: list[dict[str, Any]] = yaml.safe_load((Path(__file__).parent / "lint_findings.yaml").read_text())


def findings(case: dict[str, Any], **rules: Any) -> list[str]:
    name, text = case.get("name", "p.ward"), case["text"]
    whole = text if "package" in text else f"package p\ngoverns postgres\n{text}"
    checked = check(policies_from({name: whole}), LintSettings(rules=rules))
    return [
        f"{one.span.line}:{one.span.column} {one.rule or one.code} {one.message}"
        for one in checked.diagnostics
    ]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["text"].split("\n")[0])
def test_findings(case: dict[str, Any]) -> None:
    assert findings(case) == case["findings"]


def test_every_rule_has_a_case() -> None:
    assert {line.split()[1] for case in CASES for line in case["findings"]} == RULES.keys()


@pytest.mark.parametrize("rule", RULES)
def test_settings_turn_a_rule_off_and_make_it_an_error(rule: str) -> None:
    case = next(case for case in CASES if any(f" {rule} " in line for line in case["findings"]))
    assert findings(case, **{rule: "off"}) == [line for line in case["findings"] if f" {rule} " not in line]
    text = case["text"] if "package" in case["text"] else f"package p\ngoverns postgres\n{case['text']}"
    policies = policies_from({case.get("name", "p.ward"): text})
    severities = {
        one.severity
        for one in check(policies, LintSettings(rules={rule: "error"})).diagnostics
        if one.rule == rule
    }
    assert severities == {"error"}


def test_an_impossible_value_is_an_error_with_the_near_miss() -> None:
    policies = policies_from(
        {"p.ward": 'package p\ngoverns postgres\nblock "x" if time.weekday == "sunday"\n'}
    )
    (finding,) = check(policies, LintSettings()).diagnostics
    assert (finding.severity, finding.hint) == ("error", "did you mean `Sunday`?")


def test_a_value_of_one_of_the_kinds_is_possible() -> None:
    text = 'package p\ngoverns postgres, http\nallow "x" if http.method == "GET"\n'
    assert check(policies_from({"p.ward": text}), LintSettings()).diagnostics == ()


def test_what_the_language_refuses_no_comment_ignores() -> None:
    text = 'package p\ngoverns postgres\nallow "x" if sql.readonly # doorward: ignore ward_unknown_field\n'
    (finding,) = check(policies_from({"p.ward": text}), LintSettings()).diagnostics
    assert finding.code == "ward_unknown_field"


def test_settings_are_found_above_the_policies_and_no_further_than_the_repository(tmp_path: Path) -> None:
    policies = tmp_path / "repository" / "policies" / "deep"
    policies.mkdir(parents=True)
    (tmp_path / ".doorward.yaml").write_text("lint: {rules: {shadowing: off}}\n")
    (tmp_path / "repository/.git").mkdir()
    assert find_settings(policies) is None
    own = tmp_path / "repository/.doorward.yaml"
    own.write_text("lint:\n  rules:\n    shadowing: off\n    missing-reason: error\n")
    assert find_settings(policies) == own
    assert read_settings(own).lint.rules == {"shadowing": "off", "missing-reason": "error"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("lint: {rules: {shadow: off}}", "there is no rule `shadow`: did you mean `shadowing`?"),
        (
            "lint: {rules: {shadowing: loud}}",
            "`lint.rules.shadowing`: input should be 'off', 'warning' or 'error'",
        ),
        ("lnit: {}", "`lnit`: extra inputs are not permitted"),
        ("- a", "input should be a valid dictionary"),
        ("a: [", "is not YAML"),
    ],
)
def test_settings_that_cannot_be_taken_say_why(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / ".doorward.yaml").write_text(text)
    with pytest.raises(SettingsError) as refused:
        read_settings(tmp_path / ".doorward.yaml")
    assert said in str(refused.value)
