"""`doorward capabilities`, and what the commands make of a document of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from doorward.cli.main import build

POLICY = "package p\n\nn := count(input.xs)\n\nr := rand.intn(input.label, 10)\n"


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(build(), [str(argument) for argument in arguments])


@pytest.fixture
def document() -> dict[str, Any]:
    printed = run("capabilities")
    assert printed.exit_code == 0
    whole: dict[str, Any] = json.loads(printed.stdout)
    return whole


def written(folder: Path, document: dict[str, Any], without: str = "") -> Path:
    kept = [entry for entry in document["builtins"] if entry["name"] != without]
    path = folder / "capabilities.json"
    path.write_text(json.dumps({**document, "builtins": kept}))
    return path


def test_what_is_printed_allows_everything(tmp_path: Path, document: dict[str, Any]) -> None:
    policy = tmp_path / "p.rego"
    policy.write_text(POLICY)
    assert run("check", policy, "--capabilities", written(tmp_path, document)).exit_code == 0


@pytest.mark.parametrize("command", ["check", "emit"])
def test_what_is_not_held_is_an_error_with_its_place(
    tmp_path: Path, document: dict[str, Any], command: str
) -> None:
    policy = tmp_path / "p.rego"
    policy.write_text(POLICY)
    result = run(command, policy, "--capabilities", written(tmp_path, document, "count"))
    assert result.exit_code == 1
    assert "undefined function `count`" in result.stderr
    assert "p.rego:3:6" in result.stderr
    assert "`builtins` of the capabilities does not hold `count`" in result.stderr


def test_eval(tmp_path: Path, document: dict[str, Any]) -> None:
    assert run("eval", 'rand.intn("a", 1)').stdout == "0\n"
    result = run("eval", 'rand.intn("a", 1)', "--capabilities", written(tmp_path, document, "rand.intn"))
    assert result.exit_code == 1
    assert "undefined function `rand.intn`" in result.stderr


@pytest.mark.parametrize(("text", "code"), [("{", 1), ("{}", 1), (None, 3)])
def test_documents_that_cannot_be_taken(tmp_path: Path, text: str | None, code: int) -> None:
    path = tmp_path / "capabilities.json"
    if text is not None:
        path.write_text(text)
    result = run("eval", "1", "--capabilities", path)
    assert result.exit_code == code
    assert result.stderr.startswith("doorward: ")
