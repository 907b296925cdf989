"""Results, undefined results and errors of built-ins, from tables: a file a family, a line a call."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from doorward.run.builtins import BUILTINS
from doorward.run.builtins.terms import term_text
from doorward.run.errors import EvaluationError
from doorward.run.values import UNDEFINED

from .calls import call, value

TABLES = sorted((Path(__file__).parent / "data").glob("*.json"))


def outcome(row: dict[str, Any]) -> dict[str, Any]:
    arguments = [value(argument) for argument in row["args"]]
    try:
        result = call(row["call"], *arguments)
        if BUILTINS[row["call"]].relation:
            return {"want": [term_text(answer) for answer in result]}
        return {"undefined": True} if result is UNDEFINED else {"want": term_text(result)}
    except EvaluationError as error:
        return {"error": f"{error.code}: {error.message}"}


@pytest.mark.parametrize("table", TABLES, ids=lambda path: path.stem)
def test_table(table: Path) -> None:
    rows = json.loads(table.read_text("utf-8"))
    wrong = []
    for row in rows:
        wanted = {name: row[name] for name in row if name in ("want", "undefined", "error")}
        got = outcome(row)
        if got != wanted:
            wrong.append(f"{row['call']}{tuple(row['args'])}: wanted {wanted}, got {got}")
    assert not wrong, "\n".join(wrong)


def test_every_family_has_a_table() -> None:
    tested = {row["call"] for table in TABLES for row in json.loads(table.read_text("utf-8"))}
    untested = {name for name in BUILTINS if name not in tested}
    elsewhere = ("crypto.", "io.jwt.", "internal.", "http.", "net.lookup", "providers.", "rand.", "time.now")
    left = {name for name in untested if not name.startswith(elsewhere)}
    alike = {name for name in left if name.startswith(("is_", "graphql."))}
    assert left - alike <= {
        "eq",
        "assign",
        "print",
        "trace",
        "opa.runtime",
        "uuid.rfc4122",
        "net.cidr_overlap",
    }
