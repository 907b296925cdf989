"""A session for people: what was asked, from which step, how it was decided and why, and the answer as it was seen."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from rich import box
from rich.console import RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from doorward_gateway.recording.chain import Record
from doorward_gateway.recording.sessions import SessionSummary
from doorward_gateway.text import one_line, printable

__all__ = ["live_table", "session_table", "transcript"]

_MAX_ROWS: Final = 20
_MAX_CELL: Final = 60
_STYLES: Final = {
    "allow": "green",
    "block": "bold red",
    "approve": "yellow",
    "approved": "green",
    "used": "green",
    "waiting": "yellow",
}
_PLACE: Final = ("run", "branch", "step", "parent_step", "trace_id")
_INDENT: Final = (0, 0, 0, 4)


def transcript(records: Sequence[Record]) -> Iterator[RenderableType]:
    """The records of one session as lines and tables for `rich`, in the order in which things happened.

    Consent is asked for before an operation is written down; it is shown under the operation it was for.
    """
    began = records[0].time
    operations: dict[int, Mapping[str, Any]] = {}
    consents: dict[int, list[Record]] = {}
    for record in records:
        number = int(record.body.get("op") or 0)
        if record.kind == "approval" and number not in operations:
            consents.setdefault(number, []).append(record)
            continue
        if record.kind == "operation":
            operations[number] = record.body
        show = _SHOW.get(record.kind, _other)
        yield from show(record, _since(began, record.time), operations)
        if record.kind == "operation":
            for consent in consents.pop(number, []):
                yield from _approval(consent, _since(began, consent.time), operations)
    for left in consents.values():
        for consent in left:
            yield from _approval(consent, _since(began, consent.time), operations)
    tree = _steps(operations)
    if tree is not None:
        yield Text()
        yield tree


def session_table(sessions: Iterable[SessionSummary]) -> Table:
    """The sessions of a record."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for title in ("session", "began", "who", "resource", "for", "operations", "blocked", "masked", "ended"):
        number = title in ("operations", "blocked", "masked")
        table.add_column(title, justify="right" if number else "left", no_wrap=title in ("session", "began"))
    for session in sessions:
        table.add_row(
            Text(printable(session.session), style="bold"),
            f"{session.started_at[:19]}Z",
            _who(session.principal),
            printable(session.resource),
            _attribution(session.attribution),
            str(session.operations),
            Text(str(session.blocked), style="red" if session.blocked else ""),
            str(session.masked),
            one_line(session.end_reason, 40) if session.ended_at else "still open, or lost",
        )
    return table


def live_table(sessions: Iterable[Mapping[str, Any]]) -> Table:
    """The sessions that are live on a gateway, as its control API tells them."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for title in ("session", "began", "who", "resource", "for", "from", "operations", "expires"):
        right = title == "operations"
        table.add_column(title, justify="right" if right else "left", no_wrap=title in ("session", "began"))
    for session in sessions:
        table.add_row(
            Text(printable(str(session["id"])), style="bold"),
            f"{session['started_at'][:19]}Z",
            _who(session["principal"]),
            printable(str(session["resource"])),
            _attribution(session["attribution"]),
            printable(str(session["client_address"])),
            str(session["operations"]),
            f"{session['expires_at'][:19]}Z" if session["expires_at"] else "",
        )
    return table


def _session_start(record: Record, _at: str, _operations: object) -> Iterator[RenderableType]:
    body = record.body
    resource = body.get("resource") or {}
    name = resource.get("name", "") if isinstance(resource, Mapping) else resource
    yield Text.assemble(
        ("session ", "dim"), (printable(record.session), "bold"), f"  {record.time[:23]}Z  node {record.node}"
    )
    facts = {
        "who": _who(body.get("principal") or {}),
        "what": " ".join(str(part) for part in (name, body.get("protocol") or "") if part),
        "for": _attribution(body.get("attribution") or {}),
        "from": body.get("client_address"),
        "with": " ".join(
            str(part)
            for part in (body.get("credential_id"), body.get("role") and f"as role {body['role']}")
            if part
        ),
    }
    for label, value in facts.items():
        if value:
            yield Text.assemble((f"  {label:<5}", "dim"), printable(str(value)))


def _operation(record: Record, at: str, _operations: object) -> Iterator[RenderableType]:
    body = record.body
    decision = body.get("decision") or {}
    yield Text()
    yield Text.assemble(
        (f"#{body.get('op', '?')}", "bold"),
        (f"  {at}", "dim"),
        "  ",
        (_attribution(body.get("attribution") or {}), "cyan"),
    )
    yield Padding(
        Text(printable(str(body.get("statement") or body.get("action") or ""))), _INDENT, expand=False
    )
    if body.get("parameters"):
        shown = ", ".join(
            "null" if value is None else repr(one_line(value, _MAX_CELL)) for value in body["parameters"]
        )
        yield Padding(Text(f"with {shown}", style="dim"), _INDENT, expand=False)
    if "refused" in body:
        yield _line("refused", "bold red", str(body["refused"]))
        return
    verdict = str(decision.get("verdict") or "block")
    reasons = "; ".join(_reason(reason) for reason in decision.get("reasons") or [])
    took = body.get("decided_in_us")
    yield _line(verdict, _STYLES.get(verdict, ""), reasons, f"{took / 1000:.1f} ms" if took else "")
    for mask in decision.get("masks") or []:
        yield _line(
            "mask", "magenta", f"{mask.get('target')} by {mask.get('method')}", str(mask.get("reason") or "")
        )
    for error in decision.get("errors") or []:
        yield _line("error", "red", f"{error.get('id')} {error.get('code')}: {error.get('message')}")


def _approval(record: Record, at: str, _operations: object) -> Iterator[RenderableType]:
    body = record.body
    state = str(body.get("state"))
    match state:
        case "waiting":
            text = f"{body.get('id')} waits for {', '.join(body.get('groups') or [])}: {body.get('reason')}"
        case "denied":
            text = f"{body.get('decided_by')} may not: {body.get('comment')}"
        case _:
            by = f"by {body['decided_by']}" if body.get("decided_by") else ""
            text = " ".join(
                part for part in (str(body.get("id")), by, str(body.get("comment") or "")) if part
            )
    yield _line(state, _STYLES.get(state, "red"), text, at)


def _result(
    record: Record, _at: str, operations: Mapping[int, Mapping[str, Any]]
) -> Iterator[RenderableType]:
    body = record.body
    took = body.get("duration_us")
    time = f"{took / 1000:.1f} ms" if took else ""
    number = "" if len(operations) and body.get("op") == max(operations) else f"#{body.get('op')} "
    error = body.get("error")
    if error:
        yield _line("error", "red", f"{number}{error.get('sqlstate')} {error.get('message')}", time)
        return
    columns, rows = body.get("columns") or [], body.get("rows") or []
    if columns:
        yield Padding(_rows(columns, rows), _INDENT, expand=False)
        count = body.get("row_count", len(rows))
        left_out = count - min(len(rows), _MAX_ROWS)
        if left_out > 0:
            yield Padding(Text(f"… and {left_out} more rows", style="dim"), _INDENT, expand=False)
    yield _line("done", "dim", f"{number}{body.get('tag') or ''}", time)


def _rows(columns: Sequence[Mapping[str, Any]], rows: Sequence[Sequence[str | None]]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        masked = column.get("masked")
        name = one_line(str(column.get("name") or "?"), _MAX_CELL)
        table.add_column(
            Text(f"{name} ({masked})" if masked else name, style="magenta" if masked else "bold")
        )
    for row in rows[:_MAX_ROWS]:
        cells = [
            Text("null", style="dim") if cell is None else Text(one_line(str(cell), _MAX_CELL))
            for cell in row
        ]
        table.add_row(*cells[: len(columns)])
    return table


def _session_end(record: Record, at: str, operations: Mapping[int, object]) -> Iterator[RenderableType]:
    yield Text()
    reason = printable(str(record.body.get("reason") or ""))
    yield Text.assemble(
        ("session ended", "dim"), f"  {reason}", (f"  {at}, {len(operations)} operations", "dim")
    )


def _kill(record: Record, at: str, _operations: object) -> Iterator[RenderableType]:
    yield _line("kill", "bold red", f"by {record.body.get('by')}: {record.body.get('reason')}", at)


def _other(record: Record, at: str, _operations: object) -> Iterator[RenderableType]:
    yield _line(printable(record.kind), "dim", one_line(str(dict(record.body)), 160), at)


_Show = Callable[[Record, str, Mapping[int, Mapping[str, Any]]], Iterator[RenderableType]]
_SHOW: Final[Mapping[str, _Show]] = {
    "session_start": _session_start,
    "operation": _operation,
    "approval": _approval,
    "result": _result,
    "session_end": _session_end,
    "kill": _kill,
}


def _steps(operations: Mapping[int, Mapping[str, Any]]) -> Tree | None:
    """The reasoning tree: under each run its branches, under each branch its steps, at each step what it did."""
    tree = Tree(Text("run, branch, step", style="dim"), guide_style="dim")
    nodes: dict[tuple[str, ...], Tree] = {}
    for number, body in operations.items():
        place = body.get("attribution") or {}
        path: tuple[str, ...] = ()
        parent = tree
        for level in ("run", "branch", "step"):
            if not place.get(level):
                continue
            path = (*path, f"{level} {place[level]}")
            if path not in nodes:
                after = (
                    f" after {place['parent_step']}" if level == "step" and place.get("parent_step") else ""
                )
                nodes[path] = parent.add(Text(printable(path[-1] + after), style="cyan"))
            parent = nodes[path]
        if path:
            verdict = (
                "refused"
                if "refused" in body
                else str((body.get("decision") or {}).get("verdict") or "block")
            )
            style = _STYLES.get(verdict, "bold red")
            text = one_line(str(body.get("statement") or body.get("action") or ""), 70)
            parent.add(Text.assemble((f"#{number} ", "bold"), (f"{verdict} ", style), text))
    return tree if nodes else None


def _line(label: str, style: str, text: str, aside: str = "") -> RenderableType:
    line = Text.assemble(
        (f"{label:<9}", style), printable(text), (f"  {printable(aside)}" if aside else "", "dim")
    )
    return Padding(line, _INDENT, expand=False)


def _reason(reason: Mapping[str, Any]) -> str:
    place = reason.get("place")
    return f"{reason.get('text') or reason.get('id')}" + (f" ({place})" if place else "")


def _who(principal: Mapping[str, Any]) -> str:
    groups = ", ".join(str(group) for group in principal.get("groups") or [])
    kind = principal.get("kind") or "unknown kind"
    return printable(f"{principal.get('id', '?')} ({kind}{': ' + groups if groups else ''})")


def _attribution(attribution: Mapping[str, Any]) -> str:
    parts = [str(attribution["purpose"])] if attribution.get("purpose") else []
    parts += [f"{name.replace('_', ' ')} {attribution[name]}" for name in _PLACE if attribution.get(name)]
    return printable(" · ".join(parts))


def _since(began: str, now: str) -> str:
    """Seconds between two times of the log, as `+1.204 s`."""
    try:
        elapsed = datetime.fromisoformat(now[:26]) - datetime.fromisoformat(began[:26])
    except ValueError:
        return printable(now)
    return f"+{elapsed.total_seconds():.3f} s"
