"""The gateway's part of the `doorward` command.

Exit status, the same for every command: 0 done; 1 refused, or a record that does not verify; 2 wrong usage or
configuration; 3 something that is needed cannot be reached, read or written.
"""

from __future__ import annotations

import typer

from doorward_gateway.cli.approvals import approvals
from doorward_gateway.cli.credential import credential
from doorward_gateway.cli.gateway import gateway
from doorward_gateway.cli.kill import kill
from doorward_gateway.cli.login import login, logout
from doorward_gateway.cli.record import replay, sessions, verify

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Adds `gateway`, `login`, `logout`, `credential`, `approvals`, `sessions`, `kill`, `replay` and `verify`."""
    app.command()(gateway)
    app.command()(login)
    app.command()(logout)
    app.add_typer(credential, name="credential")
    app.add_typer(approvals, name="approvals")
    app.command()(sessions)
    app.command()(kill)
    app.command()(replay)
    app.command()(verify)
