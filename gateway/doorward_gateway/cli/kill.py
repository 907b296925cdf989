"""`doorward kill`."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

import typer

from doorward_gateway.cli.shared import (
    USAGE,
    AsJson,
    GatewayUrl,
    TokenFile,
    call,
    fail,
    print_json,
    read_token,
)

__all__ = ["kill"]


def kill(
    gateway: GatewayUrl,
    session: Annotated[
        str | None, typer.Argument(help="One session, as `doorward sessions` shows it.")
    ] = None,
    principal: Annotated[str | None, typer.Option(help="All of a person, agent or job.")] = None,
    credential: Annotated[str | None, typer.Option(help="All that this credential let in.")] = None,
    resource: Annotated[str | None, typer.Option(help="All on a resource.")] = None,
    run: Annotated[str | None, typer.Option(help="All of an agent's run.")] = None,
    reason: Annotated[str, typer.Option(help="Why; the session is told, and it stays in the record.")] = "",
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """End live sessions at once, and revoke the credentials that let them in or still could.

    Several criteria narrow it down. Exit status: 0 done, also if there was nothing to end; 1 refused.
    """
    criteria = {"principal": principal, "credential": credential, "resource": resource, "run": run}
    given = {name: value for name, value in criteria.items() if value}
    body = {"reason": reason} if reason else {}
    if session is not None and not given:
        path = f"/v1/sessions/{quote(session, safe='')}/kill"
    elif given and session is None:
        path, body = "/v1/kill", {**given, **body}
    else:
        fail("name either one session, or what the sessions have in common", USAGE)
    document = call(gateway, "POST", path, read_token(token_file, gateway), body)
    if as_json:
        print_json(document)
    else:
        typer.echo(f"ended {len(document['ended'])} sessions, revoked {document['revoked']} credentials")
