"""`doorward test` as a user calls it: exit statuses, choosing, several processes, watching, coverage files."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from queue import Empty, Queue
from xml.etree import ElementTree

import pytest
from typer.testing import CliRunner, Result

from doorward.cli.main import build as application

POLICY = 'package p\n\ngoverns postgres\n\nallow "reads" if sql.read_only\n\nblock "late" if time.hour > 20\n'
TEST = """package p_test

test "reads" {
	when postgres `select 1`
	expect allow "reads"
}
"""
FAILING = """
test "writes" {
	when postgres `create table x (a int)`
	expect allow
}
"""


def run(*args: object) -> Result:
    return CliRunner().invoke(application(), ["test", *map(str, args)])


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "policies"
    root.mkdir()
    (root / "p.ward").write_text(POLICY)
    (root / "p_test.ward").write_text(TEST)
    return root


def test_exit_statuses(tree: Path) -> None:
    passed = run(tree)
    assert (passed.exit_code, passed.stdout.startswith("1 passed in ")) == (0, True)
    (tree / "p_test.ward").write_text(TEST + FAILING)
    failed = run(tree)
    assert failed.exit_code == 1
    assert "FAIL  p_test › writes" in failed.stdout
    assert "1 passed, 1 failed in " in failed.stdout
    assert run(tree, "--run", "reads").exit_code == 0
    nothing = run(tree, "--run", "nothing")
    assert (nothing.exit_code, nothing.stderr) == (2, "doorward: no test is called `nothing`\n")
    (tree / "p_test.ward").unlink()
    assert run(tree).exit_code == 2
    assert run(tree, "--run", "(").exit_code == 2
    assert run(tree, "--format", "xml").exit_code == 2
    assert run(tree / "missing").exit_code == 3
    (tree / "p_test.ward").write_text("package p_test\n\ntest { }\n")
    assert run(tree).exit_code == 1


def test_errors_in_tests_are_shown_with_their_place(tree: Path) -> None:
    (tree / "p_test.ward").write_text(TEST.replace("expect allow", "given princpal.id := 1\n\texpect alow"))
    result = run(tree)
    assert result.exit_code == 1
    assert "did you mean `allow`?" in result.stderr
    assert "p_test.ward:6:9" in result.stderr
    as_json = run(tree, "--format", "json")
    assert json.loads(as_json.stdout)["diagnostics"][0]["line"] == 6


def test_check_looks_at_tests_too(tree: Path) -> None:
    assert CliRunner().invoke(application(), ["check", str(tree)]).exit_code == 0
    (tree / "p_test.ward").write_text(TEST.replace("\twhen", "\tgiven princpal.id := 1\n\twhen"))
    checked = CliRunner().invoke(application(), ["check", str(tree)])
    assert (checked.exit_code, "did you mean `principal`?" in checked.stderr) == (1, True)


def test_threshold(tree: Path) -> None:
    result = run(tree, "--threshold", "100")
    assert result.exit_code == 4
    assert "not reached: " in result.stderr
    assert 'p.ward:7:1: block "late"' in result.stderr
    assert "the tests reach 75.0 % of the expressions, 100 % are asked" in result.stderr
    assert run(tree, "--threshold", "75").exit_code == 0
    (tree / "p_test.ward").write_text(
        TEST.replace(
            "\twhen",
            '\tgiven time := "2026-01-01T21:00:00Z"\n\twhen postgres `select 1`\n\texpect block\n'
            "\tgiven time := 0\n\twhen",
        )
    )
    assert run(tree, "--threshold", "100").exit_code == 0


def test_coverage_files(tree: Path, tmp_path: Path) -> None:
    files = {name: tmp_path / f"coverage.{name}" for name in ("json", "lcov", "html")}
    result = run(tree, *(part for name, path in files.items() for part in (f"--coverage-{name}", path)))
    assert result.exit_code == 0
    assert "75.0 %" in result.stdout
    assert json.loads(files["json"].read_text())["percent"] == 75.0
    assert f"SF:{tree.as_posix()}/p.ward\n" in files["lcov"].read_text()
    assert files["html"].read_text().startswith("<!doctype html>")


def test_reports_go_to_files(tree: Path, tmp_path: Path) -> None:
    report, junit = tmp_path / "report.tap", tmp_path / "junit.xml"
    result = run(tree, "--format", "tap", "--output", report, "--junit", junit)
    assert (result.exit_code, result.stdout) == (0, "")
    assert report.read_text().startswith("TAP version 14\n1..1\nok 1 - p_test › reads\n")
    assert ElementTree.parse(junit).getroot().get("tests") == "1"


def test_list(tree: Path) -> None:
    (tree / "q_test.rego").write_text("package q_test\n\ntest_x if true\n")
    result = run(tree, "--list")
    assert result.stdout.splitlines() == [
        f"{tree.as_posix()}/p_test.ward:3:6  p_test › reads",
        f"{tree.as_posix()}/q_test.rego:3:1  data.q_test.test_x",
    ]
    assert [test["kind"] for test in json.loads(run(tree, "--list", "-f", "json").stdout)] == [
        "block",
        "rule",
    ]


def test_fail_fast(tree: Path) -> None:
    (tree / "a_test.rego").write_text("package a_test\n\ntest_a if false\n\ntest_b if false\n")
    document = json.loads(run(tree, "--fail-fast", "--format", "json").stdout)
    assert [test["id"] for test in document["tests"]] == ["data.a_test.test_a"]


def test_several_processes_give_the_same_report(tree: Path) -> None:
    cases = "\n".join(
        f"test_{number}[x] if {{\n\tsome x in [1, 2]\n\tx > {number % 3}\n}}\n" for number in range(20)
    )
    (tree / "many_test.rego").write_text(f"package many_test\n\nimport data.p\n\n{cases}")
    (tree / "p_test.ward").write_text(TEST + FAILING)

    def report(jobs: int) -> object:
        document = json.loads(run(tree, "--jobs", jobs, "--coverage", "--format", "json").stdout)
        del document["duration_ns"]
        for test in document["tests"]:
            del test["duration_ns"]
            for failure in test["failures"]:
                if failure["decision"] is not None:
                    del failure["decision"]["decision_id"]
        return document

    assert report(2) == report(1)


def test_paths_are_loaded_together(tree: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    (other / "people").mkdir(parents=True)
    (other / "people/data.json").write_text('{"reader": {"id": "ana"}}')
    (other / "o_test.ward").write_text(
        'package o_test\n\ntest "both" {\n\tgiven principal := data.people.reader\n\twhen postgres `select 1`\n'
        '\texpect allow "reads"\n\texpect if principal.id == "ana"\n}\n'
    )
    assert run(tree, other).exit_code == 0
    assert run(tree / "p.ward", tree / "p_test.ward").exit_code == 0
    (tree / "people.json").write_text('{"people": {"reader": {"id": "bo"}}}')
    clash = run(tree, other)
    assert (clash.exit_code, "`data.people.reader.id` is given twice" in clash.stderr) == (1, True)


class Watched:
    """The command with --watch, its output line by line."""

    def __init__(self, tree: Path) -> None:
        command = [sys.executable, "-m", "doorward", "test", "--watch", str(tree)]
        self.process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
        self.lines: Queue[str] = Queue()
        self.reader = threading.Thread(target=self._read)
        self.reader.start()

    def _read(self) -> None:
        for line in self.process.stdout or ():
            self.lines.put(line)

    def until(self, text: str) -> str:
        while True:
            try:
                line = self.lines.get(timeout=60)
            except Empty:
                raise AssertionError(f"`{text}` never came") from None
            if text in line:
                return line


@pytest.fixture
def watched(tree: Path) -> Iterator[Watched]:
    command = Watched(tree)
    yield command
    command.process.kill()
    command.process.wait()
    command.reader.join()
    if command.process.stdout is not None:
        command.process.stdout.close()


def test_watch(watched: Watched, tree: Path) -> None:
    watched.until("1 passed")
    watched.until("waiting for changes")
    (tree / "p_test.ward").write_text(TEST + FAILING)
    watched.until("1 passed, 1 failed")
    watched.until("waiting for changes")
    (tree / "p_test.ward").write_text("package p_test\n\ntest")
    watched.until("error[rego_parse_error]")
    watched.until("waiting for changes")
    (tree / "p_test.ward").write_text(TEST)
    watched.until("1 passed in")
