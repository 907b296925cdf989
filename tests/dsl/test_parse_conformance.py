"""Every module and query of OPA's conformance cases parses, as Rego and as Ward; skipped where they are not there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.support.shapes import shape

from doorward_dsl import Source, parse_module, parse_query

_FOLDER = Path(__file__).parents[3] / "shared" / "conformance" / "rego"
_FILES = sorted(_FOLDER.glob("*.json"))

if not _FILES:
    pytest.skip(f"the conformance cases are not in {_FOLDER}", allow_module_level=True)


@pytest.mark.parametrize("file", _FILES, ids=lambda file: str(file.stem))
def test_modules_and_queries_parse(file: Path) -> None:
    for case in json.loads(file.read_text("utf-8")):
        if case.get("want_error_code") == "rego_parse_error":
            continue
        for number, text in enumerate(case.get("modules") or []):
            module = parse_module(Source(f"{case['note']}/{number}.rego", text))
            assert module.package
            as_ward = parse_module(Source(f"{case['note']}/{number}.ward", text))
            assert (shape(as_ward.rules), as_ward.statements) == (shape(module.rules), ())
        assert parse_query(case["query"])
        if "input_term" in case:
            assert parse_query(case["input_term"])
