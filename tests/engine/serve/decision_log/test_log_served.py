"""The log of the service as a process: what it writes is what callers were told, and can be decided again."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import grpc
import psutil
import pytest
import yaml
from tests.support.decision_log import entries, fill, postgres_request, small_disk
from tests.support.served import PATIENCE, Served, served, write_policies
from typer.testing import CliRunner

from doorward.author.diff import read_log
from doorward.cli.main import build
from doorward_dsl.capabilities import capabilities_document
from doorward_proto.v1 import decision_pb2 as pb

POLICIES = """package shop

governs postgres

allow "analysts read" if { "analysts" in principal.groups; sql.read_only }
allow "by lot" if { principal.id == "lot"; rand.intn("x", 1000000) >= 0 }
mask customers.ssn with partial(4)
"""

MASKS = """package system.log

mask contains "/request/principal/claims/email"
mask contains "/request" if input.request.principal.id == "secret"
drop if input.request.action.name == "ping"
"""

CATALOGUE = json.dumps(
    {
        "server_version": 180000,
        "database": "shop",
        "relations": [["public", "customers", 100, "r", [["id", 1, "text"], ["ssn", 2, "text"]]]],
        "functions": [],
    }
).encode()


@pytest.fixture
def policies(tmp_path: Path) -> Path:
    return write_policies(tmp_path / "policies", {"shop.ward": POLICIES, "log.rego": MASKS})


def wait_until(holds: Callable[[], object]) -> None:
    """Wait for something that another process does."""
    until = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < until, "it never came"
        time.sleep(0.02)


def ask(engine: Served, *requests: dict[str, Any], catalogue: str = "") -> list[pb.Decision]:
    """The decisions on some requests, asked in one message."""
    asked = [
        pb.DecideRequest(request_id=str(n), json=json.dumps(one).encode(), catalogue=catalogue)
        for n, one in enumerate(requests)
    ]
    with engine.stub() as stub:
        answer = stub.DecideBatch(pb.DecideBatchRequest(requests=asked), timeout=PATIENCE)
    return [one.decision for one in answer.responses]


def described(engine: Served) -> str:
    with engine.stub() as stub:
        asked = pb.DescribeResourceRequest(kind="postgres", catalogue=CATALOGUE)
        return str(stub.DescribeResource(asked, timeout=PATIENCE).catalogue)


def settings(tmp_path: Path, **told: Any) -> list[str]:
    """Flags for settings of the log, told in a file."""
    (tmp_path / "doorward.yaml").write_text(yaml.safe_dump({"decision_log": told}))
    return ["--config", str(tmp_path / "doorward.yaml")]


def diff(*arguments: object) -> tuple[int, dict[str, Any]]:
    ran = CliRunner().invoke(build(), ["diff", *map(str, arguments), "--json"])
    assert ran.exit_code in (0, 1), ran.output
    return ran.exit_code, json.loads(ran.stdout)


def test_the_log_of_a_service_is_replayed_by_diff(tmp_path: Path, policies: Path) -> None:
    capabilities = tmp_path / "capabilities.json"
    capabilities.write_text(json.dumps(capabilities_document()))
    flags = settings(tmp_path, file="log/decisions.jsonl", required=True, rotation={"max_bytes": 8_000})
    (tmp_path / "log").mkdir()
    asked = [
        postgres_request(f"select ssn from customers where id = '{n}'", id=f"u{n}", claims={"email": "a@b.c"})
        for n in range(20)
    ]
    asked += [
        postgres_request("select 1", id="eve", groups=[]),
        postgres_request("drop table customers", id="dan"),
    ]
    asked += [postgres_request("select 1", id="lot", groups=[]), postgres_request("select 1", id="secret")]
    asked.append({**postgres_request("select 1"), "action": {"name": "ping"}})
    with served(policies, *flags, "--capabilities", str(capabilities)) as engine:
        known = described(engine)
        answers = [
            one
            for begin in range(0, len(asked), 5)
            for one in ask(engine, *asked[begin : begin + 5], catalogue=known)
        ]
        wait_until(lambda: len(list((tmp_path / "log").glob("*.gz"))) >= 2)
        engine.stop()
    assert [path.suffix for path in (tmp_path / "log").glob("decisions-*")] == [".gz"] * len(
        list((tmp_path / "log").glob("decisions-*"))
    )
    logged = {one.id: one for one in read_log(tmp_path / "log")}
    assert set(logged) == {answer.decision_id for answer in answers[:-1]}  # but for what a rule drops
    for request, answer in zip(asked[:-1], answers, strict=False):
        one = logged[answer.decision_id]
        assert one.verdict == pb.Verdict.Name(answer.verdict).removeprefix("VERDICT_").lower()
        if request["principal"]["id"] != "secret":
            request["principal"].get("claims", {}).pop("email", None)
            assert one.request == request
    assert b"a@b.c" not in b"".join(path.read_bytes() for path in (tmp_path / "log").glob("*.jsonl"))

    same = ("--capabilities", capabilities)
    status, report = diff(policies, policies, tmp_path / "log", *same)
    assert status == 0
    assert (report["requests"], report["changed"], report["unlike_the_log"]) == (24, 0, 0)
    assert (report["masked"], report["withheld"]) == (20, 1)
    new = write_policies(
        tmp_path / "new",
        {"shop.ward": POLICIES.replace("partial(4)", "redact").replace(">= 0", "< 0"), "log.rego": MASKS},
    )
    status, report = diff(policies, new, tmp_path / "log", *same)
    assert status == 1
    assert {(one["kind"], one["requests"]) for one in report["groups"]} == {("masks", 20), ("loses", 1)}
    assert report["groups"][0]["example"]["request"]["principal"]["id"] == "lot"


def test_masks_of_a_new_revision_hold_from_then_on_and_what_mattered_is_not_replayed(tmp_path: Path) -> None:
    text = POLICIES + 'block "no mail to us" if principal.claims.email == "a@b.c"\n'
    policies = write_policies(tmp_path / "policies", {"shop.ward": text, "log.rego": MASKS})
    log = tmp_path / "log.jsonl"
    with served(policies, "--decision-log", str(log), "--decision-log-required") as engine:
        ask(engine, postgres_request("select 1", id="first", claims={"email": "a@b.c"}))
        ask(engine, postgres_request("select 1", id="second", claims={"email": "x@y.z"}))
        before = engine.ready["revision"]
        (policies / "log.rego").write_text(MASKS + 'mask contains "/request/principal/id"\n')
        engine.revision_when(lambda revision: revision.revision != before)
        ask(engine, postgres_request("select 1", id="third"))
    ids = [entry["request"]["principal"].get("id") for entry in entries(log)]
    assert ids == ["first", "second", None]
    assert b"third" not in log.read_bytes()
    status, report = diff(policies, policies, log)
    assert (status, report["masked"], report["withheld"], report["unlike_the_log"]) == (0, 2, 1, 0)


def test_a_full_disk_blocks_and_nothing_is_lost_when_space_returns(tmp_path: Path, policies: Path) -> None:
    with small_disk(tmp_path / "disk") as disk:
        log = disk / "log.jsonl"
        with served(policies, "--decision-log", str(log), "--decision-log-required") as engine:
            (first,) = ask(engine, postgres_request("select 1"))
            assert first.verdict == pb.VERDICT_ALLOW
            ballast = fill(disk)
            blocked = ask(engine, *[postgres_request("select 1 -- " + "x" * 4096)] * 3)
            for decision in blocked:
                assert decision.verdict == pb.VERDICT_BLOCK
                assert [reason.text for reason in decision.reasons] == [
                    "the decision log `log.jsonl` cannot be written: no space left on device"
                ]
            ballast.unlink()
            (last,) = ask(engine, postgres_request("select 2"))
            assert last.verdict == pb.VERDICT_ALLOW
            assert b"the decision log cannot be written" in b"".join(engine.stderr)
        assert [entry["id"] for entry in entries(log)] == [first.decision_id, last.decision_id]
        assert [note["count"] for note in entries(log, kind="dropped")] == [3]


def test_a_service_that_is_killed_has_logged_what_it_answered(tmp_path: Path, policies: Path) -> None:
    answered: list[str] = []
    enough = threading.Event()

    def messages() -> Iterator[pb.DecideBatchRequest]:
        body = json.dumps(postgres_request("select 1")).encode()
        while not enough.is_set():
            yield pb.DecideBatchRequest(requests=[pb.DecideRequest(json=body)] * 7)

    flags = settings(
        tmp_path, file="log.jsonl", required=True, rotation={"max_bytes": 100_000, "compress": False}
    )
    with served(policies, *flags) as engine, engine.stub() as stub:
        stream = stub.DecideStream(messages(), timeout=PATIENCE)
        with suppress(grpc.RpcError):
            for answer in stream:
                answered += [one.decision.decision_id for one in answer.responses]
                if len(answered) > 1000:
                    os.kill(engine.process.pid, signal.SIGKILL)
        enough.set()
        assert engine.stop() == -signal.SIGKILL
    found = [one.id for path in tmp_path.glob("log*.jsonl") for one in read_log(path)]
    assert set(answered) <= set(found)
    with served(policies, *flags) as engine:
        ask(engine, postgres_request("select 1"))
    assert set(answered) < {entry["id"] for entry in entries(*tmp_path.glob("log*.jsonl"))}


def test_workers_share_standard_output_line_by_line(tmp_path: Path, policies: Path) -> None:
    with served(policies, "--decision-log", "stdout", "--workers", "2") as engine:
        stdout = engine.process.stdout
        assert stdout is not None
        lines: list[bytes] = []
        reader = threading.Thread(target=lambda: lines.extend(stdout), daemon=True)
        reader.start()
        large = postgres_request("select 1 -- " + "x" * 9000)
        for _ in range(12):  # each on a connection of its own
            ask(engine, *[large] * 20)
        wait_until(lambda: len(lines) >= 240)
        engine.process.send_signal(signal.SIGTERM)
        reader.join(PATIENCE)
        engine.stop()
    found = [json.loads(line) for line in lines]
    assert len({entry["id"] for entry in found if "request" in entry}) == 240


def test_workers_have_files_of_their_own_and_hang_up_together(tmp_path: Path, policies: Path) -> None:
    flags = settings(tmp_path, file="log.jsonl", required=True)
    with served(policies, *flags, "--workers", "2") as engine:
        for _ in range(24):
            ask(engine, postgres_request("select 1"))
        assert sum(len(entries(path)) for path in tmp_path.glob("log*.jsonl")) == 24
        names = sorted(path.name for path in tmp_path.glob("log*.jsonl"))
        assert names == ["log.1.jsonl", "log.jsonl"]
        (tmp_path / "old").mkdir()
        for name in names:
            (tmp_path / name).rename(tmp_path / "old" / name)
        engine.process.send_signal(signal.SIGHUP)
        wait_until(lambda: all((tmp_path / name).exists() for name in names))
        ask(engine, postgres_request("select 1"))
        assert psutil.Process(engine.process.pid).is_running()
    assert sum(len(entries(path)) for path in tmp_path.glob("log*.jsonl")) == 1


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--decision-log", "log.txt"], "must end in `.jsonl`"),
        (["--decision-log", "stdout", "--decision-log-required"], "`required` needs a file"),
        (["--decision-log-required"], "`decision_log.file` is required"),
    ],
)
def test_flags_of_the_log_are_checked(policies: Path, flags: list[str], said: str) -> None:
    ran = CliRunner().invoke(build(), ["serve", str(policies), *flags, "--check"])
    assert (ran.exit_code, said in ran.output) == (2, True), ran.output


def test_a_log_that_cannot_be_opened_is_an_error_at_the_start(tmp_path: Path, policies: Path) -> None:
    with pytest.raises(RuntimeError, match="cannot be opened: no such file or directory"):
        Served(policies, "--decision-log", f"{tmp_path}/nowhere/log.jsonl")
