"""`doorward login` and `doorward logout`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from doorward_gateway.cli.shared import (
    REFUSED,
    UNAVAILABLE,
    USAGE,
    AsJson,
    GatewayUrl,
    call,
    fail,
    print_json,
)

if TYPE_CHECKING:
    from doorward_gateway.cli.logins import Login
    from doorward_gateway.identity.device import Tokens, Waiting

__all__ = ["login", "logout"]


def login(
    gateway: GatewayUrl,
    issuer: Annotated[
        str | None, typer.Option(help="Where to log in, if the gateway knows several issuers.")
    ] = None,
    pgpass: Annotated[
        bool,
        typer.Option(
            "--pgpass", help="Also put the token into ~/.pgpass, so that psql and others find it there."
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Log in with a browser, on this machine or another; later commands use what this leaves.

    Exit status: 0 logged in, 1 refused, 2 wrong usage, 3 gateway or issuer cannot be reached.
    """
    from doorward_gateway.cli.logins import keep_login, write_pgpass
    from doorward_gateway.errors import IdentityRefused, IdentityUnavailable
    from doorward_gateway.identity.device import Device

    offer = call(gateway, "GET", "/v1/login")
    chosen = _chosen(offer["issuers"], issuer)
    device = Device(
        chosen["issuer"], chosen["client_id"], audience=chosen["audience"], scopes=chosen["scopes"]
    )
    try:
        tokens = device.log_in(lambda waiting: _show(waiting, as_json=as_json))
    except IdentityRefused as refused:
        fail(refused.message, REFUSED)
    except IdentityUnavailable as unavailable:
        fail(unavailable.message, UNAVAILABLE)
    finally:
        device.close()
    kept = _login(tokens, chosen)
    person = call(gateway, "GET", "/v1/whoami", kept.token)
    try:
        keep_login(gateway, kept)
        if pgpass:
            write_pgpass({(entry["host"], entry["port"]): kept.token for entry in offer["resources"]})
    except OSError as error:
        fail(f"cannot keep the login: {error}", UNAVAILABLE)
    if as_json:
        print_json(person)
    else:
        groups = f" ({', '.join(person['groups'])})" if person["groups"] else ""
        typer.echo(f"logged in as {person['id']}{groups} until {person['expires_at'][:19]}Z")


def logout(gateway: GatewayUrl) -> None:
    """Forget the login at a gateway, also in ~/.pgpass. The token itself stays good until it expires.

    Exit status: 0 there is no login any more, 3 it cannot be taken away.
    """
    from doorward_gateway.cli.logins import forget_login, write_pgpass

    try:
        there = forget_login(gateway)
        if there:
            offer = call(gateway, "GET", "/v1/login")
            write_pgpass({(entry["host"], entry["port"]): None for entry in offer["resources"]})
    except OSError as error:
        fail(f"cannot forget the login: {error}", UNAVAILABLE)
    typer.echo("logged out" if there else "there was no login")


def _chosen(issuers: list[dict[str, Any]], wanted: str | None) -> dict[str, Any]:
    if not issuers:
        fail("this gateway does not say where to log in: set DOORWARD_TOKEN instead", USAGE)
    found = [entry for entry in issuers if wanted in (None, entry["issuer"])]
    if len(found) != 1:
        known = ", ".join(entry["issuer"] for entry in issuers)
        fail(f"say where to log in with --issuer, one of: {known}", USAGE)
    return found[0]


def _show(waiting: Waiting, *, as_json: bool) -> None:
    minutes = round(waiting.seconds / 60)
    typer.echo(f"open   {waiting.url}", err=as_json)
    typer.echo(f"or     {waiting.short_url} and type the code {waiting.code}", err=as_json)
    typer.echo(f"within {minutes} minutes; waiting ...", err=as_json)


def _login(tokens: Tokens, chosen: dict[str, Any]) -> Login:
    """What is kept: the token that is meant for the gateway, and how to get the next one."""
    from doorward_gateway.cli.logins import Login

    token = tokens.meant_for(chosen["audience"])
    if not token:
        fail("the issuer gave no token that is meant for this gateway", REFUSED)
    return Login(
        token,
        tokens.refresh,
        chosen["issuer"],
        chosen["client_id"],
        chosen["audience"],
        tuple(chosen["scopes"]),
    )
