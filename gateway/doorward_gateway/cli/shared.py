"""What the commands share: exit status, options, talking to a gateway. Imports what is slow only when it is used."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from doorward_gateway.text import printable

if TYPE_CHECKING:
    from rich.console import Console

__all__ = [
    "REFUSED",
    "UNAVAILABLE",
    "USAGE",
    "AsJson",
    "GatewayUrl",
    "TokenFile",
    "call",
    "console",
    "fail",
    "print_json",
    "read_token",
]

REFUSED = 1
USAGE = 2
UNAVAILABLE = 3

GatewayUrl = Annotated[
    str, typer.Option("--gateway", envvar="DOORWARD_GATEWAY", help="The gateway's control API.")
]
TokenFile = Annotated[
    Path | None, typer.Option(help="File with your token; otherwise the environment's DOORWARD_TOKEN.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Write JSON.")]

_PIPE_WIDTH = 120


def fail(message: str, status: int) -> NoReturn:
    """Says what went wrong on standard error and ends the command."""
    typer.echo(f"error: {printable(message)}", err=True)
    raise typer.Exit(status)


def print_json(document: Any) -> None:
    """Writes a document for programs."""
    typer.echo(json.dumps(document, indent=None if not sys.stdout.isatty() else 2))


def console() -> Console:
    """Where tables and transcripts go: coloured and as wide as it is on a terminal, plain and wide elsewhere."""
    from rich.console import Console

    width = None if sys.stdout.isatty() or "COLUMNS" in os.environ else _PIPE_WIDTH
    return Console(highlight=False, width=width, emoji=False, markup=False)


def read_token(file: Path | None, gateway: str) -> str:
    """The caller's token: of the file, of the environment, or of the login at that gateway.

    Ends the command with `USAGE` if there is none.
    """
    if file is not None:
        try:
            token = file.read_text().strip()
        except (OSError, UnicodeDecodeError) as error:
            fail(f"cannot read the token file `{file}`: {error}", USAGE)
    else:
        token = os.environ.get("DOORWARD_TOKEN", "").strip() or _token_of_login(gateway)
    if not token:
        fail("no token: use `doorward login`, set DOORWARD_TOKEN, or name a file by --token-file", USAGE)
    if not token.isascii() or not token.isprintable():
        fail("the token has characters that no token has", USAGE)
    return token


def _token_of_login(gateway: str) -> str:
    from doorward_gateway.cli.logins import token_of_login

    try:
        return token_of_login(gateway)
    except OSError as error:
        fail(f"cannot read or keep the login: {error}", UNAVAILABLE)


def call(
    gateway: str,
    method: str,
    path: str,
    token: str = "",
    body: Mapping[str, Any] | None = None,
    *,
    wait: bool = False,
) -> dict[str, Any]:
    """Calls the control API and returns its answer; ends the command when that is an error.

    `token` may be empty for what needs none. With `wait`, for as long as it takes: a person may have to consent first.
    """
    import httpx

    timeout = httpx.Timeout(10.0, read=None if wait else 30.0)
    try:
        response = httpx.request(
            method,
            gateway.rstrip("/") + path,
            json=body,
            headers={"Authorization": f"Bearer {token}"} if token else {},
            timeout=timeout,
            trust_env=False,
        )
        document = response.json()
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        fail(f"cannot reach the gateway at {gateway}: {error or type(error).__name__}", UNAVAILABLE)
    except ValueError:
        fail(f"what answers at {gateway} is not a gateway's control API", UNAVAILABLE)
    if response.is_success and isinstance(document, dict):
        return document
    error_body = document.get("error", {}) if isinstance(document, dict) else {}
    message = str(error_body.get("message", f"status {response.status_code}"))
    for reason in error_body.get("reasons") or []:
        message += f"\n  {reason.get('place', '')}  {reason.get('text', '')}".rstrip()
    fail(message, UNAVAILABLE if response.status_code >= 500 else REFUSED)
