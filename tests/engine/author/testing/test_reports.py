"""The report of one run in every format, read back by what reads such reports."""

from __future__ import annotations

import io
import json
import re
from textwrap import dedent
from xml.etree import ElementTree

import pytest
import yaml
from rich.console import Console

from doorward.author.testing import TestRun, run_tests
from doorward.author.testing.report import FORMATS, write
from doorward.author.testing.report.pretty import Pretty
from doorward.bundle import policies_from

HOSTILE = 'a ]]> <b> & \\" \u0001 # \U0001f600 % , :'
SOURCES = {
    "p.ward": 'package p\n\ngoverns postgres\n\nallow "reads" if sql.read_only\n',
    "a_test.rego": """package a_test

test_ok if 1 == 1

test_bad[x] if {
	some x in [1, 2]
	x < 2
}

todo_test_x if 1 == 1
""",
    "p_test.ward": f"""package p_test

test "reads" {{
	when postgres `select 1`
	expect allow "reads"
}}
test {json.dumps(HOSTILE, ensure_ascii=True)} {{
	when postgres `select 1`
	expect block {json.dumps(HOSTILE, ensure_ascii=True)}
}}
test "broken" {{
	given time := "never"
	when postgres `select 1`
	expect allow
}}
""",
}


@pytest.fixture(scope="module")
def run() -> TestRun:
    return run_tests(policies_from(SOURCES))


def test_the_run(run: TestRun) -> None:
    assert [run.count(outcome) for outcome in ("passed", "failed", "error", "skipped")] == [3, 2, 1, 1]
    assert not run.ok
    assert [result.test.place.file for result in run.results] == ["a_test.rego"] * 4 + ["p_test.ward"] * 3


def test_junit(run: TestRun) -> None:
    root = ElementTree.fromstring(write("junit", run))
    assert root.tag == "testsuites"
    assert {name: root.get(name) for name in ("tests", "failures", "errors", "skipped")} == {
        "tests": "7",
        "failures": "2",
        "errors": "1",
        "skipped": "1",
    }
    suites = root.findall("testsuite")
    assert [suite.get("name") for suite in suites] == ["a_test.rego", "p_test.ward"]
    for suite in suites:
        cases = suite.findall("testcase")
        assert int(suite.get("tests", "")) == len(cases)
        for outcome, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
            assert int(suite.get(outcome, "")) == len(suite.findall(f"testcase/{tag}"))
        for case in cases:
            assert case.get("name")
            assert case.get("classname") in ("a_test", "p_test")
            assert float(case.get("time", "")) >= 0
            assert {child.tag for child in case} <= {"failure", "error", "skipped"}
    failure = suites[1].find("testcase/failure")
    assert failure is not None
    assert failure.get("message") == "expected `block`, but the verdict is `allow`"
    assert "p_test.ward:9:2" in (failure.text or "")
    assert suites[0].findall("testcase")[1].get("name") == "test_bad [1]"


def test_tap(run: TestRun) -> None:
    lines = write("tap", run).splitlines()
    assert lines[:2] == ["TAP version 14", "1..7"]
    results = [line for line in lines if re.match(r"(not )?ok ", line)]
    assert [line.startswith("ok") for line in results] == [True, True, False, True, True, False, False]
    assert results[3].endswith("# SKIP")
    assert "\\#" in results[5]
    at = lines.index(results[2])
    block = lines[at + 1 : lines.index("  ...", at)]
    read = yaml.safe_load(dedent("\n".join(block)))
    assert read["at"] == "a_test.rego:7:2"
    assert read["message"] == "the expression does not hold"
    assert "x = 2" in read["details"]


def test_json(run: TestRun) -> None:
    document = json.loads(write("json", run))
    assert {name: document[name] for name in ("passed", "failed", "errors", "skipped")} == {
        "passed": 3,
        "failed": 2,
        "errors": 1,
        "skipped": 1,
    }
    bad = document["tests"][2]
    assert bad["id"] == "data.a_test.test_bad [2]"
    assert bad["failures"][0]["values"] == [{"source": "x", "value": "2"}]
    assert document["tests"][5]["failures"][0]["decision"]["verdict"] == "allow"


def test_github(run: TestRun) -> None:
    lines = write("github", run).splitlines()
    assert lines[-1] == "3 passed, 2 failed, 1 errors, 1 skipped"
    commands = [re.fullmatch(r"::error ([^:]*)::(.*)", line) for line in lines[:-1]]
    assert len(commands) == 3
    assert all(commands)
    first = commands[0]
    assert first is not None
    fields = dict(field.split("=", 1) for field in first[1].split(","))
    assert (fields["file"], fields["line"], fields["col"]) == ("a_test.rego", "7", "2")
    assert "%0A" in first[2]
    assert "%3A" in (commands[1][1] if commands[1] else "")


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_nothing_in_a_report_breaks_its_lines(run: TestRun, name: str) -> None:
    assert "\x01" not in write(name, run)


def test_pretty(run: TestRun) -> None:
    stream = io.StringIO()
    pretty = Pretty(Console(file=stream), verbose=True)
    for result in run.results:
        pretty.result(result)
    pretty.finish(run)
    text = stream.getvalue()
    assert "PASS  p_test › reads" in text
    assert "SKIP  data.a_test.todo_test_x" in text
    assert "   --> a_test.rego:7:2\n     7 │ x < 2\n         x = 2" in text
    assert 'actual   allow "reads"' in text
    assert "3 passed, 2 failed, 1 errors, 1 skipped in " in text
    assert "\x1b" not in text


def test_pretty_is_quiet_about_what_passes(run: TestRun) -> None:
    stream = io.StringIO()
    pretty = Pretty(Console(file=stream, force_terminal=True))
    for result in run.results:
        pretty.result(result)
    assert "PASS" not in stream.getvalue()
    assert "\x1b[" in stream.getvalue()
