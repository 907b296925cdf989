"""The gateway's commands, against a control API over HTTP and a record on the disk."""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
import typer
from google.protobuf.duration_pb2 import Duration
from tests.support.control import ControlNode, running_node, token_of
from typer.testing import CliRunner

from doorward_gateway.approvals import Operation, Requirement
from doorward_gateway.attribution import Attribution
from doorward_gateway.cli import register
from doorward_gateway.recording import Recorder
from doorward_gateway.recording.reader import segments
from doorward_gateway.recording.sealing import load_signer
from doorward_gateway.sessions import LiveSession
from doorward_proto.v1 import decision_pb2 as pb

REFUSED, USAGE, UNAVAILABLE = 1, 2, 3


@dataclass(frozen=True)
class Done:
    status: int
    out: str
    err: str


def application() -> typer.Typer:
    app = typer.Typer()
    register(app)
    return app


async def doorward(*arguments: str, token: str | None = None) -> Done:
    """Runs a command on a thread, as a shell would: with its environment, standard output and exit status."""
    environment = {name: None for name in os.environ if name.startswith(("DOORWARD", "COLUMNS"))}
    run = CliRunner(env=environment | {"DOORWARD_TOKEN": token})
    result = await asyncio.to_thread(run.invoke, application(), arguments)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert "\x1b" not in result.output
    return Done(result.exit_code, result.stdout, result.stderr)


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[ControlNode]:
    async with running_node(tmp_path) as node:
        yield node


def allow(_document: dict[str, Any]) -> pb.Decision:
    credential = pb.Credential(ttl=Duration(seconds=60), single_use=True, role="reader")
    return pb.Decision(verdict=pb.VERDICT_ALLOW, credential=credential)


async def issue(node: ControlNode, *more: str, name: str = "ana") -> Done:
    wanted = ("--resource", "warehouse", "--purpose", "quarterly figures")
    return await doorward("credential", "issue", "--gateway", node.url, *wanted, *more, token=token_of(name))


async def test_a_credential_is_issued_and_shown_once(node: ControlNode) -> None:
    node.rule = allow
    done = await issue(node, "--run", "r1", "--branch", "b", "--step", "2", "--parent-step", "1", "--json")
    assert done.status == 0, done.err
    issued = json.loads(done.out)
    grant = await node.credentials.redeem(issued["secret"], "warehouse")
    assert grant.attribution == Attribution("quarterly figures", "r1", "b", "2", "1")
    done = await issue(node)
    assert "60 s, for one use, upstream role `reader`" in done.out
    assert done.out.count("dwc_") == 2


async def test_a_credential_is_exported_for_clients(node: ControlNode) -> None:
    node.rule = allow
    uri = urlsplit((await issue(node, "--export", "uri")).out.strip())
    assert (uri.scheme, uri.username, uri.hostname, uri.port) == ("postgresql", "ana", "127.0.0.1", 6432)
    assert (uri.path, uri.query) == ("/warehouse", "sslmode=require")
    assert uri.password is not None
    await node.credentials.redeem(unquote(uri.password), "warehouse")
    lines = (await issue(node, "--export", "env")).out.splitlines()
    variables = dict(shlex.split(line)[1].split("=", 1) for line in lines)
    assert variables["PGUSER"] == "ana"
    await node.credentials.redeem(variables["PGPASSWORD"], "warehouse")
    words = shlex.split((await issue(node, "--export", "psql")).out)
    assert words[-1] == "psql"


async def test_a_refusal_says_why(node: ControlNode) -> None:
    reason = pb.Reason(id="shop:4", verb="block", text="the contract\x1b[2J has ended", place="shop.ward:4:1")
    node.rule = lambda _: pb.Decision(verdict=pb.VERDICT_BLOCK, reasons=[reason])
    done = await issue(node)
    assert (done.status, done.out) == (REFUSED, "")
    assert "the contract\\x1b[2J has ended" in done.err
    assert "shop.ward:4:1" in done.err


async def test_without_a_good_token_nothing_happens(node: ControlNode, tmp_path: Path) -> None:
    command = ("approvals", "list", "--gateway", node.url)
    assert (await doorward(*command)).status == USAGE
    assert (await doorward(*command, token="wrong")).status == REFUSED
    assert (await doorward(*command, token="two\nlines")).status == USAGE
    (tmp_path / "token").write_text(token_of("omar") + "\n")
    assert (await doorward(*command, "--token-file", str(tmp_path / "token"))).status == 0
    assert (await doorward(*command, "--token-file", str(tmp_path / "none"))).status == USAGE


async def test_a_gateway_that_is_not_there(node: ControlNode) -> None:
    url = f"http://127.0.0.1:{node.engine_port}"
    for gateway in (url, "http://127.0.0.1:1", "nonsense://x", "http://[::1"):
        done = await doorward("approvals", "list", "--gateway", gateway, token="t")
        assert done.status == UNAVAILABLE, (gateway, done)
        assert done.err.startswith("error: ")
        assert "Traceback" not in done.err


async def ask(node: ControlNode) -> str:
    operation = Operation(
        "h",
        {"id": "dora", "kind": "human"},
        "warehouse",
        "update orders\n set status = '\x1b]0;x\x07\u202e'",
        attribution=Attribution(purpose="fix", run="r1"),
        facts={
            "writes": True,
            "read_only": False,
            "tables_written": ["orders"],
            "functions": [],
            "opaque_reason": None,
        },
    )
    approval = await node.approvals.ask(
        operation, Requirement("shop:9", frozenset({"dba"}), 60_000, "writes wait for a person")
    )
    return str(approval.id)


async def test_approvals_are_listed_approved_and_refused(node: ControlNode) -> None:
    gateway = ("--gateway", node.url)
    assert (
        await doorward("approvals", "list", *gateway, token=token_of("omar"))
    ).out == "nothing is waiting\n"
    first, second = await ask(node), await ask(node)
    listed = await doorward("approvals", "list", *gateway, token=token_of("omar"))
    for word in (
        first,
        second,
        "dora (human)",
        "update orders",
        "\\x1b]0;x\\x07\\u202e",
        "writes wait",
        "dba",
    ):
        assert word in listed.out
    assert "tables_written orders · writes" in listed.out
    assert "read_only" not in listed.out
    as_json = await doorward("approvals", "list", *gateway, "--json", token=token_of("omar"))
    assert [entry["id"] for entry in json.loads(as_json.out)["approvals"]] == [first, second]
    own = await doorward("approvals", "approve", first, *gateway, token=token_of("dora"))
    assert own.status == REFUSED
    assert "own request" in own.err
    done = await doorward(
        "approvals", "approve", first, "--reason", "ticket", *gateway, token=token_of("omar")
    )
    assert done.status == 0
    assert done.out.startswith(f"approved {first}: update orders set")
    assert (await node.approvals.wait(first)).comment == "ticket"
    done = await doorward("approvals", "refuse", second, *gateway, token=token_of("omar"))
    assert done.out.startswith(f"refused {second}")
    assert (
        await doorward("approvals", "approve", "../x", *gateway, token=token_of("omar"))
    ).status == REFUSED


async def test_live_sessions_are_listed(node: ControlNode) -> None:
    node.sessions.add(
        LiveSession(
            id="ses_1",
            kind="postgres",
            principal={"id": "ana", "kind": "human", "groups": ["analysts"]},
            resource="warehouse",
            started_at_ns=1,
            client_address="127.0.0.1",
            end=lambda _why: None,
            attribution=Attribution(purpose="figures"),
            expires_at_ns=10**18,
        )
    )
    done = await doorward("sessions", "--gateway", node.url, token=token_of("sec"))
    assert "ses_1" in done.out
    assert "ana (human" in done.out
    done = await doorward("sessions", "--gateway", node.url, "--json", token=token_of("omar"))
    assert json.loads(done.out) == {"sessions": []}
    assert (await doorward("sessions", token="t")).status == USAGE


async def test_credentials_and_sessions_are_ended(node: ControlNode) -> None:
    node.rule = allow
    gateway, token = ("--gateway", node.url), token_of("ana")
    id_ = json.loads((await issue(node, "--json")).out)["id"]
    assert id_ in (await doorward("credential", "list", *gateway, token=token)).out
    assert (await doorward("credential", "revoke", id_, *gateway, token=token_of("omar"))).status == REFUSED
    done = await doorward("credential", "revoke", id_, "--reason", "lost", *gateway, token=token)
    assert done.out == f"revoked {id_}\n"
    await issue(node)
    done = await doorward("kill", "--principal", "ana", *gateway, token=token_of("sec"))
    assert done.out == "ended 0 sessions, revoked 1 credentials\n"
    assert (await doorward("kill", "--principal", "ana", *gateway, token=token_of("omar"))).status == REFUSED
    assert (await doorward("kill", "none", *gateway, token=token)).status == REFUSED
    assert (await doorward("kill", *gateway, token=token)).status == USAGE
    assert (await doorward("kill", "s", "--run", "r", *gateway, token=token)).status == USAGE


AGENT = {"id": "agent-refunds", "kind": "agent", "groups": ["agents"]}


@pytest.fixture
async def record(tmp_path: Path) -> Path:
    directory = tmp_path / "record"
    recorder = await Recorder.open(directory, node="gateway-1", signer=load_signer(tmp_path / "record.key"))
    session = "ses_aa1"
    await recorder.append(
        "session_start",
        session,
        {
            "protocol": "postgres",
            "principal": AGENT,
            "resource": {"kind": "postgres", "name": "warehouse"},
            "attribution": {"purpose": "review refunds", "run": "refund-review-7"},
            "client_address": "127.0.0.1",
        },
    )
    steps = [("a", "1", None), ("b", "2", "1"), ("b", "3", "2")]
    for number, (branch, step, parent) in enumerate(steps, start=1):
        place = {"run": "refund-review-7", "branch": branch, "step": step, "parent_step": parent}
        if number == 3:
            for state in ("waiting", "approved", "used"):
                approval = {"id": "apr_1", "op": 3, "state": state, "groups": ["dba"], "reason": "please"}
                await recorder.append("approval", session, approval | {"decided_by": "omar", "comment": "ok"})
        await recorder.append(
            "operation",
            session,
            {
                "op": number,
                "statement": f"select * from customers -- \x1b[31m{number}",
                "parameters": ["7", None],
                "attribution": {name: value for name, value in place.items() if value},
                "decision": {
                    "verdict": "block" if number == 2 else "allow",
                    "reasons": [
                        {"id": "x:1", "verb": "allow", "text": f"reason {number}", "place": "a.ward:3:1"}
                    ],
                    "masks": [{"target": "customers.ssn", "method": "partial", "reason": ""}],
                },
                "decided_in_us": 812,
            },
        )
        if number != 2:
            result = {"op": number, "tag": "SELECT 2", "row_count": 40, "duration_us": 2300}
            columns = [{"name": "id"}, {"name": "ssn", "masked": "partial"}]
            rows = [["1", "***1234"], ["2", None]]
            await recorder.append("result", session, {**result, "columns": columns, "rows": rows})
    await recorder.append("session_end", session, {"reason": "the client closed it", "operations": 3})
    await recorder.append(
        "session_start", "ses_ab2", {"principal": {"id": "ana", "kind": "human"}, "resource": "w"}
    )
    await recorder.close()
    return directory


async def test_sessions_of_a_record(record: Path) -> None:
    done = await doorward("sessions", "--record", str(record), "--json")
    first, second = json.loads(done.out)["sessions"]
    assert (first["session"], first["operations"], first["blocked"], first["masked"]) == ("ses_aa1", 3, 1, 3)
    assert first["principal"] == AGENT
    assert first["approvals"] == 1
    assert first["end_reason"] == "the client closed it"
    assert (second["session"], second["ended_at"]) == ("ses_ab2", None)
    assert "ses_aa1" in (await doorward("sessions", "--record", str(record))).out
    assert (await doorward("sessions", "--record", str(record / "none"))).status == UNAVAILABLE


async def test_a_replay_tells_the_whole_story(record: Path) -> None:
    done = await doorward("replay", "ses_aa", "--record", str(record))
    assert done.status == 0, done.err
    text = "\n".join(line.rstrip() for line in done.out.splitlines())
    for words in (
        "session ses_aa1",
        "agent-refunds (agent: agents)",
        "run refund-review-7 · branch b · step 3 · parent step 2",
        "\\x1b[31m1",
        "with '7', null",
        "allow    reason 1 (a.ward:3:1)  0.8 ms",
        "block    reason 2",
        "customers.ssn by partial",
        "ssn (partial)",
        "***1234",
        "38 more rows",
        "SELECT 2  2.3 ms",
        "apr_1 waits for dba: please",
        "approved apr_1 by omar ok",
        "session ended  the client closed it",
        "step 3 after 2",
    ):
        assert words in text, words
    assert text.index("#3") < text.index("waits for dba") < text.index("session ended")


async def test_a_replay_for_programs_is_the_records(record: Path) -> None:
    done = await doorward("replay", "ses_aa1", "--record", str(record), "--json")
    found = [json.loads(line) for line in done.out.splitlines()]
    assert [entry["kind"] for entry in found][:2] == ["session_start", "operation"]
    assert {entry["session"] for entry in found} == {"ses_aa1"}


async def test_replay_needs_one_session(record: Path) -> None:
    for name, words in (("ses_a", "several sessions"), ("nope", "no session"), ("", "no session")):
        done = await doorward("replay", name, "--record", str(record))
        assert (done.status, done.out) == (REFUSED, "")
        assert words in done.err


async def test_verify_passes_and_fails(record: Path) -> None:
    done = await doorward("verify", str(record))
    assert (done.status, done.out.startswith("verified: 12 records in 1 segment")) == (0, True), done
    assert "sealed by the key that lies beside it" in done.out
    trusted = ("--key", str(record / "record.pub"), "--seals", str(record / "seals.jsonl"))
    done = await doorward("verify", str(record), *trusted, "--json")
    report = json.loads(done.out)
    assert (done.status, report["sealed"], report["trusted"]) == (0, 12, True)
    done = await doorward("verify", str(record), "--key", str(record / "seals.jsonl"))
    assert done.status == USAGE
    assert "is no PEM public key" in done.err
    (segment,) = segments(record)
    segment.write_bytes(segment.read_bytes().replace(b"***1234", b"***1235", 1))
    done = await doorward("verify", str(record))
    assert done.status == REFUSED
    assert done.out.startswith("NOT VERIFIED: record 4 (segment-0000000000000001.jsonl, line 4)")
    done = await doorward("verify", str(record), "--json")
    assert done.status == REFUSED
    assert json.loads(done.out)["problem"]["seq"] == 4
    assert (await doorward("verify", str(record / "none"))).status == UNAVAILABLE


async def test_a_configuration_is_checked(node: ControlNode) -> None:
    config = node.directory / "gateway.yaml"
    done = await doorward("gateway", "--config", str(config), "--check")
    assert done.status == 0, done.err
    assert "good; node `gateway-1`, resources: warehouse" in done.out
    config.write_text(config.read_text().replace("database: app", "databse: app"))
    done = await doorward("gateway", "--config", str(config), "--check")
    assert done.status == USAGE
    assert "did you mean `database`?" in done.err
    first, second = done.err.splitlines()
    assert first == f"{config}:13: `resources.warehouse.upstream.database` is required"
    assert second.startswith(f"{config}:14: `resources.warehouse.upstream.databse` is not a known key")


async def test_a_process_ends_with_the_status(record: Path) -> None:
    script = (
        "import typer; from doorward_gateway.cli import register; app = typer.Typer(); register(app); app()"
    )
    for directory, status in ((record, 0), (record.parent, REFUSED), (record / "none", UNAVAILABLE)):
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", script, "verify", str(directory), stdout=asyncio.subprocess.DEVNULL
        )
        assert await asyncio.wait_for(process.wait(), 60) == status


async def test_nothing_heavy_is_imported_before_a_command_runs() -> None:
    heavy = ("grpc", "uvicorn", "starlette", "pydantic", "httpx", "structlog", "sqlite3", "uvloop", "yaml")
    script = f"import sys; import doorward_gateway.cli; print([m for m in {heavy} if m in sys.modules])"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, stdout=asyncio.subprocess.PIPE
    )
    out, _ = await process.communicate()
    assert out.decode().strip() == "[]"
