"""What a change of policies would have changed, told from real logs by the real command."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from doorward import Engine
from doorward.author.diff import LogError, Report, RevisionError, open_policies, read_log, replay
from doorward.bundle import build_bundle, bundle_files, read_files
from doorward.bundle.manifest import Manifest
from doorward.cli.main import build
from doorward.facts.postgres import Catalogue

CATALOGUE: dict[str, Any] = {
    "server_version": 180000,
    "database": "shop",
    "relations": [
        ["public", "customers", 100, "r", [["id", 1, "text"], ["name", 2, "text"], ["ssn", 3, "text"]]]
    ],
    "functions": [],
}
SHOP = Catalogue.from_json(json.dumps(CATALOGUE).encode())

OLD = """package shop

governs postgres

allow "analysts read" if {
    "analysts" in principal.groups
    sql.read_only
}
allow "credentials for all" if action.name == "issue_credential"
allow "DBAs write" if "dba" in principal.groups
block "the shop is closed" if time.hour >= 20
mask customers.ssn with partial(4)
approve "writes wait" by "dba" within 15m if sql.writes
credential ttl 15m as "readonly"
"""
NS = 1_000_000_000


def request(user: str, *groups: str, statement: str = "", action: str = "query") -> dict[str, Any]:
    return {
        "principal": {"id": user, "groups": list(groups)},
        "action": {"name": action},
        "resource": {"kind": "postgres", "name": "warehouse"},
        "postgres": {"statement": statement},
    }


REQUESTS = [
    request("ana", "analysts", statement="select name from customers"),
    request("ann", "analysts", statement="select ssn from customers"),
    request("dan", "dba", statement="update customers set name = 'x'"),
    request("eve", statement="select name from customers"),
    request("ana", "analysts", action="issue_credential"),
]


def instant(hour: int) -> int:
    return int(datetime(2026, 11, 20, hour, tzinfo=UTC).timestamp()) * NS


def line(number: int, asked: dict[str, Any], now_ns: int, engine: Engine) -> dict[str, Any]:
    decision = engine.decide(asked, catalogue=SHOP, now_ns=now_ns)
    seconds, rest = divmod(now_ns, NS)
    text = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S") + f".{rest:09d}Z"
    return {
        "id": f"d{number}",
        "time": text,
        "revision": decision.revision,
        "request": asked,
        "decision": decision.to_dict(),
        "catalogue": SHOP.hash,
    }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A policy folder `old`, and a log of what it decided at noon."""
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "shop.ward").write_text(OLD)
    engine = Engine.from_path(tmp_path / "old")
    lines = [{"kind": "catalogue", "catalogue": SHOP.hash, "document": CATALOGUE}]
    lines += [line(number, asked, instant(12), engine) for number, asked in enumerate(REQUESTS, 1)]
    lines.append({"kind": "something new"})
    (tmp_path / "log.jsonl").write_text("".join(json.dumps(one) + "\n" for one in lines))
    return tmp_path


def changed(folder: Path, old: str, new: str) -> Report:
    """The report on the same policies, but for a piece of text."""
    assert old in OLD
    (folder / "new").mkdir()
    (folder / "new" / "shop.ward").write_text(OLD.replace(old, new))
    before, after = Engine.from_path(folder / "old"), Engine.from_path(folder / "new")
    return replay(before, after, read_log(folder / "log.jsonl"))


def groups(report: Report) -> list[tuple[str, str, int, str]]:
    return [(g.difference.kind, g.difference.what, g.requests, g.example.logged.id) for g in report.groups]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("15m as", "15m as", []),
        (
            '"analysts" in principal.groups\n',
            '"experts" in principal.groups\n',
            [("loses", "allow → block", 2, "d1")],
        ),
        ('"analysts" in principal.groups\n', "", [("gains", "block → allow", 1, "d4")]),
        ("partial(4)", "partial(2)", [("masks", "customers.ssn: partial(4) → partial(2)", 1, "d2")]),
        (
            "mask customers.ssn with partial(4)",
            "",
            [("masks", "customers.ssn: partial(4) → not masked", 1, "d2")],
        ),
        ("within 15m", "within 5m", [("approvals", "dba within 900 s → dba within 300 s", 1, "d3")]),
        ('by "dba"', 'by "owners"', [("approvals", "dba within 900 s → owners within 900 s", 1, "d3")]),
        ("if sql.writes", "if sql.changes_schema", [("gains", "approve → allow", 1, "d3")]),
        (
            'ttl 15m as "readonly"',
            "ttl 5m single_use",
            [
                ("credential", "any number of uses → single use", 1, "d5"),
                ("credential", "as readonly → as the default", 1, "d5"),
                ("credential", "lives 900 s → 300 s", 1, "d5"),
            ],
        ),
        (
            "time.hour >= 20",
            "time.hour >= 12",
            [("loses", "allow → block", 3, "d1"), ("loses", "approve → block", 1, "d3")],
        ),
        ("time.hour >= 20", "time.hour >= 13", []),
        ('"analysts read"', '"analysts may read"', []),
    ],
)
def test_what_differs_is_grouped(
    folder: Path, old: str, new: str, expected: list[tuple[str, str, int, str]]
) -> None:
    report = changed(folder, old, new)
    assert groups(report) == expected
    assert (report.requests, report.unlike, report.refused) == (5, 0, 0)


def test_the_statements_that_decide_are_named_without_lines(folder: Path) -> None:
    report = changed(folder, 'block "the shop is closed" if time.hour >= 20', '\n\nblock "the shop moved"')
    (block, *_) = report.groups
    assert block.difference.because == ('+ block "the shop moved" (shop.ward)',)
    assert block.principals == {"ana": 2, "ann": 1}


def test_a_request_that_waited_then_is_decided_at_its_own_instant(folder: Path) -> None:
    engine = Engine.from_path(folder / "old")
    late = line(9, REQUESTS[0], instant(21) + 123_456_789, engine)
    late["catalogue"] = CATALOGUE
    (folder / "late.jsonl").write_text(json.dumps(late))
    (logged,) = read_log(folder / "late.jsonl")
    assert logged.now_ns == instant(21) + 123_456_789
    report = replay(engine, engine, [logged])
    assert (report.changed, report.unlike) == (0, 0)
    logged.verdict = "allow"
    assert replay(engine, engine, [logged]).unlike == 1


def test_recorded_effects_are_answered_again(tmp_path: Path) -> None:
    from doorward_dsl.capabilities import capabilities_document, read_capabilities

    capabilities = read_capabilities(json.dumps(capabilities_document()).encode())
    text = 'package p\n\ngoverns postgres\n\nallow "by lot" if rand.intn("x", 1000000) == '
    engine = Engine.from_sources({"p.ward": text + "-1"}, capabilities=capabilities)
    now = instant(12)
    decision = engine.decide(REQUESTS[4], now_ns=now)
    (effect,) = decision.effects
    entry = {"request": REQUESTS[4], "decision": decision.to_dict(), "time": "2026-11-20T12:00:00Z"}
    (tmp_path / "log.jsonl").write_text(json.dumps(entry))
    lucky = Engine.from_sources(
        {"p.ward": text + effect.result + "\n\ncredential ttl 1m"}, capabilities=capabilities
    )
    report = replay(engine, lucky, read_log(tmp_path / "log.jsonl"))
    assert groups(report) == [("gains", "block → allow", 1, decision.decision_id)]


# --- the command ---


def run(*arguments: object) -> Result:
    return CliRunner().invoke(build(), ["diff", *map(str, arguments)])


def test_the_command_says_who_loses_and_exits_with_1(folder: Path) -> None:
    (folder / "new").mkdir()
    (folder / "new" / "shop.ward").write_text(OLD.replace('"analysts"', '"experts"'))
    told = run(folder / "old", folder / "new", folder / "log.jsonl")
    assert told.exit_code == 1
    assert "5 requests, 2 decided otherwise" in told.stdout
    assert "allow → block: 2 requests of ana, ann" in told.stdout
    assert "select name from customers" in told.stdout
    as_json = run(folder / "old", folder / "new", folder / "log.jsonl", "--json")
    assert json.loads(as_json.stdout)["groups"][0]["example"]["new"]["verdict"] == "block"
    assert run(folder / "old", folder / "new", folder / "log.jsonl", "--allow", "loses").exit_code == 0
    assert run(folder / "old", folder / "new", folder / "log.jsonl", "--allow", "loss").exit_code == 2


def test_no_change_is_0_and_what_cannot_be_read_is_not(folder: Path) -> None:
    same = run(folder / "old", folder / "old", folder / "log.jsonl")
    assert (same.exit_code, same.stdout) == (0, "5 requests, none decided otherwise\n")
    assert run(folder / "old", folder / "old", folder / "none.jsonl").exit_code == 3
    unknown = run(folder / "old", "no-such-revision", folder / "log.jsonl")
    assert unknown.exit_code == 3
    assert "`no-such-revision` is neither a path nor a git revision with policies" in unknown.stderr


def test_requests_may_be_a_folder_of_files(folder: Path) -> None:
    (folder / "requests").mkdir()
    for number, asked in enumerate(REQUESTS):
        (folder / "requests" / f"{number}.json").write_text(json.dumps(asked))
    (folder / "catalogue.json").write_text(json.dumps(CATALOGUE))
    (folder / "new").mkdir()
    (folder / "new" / "shop.ward").write_text(OLD.replace("ttl 15m", "ttl 1m"))
    told = run(
        folder / "old",
        folder / "new",
        folder / "requests",
        "--catalogue",
        folder / "catalogue.json",
        "--now-ns",
        instant(12),
        "--json",
    )
    (group,) = json.loads(told.stdout)["groups"]
    assert (group["what"], group["example"]["place"]) == ("lives 900 s → 60 s", "4.json")


# --- where policies come from ---


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "commit.gpgsign=false"]
    ran = subprocess.run(
        ["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True
    )
    return ran.stdout


@pytest.fixture
def repository(folder: Path) -> Path:
    """The policies in a git repository, with a change committed and another in the work tree."""
    git(folder, "init", "-q", "-b", "main")
    git(folder, "add", "old")
    git(folder, "commit", "-q", "-m", "first")
    (folder / "old" / "shop.ward").write_text(OLD.replace("partial(4)", "hash"))
    (folder / "old" / "data.json").write_text('{"a": 1}')
    (folder / "old" / ".hidden.rego").write_text("not a module")
    git(folder, "add", "old")
    git(folder, "commit", "-q", "-m", "second")
    (folder / "old" / "shop.ward").write_text(OLD.replace("partial(4)", "redact"))
    return folder


def test_revisions_are_read_beside_the_work_tree(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(repository)
    status = git(repository, "status", "--porcelain")
    first = open_policies("HEAD~1:old")
    assert [source.text for source in first.sources] == [OLD]
    (repository / "copy").mkdir()
    (repository / "copy" / "shop.ward").write_text(OLD)
    assert first.revision == open_policies(str(repository / "copy")).revision
    assert first.git_commit == git(repository, "rev-parse", "HEAD~1").strip()
    second = open_policies("main", "old")
    assert "with hash" in second.sources[0].text
    assert second.data == {"a": 1}
    assert "with redact" in open_policies("old", "main").sources[0].text
    assert open_policies("main:old/shop.ward").sources[0].name == "shop.ward"
    (repository / "copy" / "shop.ward").unlink()
    (repository / "copy").rmdir()
    assert git(repository, "status", "--porcelain") == status


def test_the_command_compares_revisions(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(repository)
    told = run("HEAD~1:old", "old", "log.jsonl", "--json")
    assert [group["what"] for group in json.loads(told.stdout)["groups"]] == [
        "customers.ssn: partial(4) → redact"
    ]
    told = run("HEAD~1", "old", "log.jsonl", "--json")
    assert [group["what"] for group in json.loads(told.stdout)["groups"]] == [
        "customers.ssn: partial(4) → redact"
    ]


@pytest.mark.parametrize("name", ["--upload-pack=touch x", "main:nothing", "main:../old", "-h", ":old"])
def test_what_is_no_revision_is_refused(repository: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(repository)
    with pytest.raises(RevisionError, match="neither a path nor a git revision"):
        open_policies(name)


def test_a_bundle_is_read_like_a_directory(folder: Path) -> None:
    files = bundle_files(read_files(folder / "old"), Manifest(revision="r1"))
    (folder / "old.tar.gz").write_bytes(build_bundle(files))
    report = replay(
        Engine(open_policies(str(folder / "old.tar.gz"))),
        Engine(open_policies(str(folder / "old"))),
        read_log(folder / "log.jsonl"),
    )
    assert (report.requests, report.changed, report.unlike) == (5, 0, 0)


# --- hostile logs ---


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "log.jsonl:1: not JSON"),
        ("[]", "log.jsonl:1: not a JSON object"),
        ("\n{}", "log.jsonl:2: there is no `request`"),
        ('{"request": []}', "log.jsonl:1: there is no `request`"),
        ('{"request": {}, "time": "yesterday"}', "log.jsonl:1: `time` is not RFC 3339: `yesterday`"),
        ('{"request": {}, "time": "2026-13-01T00:00:00Z"}', "log.jsonl:1: `time` is no instant"),
        ('{"request": {}, "catalogue": "abc"}', "the catalogue `abc` is neither in the log nor given"),
        ('{"kind": "catalogue", "catalogue": "x", "document": 1}', "log.jsonl:1: "),
        ('{"request": {}, "decision": {"effects": [{"no": 1}]}}', "`effects` are not as they were recorded"),
    ],
)
def test_what_is_no_log_is_refused_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "log.jsonl").write_text(text)
    with pytest.raises(LogError, match=message):
        list(read_log(tmp_path / "log.jsonl"))


def test_a_line_that_is_no_access_request_is_counted(folder: Path) -> None:
    (folder / "odd.jsonl").write_text('{"request": {"resource": {"kind": "postgres"}, "nonsense": 1}}\n')
    report = changed_log(folder)
    assert (report.requests, report.refused, report.changed) == (1, 1, 0)
    assert report.first_refused == "odd.jsonl:1: unknown field `nonsense`"


def changed_log(folder: Path) -> Report:
    engine = Engine.from_path(folder / "old")
    return replay(engine, engine, read_log(folder / "odd.jsonl"))


@pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals are of Unix")
def test_a_terminal_sees_a_bar(folder: Path) -> None:
    import os
    import pty

    leader, follower = pty.openpty()
    command = [sys.executable, "-m", "doorward", "diff", "old", "old", "log.jsonl"]
    ran = subprocess.run(
        command, cwd=folder, stderr=follower, stdout=subprocess.PIPE, check=False, timeout=60
    )
    os.close(follower)
    assert ran.returncode == 0
    assert b"deciding" in os.read(leader, 65536)
    os.close(leader)
