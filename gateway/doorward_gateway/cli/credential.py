"""`doorward credential issue`."""

from __future__ import annotations

import shlex
from enum import StrEnum
from typing import Annotated, Any
from urllib.parse import quote, urlencode

import typer

from doorward_gateway.cli.shared import AsJson, GatewayUrl, TokenFile, call, print_json, read_token

__all__ = ["credential"]

credential = typer.Typer(help="Just-in-time credentials.", no_args_is_help=True)


class _Export(StrEnum):
    PSQL = "psql"
    ENV = "env"
    URI = "uri"


@credential.callback()
def _group() -> None:
    """Keeps `issue` a command of its own while it is the only one."""


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
    issued = call(gateway, "POST", "/v1/credentials", read_token(token_file), body, wait=True)
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
