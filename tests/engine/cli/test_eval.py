"""`doorward eval` answers as `opa eval` does, and says where the time went."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from doorward.cli.main import build

OPA = shutil.which("opa")

POLICY = """package acme.roles

import data.staff

admins contains name if some name in staff.admins

allow if {
    some name in numbers.range(1, 50)
    check(name)
}

check(n) if n > 40

title := "none"
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "roles.rego").write_text(POLICY)
    (tmp_path / "data.json").write_text('{"staff": {"admins": ["ana", "bob"]}}')
    return tmp_path


def run(*arguments: object, stdin: str = "") -> Result:
    return CliRunner().invoke(build(), ["eval", *map(str, arguments)], input=stdin)


QUERIES = [
    "1 > 2",
    "1 > 2; true",
    "x := 1; y := 2; x < y",
    "x = [1, 2][_]; x > 1",
    '"a"',
    'x := "a"; "b"; [1, {"z"}]',
    "data.nothing",
    "data.acme.roles",
    "not 1 > 2",
    "some x in [1, 2]; x > 0",
    '1; input.a with input as {"a": [1]}',
    "plus(1, 2, x)",
    "data.acme.roles.admins[x]",
    "input.a.b",
    "time.now_ns() > 0",
    "x := 9007199254740993",
    "null",
    'sprintf("%s", ["\\n"])',
]


@pytest.mark.skipif(OPA is None, reason="opa is not installed")
@pytest.mark.parametrize("query", QUERIES)
@pytest.mark.parametrize("form", ["json", "values", "bindings", "raw"])
def test_formats_are_those_of_opa(tree: Path, query: str, form: str) -> None:
    (tree / "input.json").write_text('{"a": {"b": [1, 2.5, null]}}')
    options = ["--format", form, "--input", str(tree / "input.json")]
    files = ["--data", str(tree / "roles.rego"), "--data", str(tree / "data.json")]
    theirs = subprocess.run(
        [str(OPA), "eval", *options, *files, query], capture_output=True, text=True, check=False
    )
    ours = run(query, *options, "--data", tree)
    assert (ours.exit_code, theirs.returncode) == (0, 0)
    if form == "raw":
        assert ours.stdout == theirs.stdout
    else:
        assert documents(ours.stdout) == documents(theirs.stdout)


def documents(text: str) -> list[object]:
    """The JSON documents that stand one after the other."""
    decoder, found, at = json.JSONDecoder(), [], 0
    while text[at:].strip():
        at += len(text[at:]) - len(text[at:].lstrip())
        document, at = decoder.raw_decode(text, at)
        found.append(document)
    return found


def test_a_query_stands_in_a_package_with_imports(tree: Path) -> None:
    assert run("title", "-d", tree, "--package", "acme.roles", "-f", "raw").stdout == "none\n"
    assert run("check(41)", "-d", tree, "--package", "acme.roles", "-f", "raw").stdout == "true\n"
    imported = run(
        "r.title; staff.admins[0]",
        "-d",
        tree,
        "--import",
        "data.acme.roles as r",
        "--import",
        "data.staff",
        "-f",
        "raw",
    )
    assert imported.stdout == "none ana\n"
    wrong = run("titel", "-d", tree, "--package", "acme.roles")
    assert wrong.exit_code == 1
    assert "titel" in wrong.stderr


def test_query_and_input_come_from_standard_input() -> None:
    assert run("--stdin", stdin="1 + 1").stdout == "2\n"
    assert run("input.a", "-I", stdin='{"a": 3}').stdout == "3\n"
    both = run("--stdin", "-I", stdin="1")
    assert (both.exit_code, both.stdout) == (2, "")
    assert run("--stdin", "1", stdin="1").exit_code == 2


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["data.none", "--fail"], 1),
        (["data.none", "--fail-defined"], 0),
        (["1", "--fail"], 0),
        (["1", "--fail-defined"], 1),
        (["false", "--fail"], 0),
    ],
)
def test_exit_status(arguments: list[str], status: int) -> None:
    assert run(*arguments).exit_code == status


def test_the_profile_counts_lines(tree: Path) -> None:
    told = run("data.acme.roles.allow", "-d", tree, "--profile", "-f", "json", "--profile-sort", "line")
    profile = json.loads(told.stdout)["profile"]
    counts = {line["location"]["row"]: line["num_eval"] for line in profile}
    assert counts[9] == 41  # every number up to the first that is large enough
    assert [line["location"]["row"] for line in profile] == sorted(counts)
    assert all(line["total_time_ns"] > 0 for line in profile)
    assert {line["location"]["file"] for line in profile} == {"roles.rego"}
    assert profile[-1]["text"] == "check(n) if n > 40"
    table = run("data.acme.roles.allow", "-d", tree, "--profile", "--profile-limit", "1")
    assert table.stdout == "true\n"
    assert "more lines" in table.stderr
    assert run("1", "--profile", "--profile-sort", "size").exit_code == 2


def test_metrics_name_every_phase(tree: Path) -> None:
    told = run("data.acme.roles.allow", "-d", tree, "--metrics", "-f", "json")
    metrics = json.loads(told.stdout)["metrics"]
    assert sorted(metrics) == [
        "timer_rego_load_files_ns",
        "timer_rego_module_compile_ns",
        "timer_rego_module_parse_ns",
        "timer_rego_query_compile_ns",
        "timer_rego_query_eval_ns",
    ]
    assert all(type(spent) is int and spent > 0 for spent in metrics.values())
    assert "timer_rego_query_eval_ns" in run("1", "--metrics").stderr


def test_what_failed_is_explained(tree: Path) -> None:
    told = run("data.acme.roles.check(3)", "-d", tree, "--explain")
    assert (told.exit_code, told.stdout) == (0, "")
    assert "n > 40  roles.rego:12:13" in told.stderr
    assert "n = 3" in told.stderr
    assert "-" not in run("data.acme.roles.check(41)", "-d", tree, "--explain").stderr
