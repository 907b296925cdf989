"""`doorward serve`, and what the command says about itself."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from doorward.cli.output import CAPABILITIES_HELP, UNAVAILABLE, USAGE, fail, print_json, reported

if TYPE_CHECKING:
    from doorward.serve.policies.revisions import Revisions

__all__ = ["register", "serve", "version"]


def register(app: typer.Typer) -> None:
    """Adds `serve` and `version`."""
    app.command()(serve)
    app.command()(version)


def serve(
    policies: Annotated[
        Path, typer.Argument(help="Directory of policies and data, or one file.", envvar="DOORWARD_POLICIES")
    ],
    listen: Annotated[
        list[str] | None,
        typer.Option(
            help="gRPC address, host:port or unix:/path; port 0 takes any free one. Default 127.0.0.1:8181.",
            envvar="DOORWARD_LISTEN",
        ),
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Warnings are errors.", envvar="DOORWARD_STRICT")
    ] = False,
    capabilities: Annotated[
        Path | None, typer.Option(help=CAPABILITIES_HELP, envvar="DOORWARD_CAPABILITIES")
    ] = None,
    tls_cert: Annotated[
        Path | None, typer.Option(help="PEM certificate chain.", envvar="DOORWARD_TLS_CERT")
    ] = None,
    tls_key: Annotated[Path | None, typer.Option(help="PEM private key.", envvar="DOORWARD_TLS_KEY")] = None,
    tls_client_ca: Annotated[
        Path | None,
        typer.Option(
            help="PEM authorities: callers must show a certificate of theirs.",
            envvar="DOORWARD_TLS_CLIENT_CA",
        ),
    ] = None,
    max_message_bytes: Annotated[
        int | None, typer.Option(help="Largest message taken.", envvar="DOORWARD_MAX_MESSAGE_BYTES")
    ] = None,
    max_concurrent: Annotated[
        int | None,
        typer.Option(help="Calls and streams under way at once.", envvar="DOORWARD_MAX_CONCURRENT"),
    ] = None,
    max_waiting: Annotated[
        int | None,
        typer.Option(
            help="Decisions at once that may wait for another host, where capabilities let policies reach any.",
            envvar="DOORWARD_MAX_WAITING",
        ),
    ] = None,
    evaluation_ms: Annotated[
        int | None, typer.Option(help="Wall time of one evaluation.", envvar="DOORWARD_EVALUATION_MS")
    ] = None,
    evaluation_steps: Annotated[
        int | None, typer.Option(help="Steps of one evaluation.", envvar="DOORWARD_EVALUATION_STEPS")
    ] = None,
    grace_seconds: Annotated[
        float | None,
        typer.Option(help="Time for calls under way when told to stop.", envvar="DOORWARD_GRACE_SECONDS"),
    ] = None,
) -> None:
    """Serve decisions over gRPC. The policies are watched: a change is in force for the next decision.

    Once calls are taken, one line on standard output says where and by which revision: JSON, unless it is a terminal.
    """
    from pydantic import ValidationError

    from doorward.serve.settings import ServeSettings

    given: dict[str, Any] = {
        "policies": policies,
        "listen": listen or None,
        "strict": strict,
        "capabilities": capabilities,
        "tls_cert": tls_cert,
        "tls_key": tls_key,
        "tls_client_ca": tls_client_ca,
        "max_message_bytes": max_message_bytes,
        "max_concurrent": max_concurrent,
        "max_waiting": max_waiting,
        "evaluation_ms": evaluation_ms,
        "evaluation_steps": evaluation_steps,
        "grace_seconds": grace_seconds,
    }
    try:
        settings = ServeSettings.model_validate({k: v for k, v in given.items() if v is not None})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        flag = "--" + str(first["loc"][0]).replace("_", "-") + ": " if first["loc"] else ""
        raise fail(f"{flag}{first['msg']}", USAGE) from None

    import asyncio

    import uvloop

    from doorward.serve.operations.log import log_to_stderr
    from doorward.serve.server import ServeError
    from doorward.serve.server import serve as run

    log_to_stderr()
    with reported():
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(run(settings, _say_ready))
        except ServeError as error:
            raise fail(str(error), UNAVAILABLE) from None


def _say_ready(bound: Sequence[str], revisions: Revisions) -> None:
    in_force = revisions.in_force
    if in_force is None:  # serve loads before it listens
        raise AssertionError("ready without policies")
    engine = in_force.engine
    if sys.stdout.isatty():
        modules = len(engine.policies.sources)
        typer.echo(
            f"doorward serves {engine.statements} statements of {modules} modules on {', '.join(bound)} "
            f"(revision {engine.revision[:12]})"
        )
    else:
        typer.echo(json.dumps({"listen": list(bound), "revision": engine.revision}))


def version(
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """Say which version this is, and of what it is made."""
    import platform
    from importlib.metadata import version as installed

    parts = {name: installed(name) for name in ("grpcio", "lark", "pglast", "pydantic")}
    if as_json:
        print_json({"doorward": installed("doorward"), "python": platform.python_version(), **parts})
        return
    made_of = ", ".join(f"{name} {number}" for name, number in parts.items())
    typer.echo(f"doorward {installed('doorward')} (Python {platform.python_version()}; {made_of})")
