"""Approvals as rows of a table."""

from __future__ import annotations

import sqlite3
from typing import Any, Final

import orjson

from doorward_gateway.approvals.model import Approval, ApprovalEvent, Operation, Requirement
from doorward_gateway.attribution import Attribution

__all__ = ["SCHEMA", "add_event", "events", "fetch", "forget", "from_row", "insert", "set_state", "values_of"]

SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS approval (
    id             TEXT PRIMARY KEY,
    state          TEXT NOT NULL,
    node           TEXT NOT NULL,
    operation_hash TEXT NOT NULL,
    statement_id   TEXT NOT NULL,
    request        TEXT NOT NULL,
    opened_ns      INTEGER NOT NULL,
    deadline_ns    INTEGER NOT NULL,
    decided_ns     INTEGER,
    decided_by     TEXT,
    comment        TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX IF NOT EXISTS approval_by_state ON approval (state, deadline_ns);
CREATE INDEX IF NOT EXISTS approval_by_deadline ON approval (deadline_ns);
CREATE TABLE IF NOT EXISTS approval_event (
    number      INTEGER PRIMARY KEY,
    approval_id TEXT NOT NULL,
    at_ns       INTEGER NOT NULL,
    event       TEXT NOT NULL,
    actor       TEXT NOT NULL,
    comment     TEXT NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS approval_event_by_approval ON approval_event (approval_id, number);
"""


def values_of(approval: Approval) -> dict[str, Any]:
    """The columns of a new row; `request` holds what never changes, as JSON."""
    operation, requirement = approval.operation, approval.requirement
    request = {
        "principal": operation.principal,
        "resource": operation.resource,
        "text": operation.text,
        "session_id": operation.session_id,
        "attribution": operation.attribution.document(),
        "facts": operation.facts,
        "groups": sorted(requirement.groups),
        "within_ms": requirement.within_ms,
        "reason": requirement.reason,
    }
    return {
        "id": approval.id,
        "state": approval.state,
        "node": approval.node,
        "operation_hash": operation.hash,
        "statement_id": requirement.statement_id,
        "request": orjson.dumps(request).decode(),
        "opened_ns": approval.opened_ns,
        "deadline_ns": approval.deadline_ns,
    }


def from_row(row: sqlite3.Row) -> Approval:
    """The approval of a row."""
    request = orjson.loads(row["request"])
    return Approval(
        id=row["id"],
        state=row["state"],
        node=row["node"],
        operation=Operation(
            hash=row["operation_hash"],
            principal=request["principal"],
            resource=request["resource"],
            text=request["text"],
            session_id=request["session_id"],
            attribution=Attribution.of(request["attribution"]),
            facts=request["facts"],
        ),
        requirement=Requirement(
            row["statement_id"], frozenset(request["groups"]), request["within_ms"], request["reason"]
        ),
        opened_ns=row["opened_ns"],
        deadline_ns=row["deadline_ns"],
        decided_ns=row["decided_ns"],
        decided_by=row["decided_by"],
        comment=row["comment"],
    )


def insert(connection: sqlite3.Connection, values: dict[str, Any]) -> None:
    """Adds the row made by `values_of`."""
    connection.execute(
        "INSERT INTO approval"
        " (id, state, node, operation_hash, statement_id, request, opened_ns, deadline_ns) VALUES ("
        ":id, :state, :node, :operation_hash, :statement_id, :request, :opened_ns, :deadline_ns)",
        values,
    )


def forget(connection: sqlite3.Connection, before_ns: int) -> None:
    """Deletes the approvals whose deadline was before then, with their history."""
    old = connection.execute(
        "DELETE FROM approval WHERE deadline_ns <= ? RETURNING id", (before_ns,)
    ).fetchall()
    connection.executemany("DELETE FROM approval_event WHERE approval_id = ?", [(row["id"],) for row in old])


def fetch(connection: sqlite3.Connection, approval_id: str) -> Approval | None:
    """The approval of that id."""
    row = connection.execute("SELECT * FROM approval WHERE id = ?", (approval_id,)).fetchone()
    return None if row is None else from_row(row)


def set_state(connection: sqlite3.Connection, approval: Approval) -> None:
    """Writes what can change of an approval."""
    connection.execute(
        "UPDATE approval SET state = ?, decided_ns = ?, decided_by = ?, comment = ? WHERE id = ?",
        (approval.state, approval.decided_ns, approval.decided_by, approval.comment, approval.id),
    )


def add_event(connection: sqlite3.Connection, approval_id: str, event: ApprovalEvent) -> None:
    """Adds a line to the history, which is never changed."""
    connection.execute(
        "INSERT INTO approval_event (approval_id, at_ns, event, actor, comment) VALUES (?, ?, ?, ?, ?)",
        (approval_id, event.at_ns, event.event, event.actor, event.comment),
    )


def events(connection: sqlite3.Connection, approval_id: str) -> list[ApprovalEvent]:
    """The history of an approval, oldest first."""
    found = connection.execute(
        "SELECT at_ns, event, actor, comment FROM approval_event WHERE approval_id = ? ORDER BY number",
        (approval_id,),
    )
    return [ApprovalEvent(*row) for row in found.fetchall()]
