"""`doorward approvals`."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import quote

import typer

from doorward_gateway.cli.shared import AsJson, GatewayUrl, TokenFile, call, console, print_json, read_token
from doorward_gateway.text import one_line, printable

__all__ = ["approvals"]

approvals = typer.Typer(help="Operations that wait for a person's consent.", no_args_is_help=True)

_Id = Annotated[str, typer.Argument(help="The approval, as `doorward approvals list` shows it.")]
_Reason = Annotated[str, typer.Option(help="Why; stays in the record.")]


@approvals.command("list")
def list_waiting(
    gateway: GatewayUrl,
    everything: Annotated[bool, typer.Option("--all", help="Also those that have ended.")] = False,
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Show what waits for your consent, and what you wait for yourself."""
    path = "/v1/approvals?all=true" if everything else "/v1/approvals"
    document = call(gateway, "GET", path, read_token(token_file, gateway))
    if as_json:
        print_json(document)
    elif not document["approvals"]:
        typer.echo("nothing is waiting")
    else:
        _show(document["approvals"])


@approvals.command()
def show(approval: _Id, gateway: GatewayUrl, token_file: TokenFile = None, as_json: AsJson = False) -> None:
    """Show one request with everything that happened to it."""
    path = f"/v1/approvals/{quote(approval, safe='')}"
    document = call(gateway, "GET", path, read_token(token_file, gateway))
    if as_json:
        print_json(document)
        return
    _show([document])
    for event in document["history"]:
        line = f"  {event['at'][:19]}Z  {event['event']:<10} {event['actor']}  {event['comment']}"
        typer.echo(printable(line).rstrip())


@approvals.command()
def approve(
    approval: _Id,
    gateway: GatewayUrl,
    reason: _Reason = "",
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Let one waiting operation go on, once. Exit status: 0 done, 1 not yours to give or too late."""
    _decide(approval, "approve", gateway, reason, read_token(token_file, gateway), as_json)


@approvals.command()
def refuse(
    approval: _Id,
    gateway: GatewayUrl,
    reason: _Reason = "",
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Refuse one waiting operation. Exit status: 0 done, 1 not yours to give or too late."""
    _decide(approval, "refuse", gateway, reason, read_token(token_file, gateway), as_json)


def _decide(approval: str, verb: str, gateway: str, reason: str, token: str, as_json: bool) -> None:
    path = f"/v1/approvals/{quote(approval, safe='')}/{verb}"
    document = call(gateway, "POST", path, token, {"reason": reason} if reason else {})
    if as_json:
        print_json(document)
    else:
        typer.echo(f"{document['state']} {document['id']}: {one_line(document['operation'])}")


def _show(entries: list[dict[str, Any]]) -> None:
    from rich.table import Table
    from rich.text import Text

    out = console()
    for entry in entries:
        table = Table.grid(padding=(0, 2))
        place = " ".join(f"{key} {value}" for key, value in entry["attribution"].items())
        rows = {
            "who": f"{entry['principal'].get('id')} ({entry['principal'].get('kind')})  {place}",
            "what": entry["operation"],
            "facts": _facts(entry["facts"] or {}),
            "where": entry["resource"],
            "why": entry["reason"],
            "by": f"a member of {', '.join(entry['groups'])}, before {entry['deadline'][:19]}Z",
        }
        if entry["decided_by"]:
            rows["decided"] = f"{entry['state']} by {entry['decided_by']} {entry['comment']}"
        for label, value in rows.items():
            if value:
                table.add_row(Text(f"  {label}", style="dim"), Text(printable(value)))
        out.print(Text.assemble((entry["id"], "bold"), "  ", (entry["state"], "yellow")))
        out.print(table)


def _facts(facts: dict[str, Any]) -> str:
    """What the engine made of the operation: the facts that say something, `writes · tables_written orders`."""
    said = []
    for name, value in sorted(facts.items()):
        if value is True:
            said.append(name)
        elif isinstance(value, list) and value and all(isinstance(item, str) for item in value):
            said.append(f"{name} {', '.join(value)}")
        elif isinstance(value, str) and value:
            said.append(f"{name} {value}")
    return one_line(" · ".join(said), 400)
