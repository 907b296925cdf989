"""A session answers queries, keeps what is defined, and is changed by nothing that is wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from doorward.author.repl import Session, suggestions
from doorward.author.repl.entry import is_complete, kind_of

POLICY = """package acme

staff := {"ana", "bob"}

allow if input.name in staff
"""


@pytest.fixture
def session(tmp_path: Path) -> Session:
    (tmp_path / "acme.rego").write_text(POLICY)
    (tmp_path / "data.json").write_text('{"teams": {"red": ["ana"]}}')
    return Session(tmp_path)


def said(session: Session, *entries: str) -> str:
    """The reply to the last of several entries, none of which fails."""
    text = ""
    for entry in entries:
        reply = session.feed(entry)
        assert not reply.failed, reply.text
        text = reply.text
    return text


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        (["1 + 1"], "2"),
        (["data.acme.staff"], '["ana", "bob"]'),
        (["data.nothing"], "undefined"),
        (["1 > 2"], "false"),
        (['some x in {"a", "b"}'], 'x\n---\n"a"\n"b"'),
        (["x := 3", "x * 2"], "6"),
        (["x := 3", "x := 4"], "redefined x"),
        (["x := 3", "x := 4", "x"], "4"),
        (["f(y) := y + 1", "f(2)"], "3"),
        (["ok if input.a > 1", ':input {"a": 2}', "ok"], "true"),
        (["s contains 1", "s contains 2", "s"], "[1, 2]"),
        (["default d := 7", "d"], "7"),
        (["d if {\n  1 > 2\n}", "d"], "undefined"),
        (["import data.teams.red as reds", "reds[0]"], '"ana"'),
        (["import data.acme", "acme.staff"], '["ana", "bob"]'),
        (["package acme", "count(staff)"], "2"),
        (["package acme", "bosses := {\"ana\"}", "staff - bosses"], '["bob"]'),
        ([":data teams.blue [1]", "data.teams"], '{"blue": [1], "red": ["ana"]}'),
        ([":data teams.red"], '["ana"]'),
        (["data.acme.staff", ":explain"], "nothing failed: the query has an answer"),
        (["x := 1", "import data.acme", ":show"], "package repl\nimport data.acme\n\nx := 1"),
        (["x := 1", "y if x == 1", ":unset y", ":show"], "package repl\n\nx := 1"),
        (["x := 1", ":clear", ":show"], "package repl"),
        (["# nothing"], ""),
        ([":input {}", ":input none", ":input"], "there is no input"),
        ([":reload"], "1 module from "),
    ],
)  # fmt: skip
def test_replies(session: Session, entries: list[str], expected: str) -> None:
    assert said(session, *entries).startswith(expected)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("1 +", "rego_parse_error"),
        ("nope", "var `nope` is unsafe"),
        ("x if y", "var `y` is unsafe"),
        ("x if {", "rego_parse_error"),
        ("f(1) + ", "rego_parse_error"),
        (":nope", "there is no command `:nope`"),
        (":load /no/such/place", "`/no/such/place`"),
        (":input {", "that is not JSON"),
        (":input @/no/such/file", "`/no/such/file`"),
        (":unset x", "no rule `x` was defined here"),
        (":decide", "the input is no access request"),
        (":explain", "there is no query to explain"),
        (":profile", "needs a query"),
        ("import data.x.y as data", "must not be a reserved name"),
        ("package 3", "rego_parse_error"),
        ("staff := 1\nstaff := 2", "staff"),
    ],
)
def test_what_is_wrong_is_said_and_changes_nothing(session: Session, entry: str, message: str) -> None:
    before = said(session, "x0 := 1", ":show")
    reply = session.feed(entry)
    assert reply.failed
    assert message in reply.text
    assert said(session, ":show") == before
    assert said(session, "x0 + 1") == "2"


def test_policies_are_read_again(session: Session, tmp_path: Path) -> None:
    (tmp_path / "acme.rego").write_text(POLICY.replace('"bob"', '"eve"'))
    said(session, "here := 1", ":reload")
    assert said(session, "data.acme.staff") == '["ana", "eve"]'
    (tmp_path / "acme.rego").write_text("package")
    assert session.feed(":reload").failed
    assert said(session, "data.acme.staff") == '["ana", "eve"]'
    assert said(session, "here") == "1"


def test_what_failed_is_explained(session: Session) -> None:
    told = said(session, ':input {"name": "eve"}', "data.acme.allow", ":explain").splitlines()
    assert [line.strip() for line in told] == [
        "- data.acme.allow  <query>:1:1",
        "`data.acme.allow` asks for:",
        "- input.name in staff  acme.rego:5:10",
        'input.name = "eve"',
        'staff = {"ana", "bob"}',
    ]


def test_a_request_is_decided(session: Session, tmp_path: Path) -> None:
    (tmp_path / "gate.ward").write_text(
        'package gate\n\ngoverns postgres\n\nallow "DBAs" if "dba" in principal.groups\n'
    )
    (tmp_path / "request.json").write_text(
        json.dumps({"resource": {"kind": "postgres"}, "action": {"name": "connect"}})
    )
    told = said(session, ":reload", f":input @{tmp_path / 'request.json'}", ":decide")
    assert told.startswith("block\n")
    assert '"dba" in principal.groups' in told


def test_lines_that_ran_are_counted(session: Session) -> None:
    told = said(session, ':input {"name": "ana"}', ":profile data.acme.allow")
    assert told.startswith("true\n")
    assert "acme.rego:5" in told


@pytest.mark.parametrize(
    ("before", "expected"),
    [
        (":in", ["input"]),
        (":", ["help", "load"]),
        ("data.", ["acme", "teams"]),
        ("data.acme.", ["allow", "staff"]),
        ("x := data.acme.st", ["staff"]),
        ("data.teams.", ["red"]),
        ("count(data.t", ["teams"]),
        ("json.pa", ["json.patch"]),
        ("sprin", ["sprintf"]),
        ("input.", ["action", "principal"]),
        ("input.principal.gr", ["groups"]),
        ("1 + ", []),
        ("data.acme.none.", []),
    ],
)
def test_completion(session: Session, before: str, expected: list[str]) -> None:
    found = [one.text for one in suggestions(session, before)]
    assert [text for text in found if text in expected] == expected
    assert bool(found) == bool(expected)


def test_completion_tells_what_things_are(session: Session) -> None:
    (patch,) = (one for one in suggestions(session, "json.patc") if one.text == "json.patch")
    assert patch.meaning.startswith("(")
    assert "→" in patch.meaning
    (staff,) = suggestions(session, "data.acme.st")
    assert (staff.replaces, staff.meaning) == (2, "rule, acme.rego:3:1")
    said(session, ':input {"user": {"mail": 1}}')
    assert [one.text for one in suggestions(session, "input.user.")] == ["mail"]


@pytest.mark.parametrize(
    ("text", "complete"),
    [
        ("x", True),
        ("x := [1,", False),
        ("x if {", False),
        ("x if {\n y\n}", True),
        ("x if", False),
        ("x +", False),
        ('"{"', True),
        ("`a", False),
        ("`a\nb`", True),
        ("x # {", True),
        ("x if {\n\n", True),
        (":input {", True),
        ("some x in", False),
    ],
)
def test_whether_more_is_to_come(text: str, complete: bool) -> None:
    assert is_complete(text) is complete


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("", "empty"),
        ("# x", "empty"),
        (":help", "command"),
        ("package a.b", "package"),
        ("import data.x", "import"),
        ("x := 1", "rule"),
        ("x := 1; y := x", "query"),
        ("f(x) := x", "rule"),
        ("x = 1", "query"),
        ("x if y", "rule"),
        ("a contains 1", "rule"),
        ("allow", "query"),
        ("importance > 1", "query"),
    ],
)
def test_what_an_entry_is(text: str, kind: str) -> None:
    assert kind_of(text) == kind
