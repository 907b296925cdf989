"""The command, as people and scripts use it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.support.served import write_policies
from typer.testing import CliRunner, Result

from doorward.cli.main import build

WARD = """package acme

governs postgres

allow "everybody reads" if sql.read_only
allow "writers write" if { sql.writes; "writers" in principal.groups }
mask customers.ssn with partial(4)
approve "writes wait" by "dba", "sec" within 90s if sql.writes
credential ttl 60s single_use as "readonly" if principal.kind == "agent"
allow if action.name == "issue_credential"

roles := {"ann": {"reader", "writer"}, "bob": {"reader"}}
"""


@pytest.fixture
def policies(tmp_path: Path) -> Path:
    return write_policies(tmp_path / "policies", {"acme.ward": WARD, "org/teams.yaml": "dba: [eve]\n"})


def run(*arguments: str | Path, stdin: str | None = None) -> Result:
    return CliRunner().invoke(build(), [str(a) for a in arguments], input=stdin)


def request(statement: str = "select 1", **sections: Any) -> str:
    document = {
        "principal": {"id": "ann", "groups": ["writers"]},
        "action": {"name": "query"},
        "resource": {"kind": "postgres", "name": "shop"},
        "postgres": {"statement": statement},
        **sections,
    }
    return json.dumps(document)


def test_check_counts_what_it_checked(policies: Path) -> None:
    result = run("check", policies)
    assert (result.exit_code, result.stdout) == (0, "1 module, 6 statements, 1 warning: no errors\n")
    plain = json.loads(run("check", policies, "--json").stdout)
    assert (plain["modules"], plain["statements"]) == (1, 6)
    assert [one["rule"] for one in plain["diagnostics"]] == ["unused-rule"]


def test_check_shows_every_problem_with_its_line(policies: Path) -> None:
    write_policies(
        policies, {"b.ward": "package b\ngoverns postgres\nallow if sql.raed_only\nblock if sql.wirtes\n"}
    )
    result = run("check", policies)
    assert result.exit_code == 1
    assert "b.ward:3:" in result.stderr
    assert "b.ward:4:" in result.stderr
    assert "allow if sql.raed_only" in result.stderr
    assert result.stderr.endswith("2 modules: 2 errors\n")
    assert "\x1b" not in result.stderr

    plain = json.loads(run("check", policies, "--json").stdout)
    first = plain["diagnostics"][0]
    assert (first["file"], first["line"], first["severity"]) == ("b.ward", 3, "error")
    assert first["end_column"] > first["column"]


def test_check_of_what_is_not_there() -> None:
    result = run("check", "/nowhere/at/all")
    assert result.exit_code == 3
    assert "no such file" in result.stderr
    assert "/nowhere/at/all" in result.stderr


@pytest.mark.parametrize("command", ["parse", "plan", "emit"])
def test_stages_print_what_they_make(policies: Path, command: str) -> None:
    result = run(command, policies)
    assert result.exit_code == 0, result.output
    assert len(result.stdout.splitlines()) > 10


def test_parse_shows_places(policies: Path) -> None:
    lines = run("parse", policies).stdout.splitlines()
    assert lines[0] == "module: Module 1:1"
    assert "  statements[0]: Allow 5:1" in lines
    assert "    reason: 'everybody reads'" in lines


@pytest.mark.parametrize(
    ("sections", "status", "first", "others"),
    [
        ({"statement": "select 1"}, 0, "allow", ["everybody reads (acme.ward:5:1)"]),
        ({"statement": "drop table x"}, 1, "block", []),
        (
            {"statement": "", "action": {"name": "issue_credential"}, "principal": {"kind": "agent"}},
            0,
            "allow",
            ["credential for 60 s, single use, as readonly"],
        ),
    ],
)
def test_decide(policies: Path, sections: dict[str, Any], status: int, first: str, others: list[str]) -> None:
    result = run("decide", policies, stdin=request(**sections))
    assert result.exit_code == status, result.output
    lines = [line.strip() for line in result.stdout.splitlines()]
    assert lines[0] == first
    assert set(others) <= set(lines)


def test_decide_against_a_catalogue(policies: Path, tmp_path: Path) -> None:
    catalogue = tmp_path / "catalogue.json"
    columns = [["id", 1, "text"], ["ssn", 2, "text"]]
    relations = [["public", "customers", 100, "r", columns]]
    catalogue.write_text(
        json.dumps({"server_version": 180000, "database": "shop", "relations": relations, "functions": []})
    )
    asked = tmp_path / "request.json"
    asked.write_text(request("select id, ssn from customers"))
    result = run("decide", policies, asked, "--catalogue", catalogue)
    assert result.exit_code == 0
    assert "mask customers.ssn with partial: column 2 of statement 1" in result.stdout

    asked.write_text(request("delete from customers"))
    result = run("decide", policies, asked, "--catalogue", catalogue)
    assert result.exit_code == 1
    assert result.stdout.splitlines()[0] == "approve"
    assert "consent of dba or sec within 90 s: writes wait" in result.stdout

    plain = json.loads(run("decide", policies, asked, "--catalogue", catalogue, "--json").stdout)
    assert plain["verdict"] == "approve"
    assert plain["facts"]["sql"]["tables_written"] == ["customers"]

    schema = tmp_path / "schema.sql"
    schema.write_text("create table customers (id int, ssn text);")
    for command in ("decide", "explain"):
        told = json.loads(run(command, policies, asked, "--catalogue", schema, "--json").stdout)
        assert told.get("decision", told)["facts"]["sql"]["tables_written"] == ["customers"]

    catalogue.write_text("{}")
    schema.write_text("create tabel x")
    for broken, said in ((catalogue, "catalogue is not valid"), (schema, "the schema is not SQL")):
        result = run("decide", policies, asked, "--catalogue", broken)
        assert (result.exit_code, said in result.stderr) == (1, True)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"resource": {"kind": "postgres", "nmae": "x"}}'])
def test_decide_refuses_what_is_no_request(policies: Path, text: str) -> None:
    result = run("decide", policies, stdin=text)
    assert result.exit_code == 1
    assert result.stderr.startswith("doorward: ")
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("query", "printed"),
    [
        ("1 + 1", [2]),
        ("data.acme.roles.ann", [["reader", "writer"]]),
        (
            "data.acme.roles[who][_] = what",
            [
                {"what": "reader", "who": "ann"},
                {"what": "writer", "who": "ann"},
                {"what": "reader", "who": "bob"},
            ],
        ),
        ("data.org.dba[_] == input.id", [True]),
        ("input.id == 3", [False]),
        ("data.acme.nothing", []),
        ("x := 1; y := x + 1", [{"x": 1, "y": 2}]),
        ('x = {1: "a", true: "b"}', [{"x": {"1": "a", "true": "b"}}]),
    ],
)
def test_eval(policies: Path, query: str, printed: list[Any]) -> None:
    result = run("eval", query, "--data", policies, "--input", "-", "--json", stdin='{"id": "eve"}')
    assert result.exit_code == 0, result.output
    order = lambda answers: sorted(answers, key=json.dumps)  # noqa: E731
    assert order(json.loads(result.stdout)) == order(printed)


def test_eval_without_an_answer(policies: Path) -> None:
    result = run("eval", "data.acme.nothing", "-d", policies)
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "undefined\n")
    assert run("eval", "data.acme.nothing", "-d", policies, "--fail").exit_code == 1


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["eval", "1 +"], 1, "1 +"),
        (["eval", "x"], 1, "unsafe"),
        (["eval", 'to_number("a")', "--strict-builtin-errors"], 1, "eval_builtin_error"),
        (["eval"], 2, "there is no query"),
        (["frobnicate"], 2, "No such command"),
        (["eval", "1", "--input", "-"], 2, "the input is not JSON"),
    ],
)
def test_what_goes_wrong_has_a_status(arguments: list[str], status: int, said: str) -> None:
    result = run(*arguments, stdin="nonsense")
    assert result.exit_code == status
    assert said in result.stderr
    assert "Traceback" not in result.stderr


def test_schemas_describe_requests_and_decisions(policies: Path) -> None:
    import jsonschema

    asked = json.loads(request())
    jsonschema.validate(asked, json.loads(run("schema", "postgres", "--request").stdout))
    sees = json.loads(run("schema", "postgres").stdout)
    assert {"sql", "time"} < set(sees["required"])
    decision = json.loads(run("decide", policies, "--json", stdin=request()).stdout)
    jsonschema.validate(decision, json.loads(run("schema", "decision").stdout))
    assert run("schema", "gopher").exit_code == 2


def test_version_says_of_what_it_is_made() -> None:
    assert run("version").stdout.startswith("doorward ")
    assert {"doorward", "python", "grpcio", "pglast"} <= set(json.loads(run("version", "--json").stdout))


def test_commands_of_other_packages_join() -> None:
    helped = run("--help").stdout
    for command in ("serve", "check", "decide", "gateway", "credential", "approvals", "replay", "verify"):
        assert command in helped


def test_asking_for_help_loads_nothing_heavy() -> None:
    program = (
        "import sys; sys.argv = ['doorward', '--help']\n"
        "from doorward.cli.main import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "heavy = {'grpc', 'pglast', 'sqlglot', 'pydantic', 'lark', 'doorward.engine', 'uvloop'} & set(sys.modules)\n"
        "sys.exit(f'loaded {sorted(heavy)}' if heavy else 0)\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert ran.returncode == 0, ran.stderr
