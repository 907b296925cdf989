"""The acts of the demo: each states what will happen, lets real clients do it, and checks what came."""

from __future__ import annotations

import json
import re
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql as composed

from doorward_gateway.demo.stage import Stage
from doorward_gateway.demo.world import IDENTITIES, World

__all__ = ["ACTS", "Act", "run"]

Act = Callable[[World, Stage], None]

_BLOCKED = "42501"  # insufficient_privilege
_BAD_PASSWORD = "28P01"  # noqa: S105 (a SQLSTATE)
_RUN = {"run": "refund-review-7", "branch": "a", "step": "1"}
_PLAINTEXT = re.compile(r"\d{3}-\d\d-\d{4}|\d{4} \d{4} \d{4} \d{3,4}|@example\.org")


def run(world: World, stage: Stage) -> None:
    """All acts, in order."""
    for number, (title, act) in enumerate(ACTS, start=1):
        if act is masking:
            stage.begin_picture()
        stage.act(number, title)
        act(world, stage)
        if act is consenting:
            stage.end_picture()


def credentials(world: World, stage: Stage) -> None:
    """Outcome: a credential's life."""
    stage.say(
        "Nobody holds the database's password. Each asks for a credential, and policy gives it its life."
    )
    for caller, purpose in (
        ("ana", "quarterly figures"),
        ("agent-refunds", "review refunds"),
        ("ci-northwind", "nightly import"),
        ("dora", "fix an order"),
    ):
        issued = world.issue(caller, purpose, **(_RUN if IDENTITIES[caller]["kind"] == "agent" else {}))
        times = "single use" if issued["single_use"] else "until it expires"
        stage.outcome(
            "ttl", f"{caller:<14} {issued['ttl_ms'] // 1000:>5} s, {times}, upstream role `{issued['role']}`"
        )
    issued = world.issue("agent-refunds", "review refunds", **_RUN)
    stage.expect(
        "an agent's credential lives 60 s and opens one session",
        issued["ttl_ms"] == 60_000 and issued["single_use"] is True,
        issued,
    )
    stage.expect("the first use opens a session", _login(world, issued, "agent-refunds") is None)
    stage.expect("the second use is refused", _login(world, issued, "agent-refunds") == _BAD_PASSWORD)

    stage.say(
        "A policy file is dropped into the watched directory: one job's credentials live for one second only."
    )
    _put_in_force(
        world,
        "postgres/late.ward",
        "package shop.late\n\ngoverns postgres\n\n"
        'credential "a job that comes late" ttl 1s if session.purpose == "come late"\n',
    )
    late = world.issue("ana", "come late")
    expires = time.time() + late["ttl_ms"] / 1000
    world.wait_until("the credential has expired", lambda: time.time() > expires + 0.1)
    stage.expect(
        "a credential used a moment too late is refused", _login(world, late, "ana") == _BAD_PASSWORD
    )


def reading(world: World, stage: Stage) -> None:
    """Outcome: allow."""
    statement = "select status, count(*), sum(total) from orders group by status order by status"
    stage.statement("ana", statement, "human, analysts, psql")
    issued = world.issue("ana", "quarterly figures")
    done = world.psql(issued["secret"], "ana", statement)
    stage.output(done.out)
    stage.outcome("allow", "analysts read the warehouse")
    stage.expect("the analyst reads orders", done.status == 0 and "shipped" in done.out, done.err)
    mention = "select 'drop table orders' as words"
    stage.statement("ana", mention, "a statement is judged by what it does, not by its text")
    done = world.psql(issued["secret"], "ana", mention)
    stage.expect("a string that mentions DROP TABLE is only a string", done.status == 0, done.err)


def masking(world: World, stage: Stage) -> None:
    """Outcome: mask."""
    stage.say(
        "An agent explores a tree of thoughts. Every statement says to which branch and step it belongs."
    )
    issued = world.issue("agent-refunds", "review refunds", **_RUN)
    with _connect(world, issued, "agent-refunds") as connection:
        everything = "select * from customers /*branch='a',step='1'*/"
        stage.statement("agent-refunds", everything, "agent, psycopg over TLS")
        cursor = connection.execute(everything)
        rows = cursor.fetchall()
        stage.rows([column.name for column in cursor.description or ()], rows)
        stage.outcome("mask", "ssn and card keep their last four characters, email becomes a keyed hash")
        stage.expect("`select *` shows no ssn, card or address", not _leaks(rows) and len(rows) == 6, rows)

        disguised = (
            "select name, ssn::varchar(40) as note, card as x from customers"
            " /*branch='b',step='2',parent_step='1'*/"
        )
        stage.statement("agent-refunds", disguised, "renamed and cast")
        rows = connection.execute(disguised).fetchall()
        stage.rows(["name", "note", "x"], rows)
        stage.expect("renaming and casting do not help", not _leaks(rows) and len(rows) == 6, rows)

        prepared = "select ssn from customers where id = %s /*branch='b',step='3',parent_step='2'*/"
        stage.statement("agent-refunds", prepared, "prepared once, executed twice, in binary")
        twice = [
            row
            for number in (1, 2)
            for row in connection.execute(prepared, (number,), prepare=True, binary=True).fetchall()
        ]
        stage.expect(
            "the second execution of a prepared statement is masked too",
            not _leaks(twice) and len(twice) == 2,
            twice,
        )

        whole = "select row_to_json(c) from customers c /*branch='c',step='2',parent_step='1'*/"
        stage.statement("agent-refunds", whole, "the whole row, folded into one value")
        rows = connection.execute(whole).fetchall()
        stage.expect("what cannot be masked value by value is redacted whole", not _leaks(rows), rows)

        guess = "select name from customers where ssn like '5%%' /*branch='c',step='3',parent_step='2'*/"
        stage.statement(
            "agent-refunds", guess.replace("%%", "%"), "asking about a value instead of reading it"
        )
        refused = _refusal(connection, guess.replace("%%", "%"))
        stage.outcome("block", refused)
        stage.expect("a condition on a masked column is refused", "ssn" in refused, refused)


def destroying(world: World, stage: Stage) -> None:
    """Outcome: block."""
    stage.say("A contractor's job, with an upstream role that owns the table it is about to drop.")
    issued = world.issue("ci-northwind", "nightly import")
    attempts = {
        "plainly": "drop table orders",
        "with comments": "/* nightly */ drop /* not a */ table -- select 1\n orders",
        "behind a CTE, in a batch": "with r as (select 1 from orders) select * from r; drop table orders",
    }
    with _connect(world, issued, "ci-northwind") as connection:
        for how, statement in attempts.items():
            stage.statement("ci-northwind", statement, how)
            refused = _refusal(connection, statement)
            stage.outcome("block", refused)
            stage.expect(
                f"DROP TABLE is blocked: {how}", "schema changes go through migrations" in refused, refused
            )
        refused = _refusal(connection, "drop table orders", prepare=True)
        stage.expect("DROP TABLE is blocked: as a prepared statement", "schema changes" in refused, refused)
        imported = "update orders set status = 'paid' where id = 1"
        stage.statement("ci-northwind", imported, "its actual work, in the same session")
        stage.expect("the session goes on: the import is allowed", connection.execute(imported).rowcount == 1)

        stage.say("The contract ends. The directory's data changes, in git and so in the watched directory:")
        directory = json.loads((world.policies / "directory/data.json").read_text())
        directory["suspended"].append("ci-northwind")
        _put_in_force(world, "directory/data.json", json.dumps(directory))
        refused = _refusal(connection, imported)
        stage.outcome("block", refused)
        stage.expect(
            "the live session of the offboarded job can do nothing more", "suspended" in refused, refused
        )
    done = world.request_credential("ci-northwind", "nightly import")
    stage.expect(
        "and it gets no new credential", done.status != 0 and "suspended" in done.out + done.err, done
    )


def consenting(world: World, stage: Stage) -> None:
    """Outcome: approve."""
    statement = "update orders set status = 'returned' where id in (7, 8, 9)"
    stage.statement("dora", statement, "human, dba, psql")
    issued = world.issue("dora", "fix an order")
    client = world.start_psql(issued["secret"], "dora", statement)
    try:
        waiting: list[dict[str, Any]] = []

        def someone_waits() -> bool:
            waiting[:] = [entry for entry in _approvals(world) if entry["state"] == "waiting"]
            return bool(waiting)

        world.wait_until("the statement waits for consent", someone_waits)
        request = waiting[0]
        stage.outcome("approve", f"waits for {', '.join(request['groups'])}: {request['reason']}")
        stage.command("doorward approvals list")
        stage.output(world.doorward("approvals", "list", "--gateway", world.control_url, caller="omar").out)

        for caller, why in (("dora", "nobody approves their own"), ("ana", "an analyst is not in the group")):
            done = world.doorward(
                "approvals", "approve", request["id"], "--gateway", world.control_url, caller=caller
            )
            stage.expect(
                f"{caller} cannot release it: {why}", done.status != 0 and client.poll() is None, done
            )
        stage.command(f"doorward approvals approve {request['id']}      # as omar")
        done = world.doorward(
            *(
                "approvals",
                "approve",
                request["id"],
                "--reason",
                "ticket 4711",
                "--gateway",
                world.control_url,
            ),
            caller="omar",
        )
        out, _ = client.communicate(timeout=30)
        stage.output(out)
        stage.expect(
            "a second DBA releases exactly this statement",
            done.status == 0 and "UPDATE 3" in out,
            (done, out),
        )
    finally:
        if client.poll() is None:
            client.kill()
            client.wait()


def breaking(world: World, stage: Stage) -> None:
    """What happens when something of ours breaks."""
    before = world.revision().revision
    broken = world.policies / "postgres" / "late.ward"
    broken.write_text(
        'package shop.late\n\ngoverns postgres\n\nblock "lunch" if {\n\tprincipal.kind = = "human"\n}\n'
    )
    world.wait_until("the broken policy has been refused", lambda: bool(world.revision().rejected))
    answer = world.revision()
    stage.say("A policy with a syntax error arrives. The engine says what and where, and keeps the last one:")
    stage.output(answer.rejected)
    stage.expect(
        "the message names file, line and column; the old revision stays in force",
        "late.ward:6:" in answer.rejected and answer.revision == before,
        answer.rejected,
    )
    broken.unlink()
    world.wait_until("the policies are whole again", lambda: not world.revision().rejected)

    issued = world.issue("ana", "quarterly figures")
    with _connect(world, issued, "ana") as connection:
        stage.say("The engine is killed while a session is open.")
        world.kill_engine()
        refused = _refusal(connection, "select count(*) from orders", sqlstate=None)
        stage.outcome("block", refused)
        stage.expect("without the engine nothing passes", bool(refused), "the statement ran")
        world.start_engine()
        count: list[Any] = []

        def answered() -> bool:
            try:
                count[:] = connection.execute("select count(*) from orders").fetchall()
            except psycopg.Error:
                return False
            return True

        world.wait_until("the engine is back for the gateway", answered)
        stage.expect("when it returns, the same session goes on", count == [(240,)], count)


def evidence(world: World, stage: Stage) -> None:
    """The record: who did what, in which step, and that nobody touched it."""
    record = str(world.record)
    listed = json.loads(world.doorward("sessions", "--record", record, "--json").out)
    session = next(
        entry["session"]
        for entry in listed["sessions"]
        if entry["principal"]["id"] == "agent-refunds" and entry["operations"] >= 5
    )
    stage.command(f"doorward replay {session}")
    replayed = world.doorward("replay", session, "--record", record, columns=stage.columns)
    stage.output(replayed.out)
    stage.expect(
        "the replay tells run, branch and step of each statement",
        all(word in replayed.out for word in ("refund-review-7", "branch b", "step 3")),
        replayed.err,
    )
    everything = "".join(
        path.read_text(errors="replace") for path in world.record.rglob("*") if path.is_file()
    )
    stage.expect("no masked value stands anywhere in the record", not _PLAINTEXT.search(everything))

    stage.command("doorward verify record/")
    done = world.doorward("verify", record)
    stage.output(done.out)
    stage.expect("the record verifies", done.status == 0, done.out + done.err)

    copy = world.root / "copy-of-record"
    shutil.copytree(world.record, copy)
    _change_one_byte(copy)
    stage.command("doorward verify copy-of-record/      # one byte of it changed")
    done = world.doorward("verify", str(copy))
    stage.output(done.out + done.err)
    stage.expect("a copy with one byte changed does not", done.status == 1, done.out + done.err)


ACTS: tuple[tuple[str, Act], ...] = (
    ("A credential's life is decided", credentials),
    ("Allowed: an analyst reads", reading),
    ("Masked: an agent thinks in branches", masking),
    ("Blocked: a contractor's job", destroying),
    ("Approved: a second pair of eyes", consenting),
    ("Broken: a policy, then the engine", breaking),
    ("Evidence: replay and verify", evidence),
)
"""The titles and the acts."""


def _connect(world: World, issued: dict[str, Any], user: str) -> psycopg.Connection[Any]:
    return psycopg.connect(
        world.conninfo(user, "demo"), password=issued["secret"], autocommit=True, connect_timeout=10
    )


def _login(world: World, issued: dict[str, Any], user: str) -> str | None:
    """The error class of a login, None when it succeeds."""
    try:
        _connect(world, issued, user).close()
    except psycopg.OperationalError as error:
        # libpq gives no SQLSTATE for a refused login; the gateway's own words are all there is
        return _BAD_PASSWORD if "authentication failed" in str(error) else str(error)
    return None


def _refusal(
    connection: psycopg.Connection[Any],
    statement: str,
    *,
    prepare: bool | None = None,
    sqlstate: str | None = _BLOCKED,
) -> str:
    """The message with which a statement was refused; empty when it was not, or by another class of error."""
    try:
        connection.execute(composed.SQL(statement), prepare=prepare)
    except psycopg.Error as error:
        if sqlstate is None or error.sqlstate == sqlstate:
            return error.diag.message_primary or str(error)
        return ""
    return ""


def _leaks(rows: list[Any]) -> bool:
    return bool(_PLAINTEXT.search(repr(rows)))


def _approvals(world: World) -> list[dict[str, Any]]:
    done = world.doorward("approvals", "list", "--gateway", world.control_url, "--json", caller="omar")
    found: list[dict[str, Any]] = json.loads(done.out)["approvals"] if done.status == 0 else []
    return found


def _put_in_force(world: World, name: str, text: str) -> None:
    """Writes a policy or data file and waits until the engine has taken it."""
    before = world.revision().revision
    path = world.policies / name
    fresh = path.with_suffix(".new")
    fresh.write_text(text)
    fresh.replace(path)
    world.wait_until("the changed policy is in force", lambda: world.revision().revision not in ("", before))


def _change_one_byte(record: Path) -> None:
    """Changes one digit in the middle of the largest file of a record."""
    path = max((p for p in record.rglob("*") if p.is_file()), key=lambda p: p.stat().st_size)
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    at = next(i for i in range(middle, len(content)) if chr(content[i]).isdigit())
    content[at] = ord("7") if content[at] != ord("7") else ord("3")
    path.write_bytes(content)
