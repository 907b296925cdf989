"""`doorward credential`."""

from __future__ import annotations

import shlex
from enum import StrEnum
from typing import Annotated, Any
from urllib.parse import quote, urlencode

import typer

from doorward_gateway.cli.shared import AsJson, GatewayUrl, TokenFile, call, print_json, read_token
from doorward_gateway.text import printable

__all__ = ["credential"]

credential = typer.Typer(help="Just-in-time credentials.", no_args_is_help=True)


class _Export(StrEnum):
    PSQL = "psql"
    ENV = "env"
    URI = "uri"


@credential.command()
def issue(
    gateway: GatewayUrl,
    resource: Annotated[str, typer.Option(help="What to reach, by its name in the gateway.")],
    purpose: Annotated[str, typer.Option(help="What for; policies and the record see it.")],
    run: Annotated[str | None, typer.Option(help="The agent's run.")] = None,
    branch: Annotated[str | None, typer.Option(help="The branch of the run's reasoning tree.")] = None,
    step: Annotated[str | None, typer.Option(help="The step in the branch.")] = None,
    parent_step: Annotated[str | None, typer.Option(help="The step it follows from.")] = None,
    trace_id: Annotated[str | None, typer.Option(help="The trace it belongs to.")] = None,
    token_file: TokenFile = None,
    export: Annotated[
        _Export | None, typer.Option(help="Write only this: a psql command, variables to eval, or a URI.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Ask for a credential for one resource and one purpose; its secret is shown once.

    Waits where a person has to consent first.
    Exit status: 0 issued, 1 refused, 2 wrong usage, 3 the gateway cannot be reached or cannot decide.
    """
    attribution = {
        "run": run,
        "branch": branch,
        "step": step,
        "parent_step": parent_step,
        "trace_id": trace_id,
    }
    body = {"resource": resource, "purpose": purpose, **{k: v for k, v in attribution.items() if v}}
    issued = call(gateway, "POST", "/v1/credentials", read_token(token_file, gateway), body, wait=True)
    if as_json:
        print_json(issued)
    elif export is not None:
        typer.echo(_EXPORTS[export](issued))
    else:
        uses = "for one use" if issued["single_use"] else "until it expires"
        role = f", upstream role `{issued['role']}`" if issued["role"] else ""
        seconds = issued["ttl_ms"] / 1000
        typer.echo(f"credential {issued['id']} for `{issued['resource']}`, {seconds:g} s, {uses}{role}")
        typer.echo(f"secret     {issued['secret']}")
        typer.echo(f"connect    {_psql(issued)}")


@credential.command("list")
def list_live(
    gateway: GatewayUrl,
    everything: Annotated[
        bool, typer.Option("--all", help="Also those that are of no use any more.")
    ] = False,
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Show your live credentials, or as an operator everybody's. Secrets are never shown again."""
    path = "/v1/credentials?all=true" if everything else "/v1/credentials"
    document = call(gateway, "GET", path, read_token(token_file, gateway))
    if as_json:
        print_json(document)
        return
    for entry in document["credentials"]:
        uses = "one use" if entry["single_use"] else "many uses"
        who, until = printable(str(entry["principal"].get("id"))), entry["expires_at"][:19]
        typer.echo(f"{entry['id']}  {entry['state']:<8} {who}  {entry['resource']}  {uses}, until {until}Z")


@credential.command()
def revoke(
    name: Annotated[str, typer.Argument(metavar="CREDENTIAL", help="The credential, as `list` shows it.")],
    gateway: GatewayUrl,
    reason: Annotated[str, typer.Option(help="Why; stays in the record.")] = "",
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Make a credential useless from now on; `doorward kill` also ends the sessions that it let in."""
    path = f"/v1/credentials/{quote(name, safe='')}/revoke"
    document = call(
        gateway, "POST", path, read_token(token_file, gateway), {"reason": reason} if reason else {}
    )
    if as_json:
        print_json(document)
    else:
        typer.echo(f"revoked {document['revoked']}")


def _variables(issued: dict[str, Any]) -> dict[str, str]:
    where = issued["connection"]
    return {
        "PGHOST": where["host"],
        "PGPORT": str(where["port"]),
        "PGDATABASE": where["database"],
        "PGUSER": where["user"],
        "PGSSLMODE": "require" if where["tls"] else "disable",
        "PGPASSWORD": issued["secret"],
    }


def _psql(issued: dict[str, Any]) -> str:
    return " ".join(f"{name}={shlex.quote(value)}" for name, value in _variables(issued).items()) + " psql"


def _env(issued: dict[str, Any]) -> str:
    return "\n".join(f"export {name}={shlex.quote(value)}" for name, value in _variables(issued).items())


def _uri(issued: dict[str, Any]) -> str:
    values = _variables(issued)
    host = f"[{values['PGHOST']}]" if ":" in values["PGHOST"] else values["PGHOST"]
    user, secret = quote(values["PGUSER"], safe=""), quote(values["PGPASSWORD"], safe="")
    database, options = quote(values["PGDATABASE"], safe=""), urlencode({"sslmode": values["PGSSLMODE"]})
    return f"postgresql://{user}:{secret}@{host}:{values['PGPORT']}/{database}?{options}"


_EXPORTS = {_Export.PSQL: _psql, _Export.ENV: _env, _Export.URI: _uri}
