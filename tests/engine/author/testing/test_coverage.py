"""Coverage by expression: what counts, what was reached, and every form it is written in."""

from __future__ import annotations

import json
from html.parser import HTMLParser

import pytest

from doorward.author.coverage import Coverage, html, lcov, missing_lines, table
from doorward.author.testing import run_tests
from doorward.bundle import policies_from

POLICY = """package shop

governs postgres

analyst if "analysts" in principal.groups

level := 3 if {
	analyst
} else := 2 if sql.writes
else := 1

allow "analysts read" if {
	analyst
	every t in sql.tables {
		t == "customers"
	}
}

block $"too many: {count(many)}" if {
	many := [t | some t in sql.tables; t != "customers"]
	count(many) > 0
} unless level > 2

unused := 4

double(x) := y if y := x * 2

test_double if double(2) == 4
"""
TEST = """package shop_test

given schema := `create table customers (id int); create table orders (id int)`
helper := 3
test "a" {
	given principal.groups := ["analysts"]
	when postgres `select * from customers`
	expect allow
}
"""


def covered(policy: str = POLICY, test: str = TEST, **options: object) -> Coverage:
    run = run_tests(policies_from({"p.ward": policy, "p_test.ward": test}), coverage=True, **options)  # type: ignore[arg-type]
    assert run.ok, [failure for result in run.results for failure in result.failures]
    assert isinstance(run.coverage, Coverage)
    return run.coverage


def parts(coverage: Coverage) -> dict[str, tuple[int, int]]:
    (file,) = coverage.files
    return {file.text(region): (region.reached, region.held) for region in file.regions}


def test_expressions_and_heads() -> None:
    found = parts(covered())
    reached = {text for text, (count, _) in found.items() if count}
    assert reached == {
        "analyst",
        '"analysts" in principal.groups',
        'allow "analysts read"',
        'every t in sql.tables { t == "customers" }',
        't == "customers"',
        'many := [t | some t in sql.tables; t != "customers"]',
        "some t in sql.tables",
        't != "customers"',
        "count(many) > 0",
        "double(x) := y",
        "y := x * 2",
    }
    assert set(found) - reached == {
        "level := 3",
        "else := 2",
        "sql.writes",
        "else := 1",
        'block $"too many: {count(many)}"',
        "level > 2",
        "unused := 4",
    }
    assert found["count(many) > 0"][1] == 0
    assert found['t != "customers"'] == (1, 0)


def test_more_tests_reach_more() -> None:
    more = """
test "b" {
	when postgres `select * from orders`
	expect block "too many: 1"
	given principal.groups := ["analysts"]
	when postgres `delete from orders`
	expect block "no statement allows this"
	given data.shop.analyst := false
	when postgres `delete from orders`
	expect block "too many: 1"
	expect if data.shop.level == 2
}
test_unused if data.shop.unused == 4
"""
    coverage = covered(test=TEST + more)
    assert sorted(missing_lines(coverage)) == []
    assert coverage.percent == 100.0


def test_what_fails_is_not_counted_as_reached_beyond_its_failure() -> None:
    policy = 'package p\ngoverns postgres\nallow "x" if {\n\tto_number("a") == 1\n\tsql.read_only\n}\n'
    test = 'package p_test\ntest "e" {\n\twhen postgres `select 1`\n\texpect block\n\texpect error\n}\n'
    found = parts(covered(policy, test))
    assert {text: count for text, (count, _) in found.items()} == {
        'allow "x"': 0,
        'to_number("a") == 1': 1,
        "sql.read_only": 0,
    }


def test_replaced_data_and_functions_count_as_in_the_decision() -> None:
    policy = (
        'package p\ngoverns postgres\nallow "x" if {\n\tf(1) == 2\n\tdata.on\n\tsql.read_only\n}\nf(x) := x\n'
    )
    given = "given data.p.f := 2\n\tgiven data.on := true"
    test = f'package p_test\ntest "e" {{\n\t{given}\n\twhen postgres `select 1`\n\texpect allow\n}}\n'
    found = parts(covered(policy, test))
    assert {text: count for text, (count, _) in found.items()} == {
        'allow "x"': 1,
        "f(1) == 2": 1,
        "data.on": 1,
        "sql.read_only": 1,
        "f(x) := x": 0,
    }


def test_text() -> None:
    lines = list(table(covered()))
    assert lines[1].split(None, 4) == ["p.ward", "12/20", "60.0", "%", "7-10, 19, 22, 24"]
    assert lines[-1].split() == ["total", "12/20", "60.0", "%"]
    missing = list(missing_lines(covered()))
    assert missing[0] == "p.ward:7:1: level := 3"
    assert 'p.ward:19:1: block $"too many: {count(many)}"' in missing


def test_json() -> None:
    document = json.loads(json.dumps(covered().to_dict()))
    assert (document["covered"], document["total"], document["percent"]) == (12, 20, 60.0)
    regions = document["files"][0]["regions"]
    assert regions[0] == {
        "kind": "head",
        "start": {"line": 5, "column": 1},
        "end": {"line": 5, "column": 8},
        "reached": 1,
        "held": 1,
    }
    assert all(region["held"] <= region["reached"] for region in regions)


def test_lcov() -> None:
    coverage = covered()
    text = lcov(coverage)
    records = [record.splitlines() for record in text.split("end_of_record\n") if record.strip()]
    assert len(records) == 1
    fields: dict[str, list[str]] = {}
    for line in records[0]:
        name, _, value = line.partition(":")
        fields.setdefault(name, []).append(value)
    assert fields["SF"] == ["p.ward"]
    lines = {int(line): int(hits) for line, hits in (value.split(",") for value in fields["DA"])}
    assert lines == coverage.files[0].lines()
    assert int(fields["LF"][0]) == len(lines)
    assert int(fields["LH"][0]) == sum(hits > 0 for hits in lines.values())
    assert int(fields["FNF"][0]) == len(fields["FN"]) == len(fields["FNDA"])
    assert int(fields["BRF"][0]) == len(fields["BRDA"])
    taken = [value.rsplit(",", 1)[1] for value in fields["BRDA"]]
    assert int(fields["BRH"][0]) == sum(count not in ("-", "0") for count in taken)


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []
        self.code: list[str] = []
        self.inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.links += [value for name in ("src", "href") if (value := given.get(name))]
        if tag not in ("meta", "link", "br"):
            self.open.append(tag)
        if given.get("class") == "code":
            self.inside = True
            self.code.append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag
        if tag == "td":
            self.inside = False

    def handle_data(self, data: str) -> None:
        if self.inside:
            self.code[-1] += data


@pytest.mark.parametrize("hostile", ["", '# <script>alert("x")</script> & \u2028\n'])
def test_html(hostile: str) -> None:
    coverage = covered(POLICY + hostile)
    page = _Page()
    text = html(coverage)
    page.feed(text)
    assert page.open == []
    assert page.links
    assert all(link.startswith("#") for link in page.links)
    assert "<script>alert" not in text
    shown = [line if line != " " else "" for line in page.code]
    assert shown == coverage.files[0].source.text.split("\n")
    assert '<span class="missed" title="never held">unused := 4</span>' in text
    assert "prefers-color-scheme: dark" in text


def test_test_files_and_test_rules_are_not_counted() -> None:
    coverage = covered()
    assert [file.source.name for file in coverage.files] == ["p.ward"]
    assert not any("test_double" in text for text in parts(coverage))


def test_nothing_to_reach_is_all_of_it() -> None:
    run = run_tests(policies_from({"p_test.rego": "package p_test\n\ntest_x if true\n"}), coverage=True)
    assert run.coverage.percent == 100.0
    assert lcov(run.coverage) == ""
    html(run.coverage)
