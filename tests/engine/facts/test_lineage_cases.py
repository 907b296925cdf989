"""Lineage, query by query: what is claimed, and that it is true on a server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml
from tests.engine.facts.test_lineage_on_a_server import MARKED, check

from doorward.facts.postgres import Catalogue, Settings, analyse

CASES: list[dict[str, Any]] = yaml.safe_load((Path(__file__).parent / "cases" / "lineage.yaml").read_text())


def claimed(text: str) -> tuple[str, set[str], set[str]]:
    """`name: direct columns / derived columns`, as cases spell it."""
    name, _, columns = text.partition(":")
    direct, _, derived = columns.partition("/")
    return name, set(direct.split()), set(derived.split())


@pytest.mark.parametrize("case", CASES, ids=[case["sql"][:60] for case in CASES])
def test_lineage(
    case: dict[str, Any], connection: psycopg.Connection, catalogue: Catalogue, settings: Settings
) -> None:
    analysis = analyse(case["sql"], catalogue, settings)
    if "opaque" in case:
        assert case["opaque"] in analysis.facts["opaque_reason"]
        return
    assert analysis.facts["opaque_reason"] == ""
    found = [(o.name, set(map(str, o.direct)), set(map(str, o.derived))) for o in analysis.outputs[0]]
    assert found == [claimed(text) for text in case["outputs"]]
    for column in () if "without_server" in case else MARKED:
        assert check(connection, catalogue, settings, case["sql"], column), "the server refuses the query"
