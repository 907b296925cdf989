"""Statement → facts, as data: what ordinary statements do, and everything an attacker will try."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from doorward.facts.postgres import Catalogue, Settings, SqlFacts, analyse

CASES = Path(__file__).parent / "cases"
STATEMENTS = yaml.safe_load((CASES / "statements.yaml").read_text())
ATTACKS = yaml.safe_load((CASES / "attacks.yaml").read_text())


def session_of(case: dict[str, Any], settings: Settings) -> Settings:
    return replace(
        settings,
        prepared=case.get("prepared", {}),
        cursors=case.get("cursors", {}),
        parameters=tuple(case.get("parameters", ())),
        search_path=tuple(case.get("search_path", settings.search_path)),
    )


@pytest.mark.parametrize("case", STATEMENTS["cases"], ids=[c["sql"][:60] for c in STATEMENTS["cases"]])
def test_what_a_statement_does(case: dict[str, Any], catalogue: Catalogue, settings: Settings) -> None:
    analysis = analyse(case["sql"], catalogue, session_of(case, settings))
    expected = {**STATEMENTS["defaults"], **case["facts"]}
    assert analysis.facts["opaque_reason"] == ""
    assert {name: analysis.facts[name] for name in expected} == expected
    if "outputs" in case:
        assert [len(outputs) for outputs in analysis.outputs] == [case["outputs"]]


@pytest.mark.parametrize("case", ATTACKS, ids=[c["sql"][:60] for c in ATTACKS])
def test_what_an_attacker_tries(case: dict[str, Any], catalogue: Catalogue, settings: Settings) -> None:
    analysis = analyse(case["sql"], catalogue, session_of(case, settings))
    facts = analysis.facts
    assert case.get("opaque", "") in facts["opaque_reason"]
    assert facts["opaque"] == ("opaque" in case)
    assert not (facts["opaque"] and (facts["read_only"] or facts["limited"] or facts["transaction"]))
    expected = case.get("facts", {})
    assert {name: facts[name] for name in expected} == expected
    for index, columns in enumerate(case.get("whole", ())):
        assert set(columns) <= {str(c) for c in analysis.outputs[0][index].derived}
    for index, columns in enumerate(case.get("outputs", ())):
        assert set(columns) <= {str(c) for c in analysis.outputs[0][index].direct}


@pytest.mark.parametrize("case", [*STATEMENTS["cases"], *ATTACKS], ids=lambda c: c["sql"][:60])
def test_facts_are_total(case: dict[str, Any], catalogue: Catalogue, settings: Settings) -> None:
    facts = analyse(case["sql"], catalogue, session_of(case, settings)).facts
    assert SqlFacts.model_validate(facts).model_dump() == facts
    assert facts.keys() == SqlFacts.model_fields.keys()
