"""`doorward serve`, and what the command says about itself."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from doorward.cli.output import (
    CAPABILITIES_HELP,
    UNAVAILABLE,
    USAGE,
    fail,
    print_json,
    reported,
)

if TYPE_CHECKING:
    from doorward.serve.settings import ServeSettings
    from doorward.serve.started import Ready

__all__ = ["register", "serve", "serve_worker", "version"]


def register(app: typer.Typer) -> None:
    """Adds `serve` and `version`, and the command by which `serve` starts its workers."""
    app.command()(serve)
    app.command("serve-worker", hidden=True)(serve_worker)
    app.command()(version)


def serve(
    policies: Annotated[
        str | None,
        typer.Argument(help="Directory of policies and data, one file, or a URL.", show_default=False),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(
            help="YAML file of settings. DOORWARD_… variables count for more, flags for most.",
            envvar="DOORWARD_CONFIG",
        ),
    ] = None,
    listen: Annotated[
        list[str] | None,
        typer.Option(
            help="gRPC address, host:port or unix:/path; port 0 takes any free one. Default 127.0.0.1:8181."
        ),
    ] = None,
    http: Annotated[
        list[str] | None,
        typer.Option(help="HTTP address: AuthZEN, OPA-compatible API, health, metrics. Default none."),
    ] = None,
    workers: Annotated[int | None, typer.Option(help="Processes that share the addresses.")] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Warnings are errors.")] = False,
    capabilities: Annotated[Path | None, typer.Option(help=CAPABILITIES_HELP)] = None,
    tls_cert: Annotated[Path | None, typer.Option(help="PEM certificate chain.")] = None,
    tls_key: Annotated[Path | None, typer.Option(help="PEM private key.")] = None,
    tls_client_ca: Annotated[
        Path | None, typer.Option(help="PEM authorities: callers must show a certificate of theirs.")
    ] = None,
    allow_anonymous: Annotated[
        bool, typer.Option("--allow-anonymous", help="Answer whoever reaches an address of the network.")
    ] = False,
    decision_log: Annotated[
        Path | None, typer.Option(help="File for the log of decisions, .jsonl, or `stdout`. Default none.")
    ] = None,
    decision_log_required: Annotated[
        bool,
        typer.Option("--decision-log-required", help="Block what cannot be logged on the disk."),
    ] = False,
    max_message_bytes: Annotated[int | None, typer.Option(help="Largest message taken.")] = None,
    max_concurrent: Annotated[int | None, typer.Option(help="Calls and streams under way at once.")] = None,
    max_waiting: Annotated[
        int | None,
        typer.Option(
            help="Decisions at once that may wait for another host, where capabilities let policies reach any."
        ),
    ] = None,
    evaluation_ms: Annotated[int | None, typer.Option(help="Wall time of one evaluation.")] = None,
    evaluation_steps: Annotated[int | None, typer.Option(help="Steps of one evaluation.")] = None,
    grace_seconds: Annotated[
        float | None, typer.Option(help="Time for calls under way when told to stop.")
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set", help="Any setting, as `section.key=value`; the value is YAML.", metavar="KEY=VALUE"
        ),
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Only check the settings, and print those that would hold.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="With --check: for machines.")] = False,
) -> None:
    """Serve decisions over gRPC, and over HTTP where asked to. Policies are watched: a change is in force for the next decision.

    Every setting can be told in a file, by a variable (`DOORWARD_MAX_CONCURRENT`, `DOORWARD_LIMITS__RATE`) or by a flag.
    Once calls are taken, one line on standard output says where and by which revision: JSON, unless it is a terminal.
    """
    _start_programs_quietly()
    flags: dict[str, Any] = {
        "policies": policies if policies is None or "://" in policies else str(Path(policies).absolute()),
        "--listen": listen or None,
        "--http": http or None,
        "--workers": workers,
        "--strict": strict or None,
        "--capabilities": _from_here(capabilities),
        "--tls-cert": _from_here(tls_cert),
        "--tls-key": _from_here(tls_key),
        "--tls-client-ca": _from_here(tls_client_ca),
        "--allow-anonymous": allow_anonymous or None,
        "--decision-log.file": _from_here(decision_log),
        "--decision-log.required": decision_log_required or None,
        "--max-message-bytes": max_message_bytes,
        "--max-concurrent": max_concurrent,
        "--max-waiting": max_waiting,
        "--evaluation-ms": evaluation_ms,
        "--evaluation-steps": evaluation_steps,
        "--grace-seconds": grace_seconds,
    }
    for one in settings or ():
        name, equals, value = one.partition("=")
        if not equals:
            raise fail(f"--set {name}: write `section.key=value`", USAGE)
        flags[f"--set {name}"] = value
    told = _told(config, flags, as_json=check and as_json)
    if check:
        _print_settings(told, as_json=as_json)
        return

    from doorward.serve.workers import run

    with _reported():
        run(told, _say_ready)


def serve_worker(line: Annotated[int, typer.Argument()]) -> None:
    """Be one worker process of `doorward serve`, which calls this."""
    _start_programs_quietly()
    from doorward.serve.workers import work

    with _reported():
        work(line)


def _start_programs_quietly() -> None:
    """Before gRPC is imported, which else halts its threads, and says so, around every program that is started, such as git."""
    os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")


@contextmanager
def _reported() -> Iterator[None]:
    from doorward.serve.configuration.tree import SettingsError
    from doorward.serve.policies.source import SourceError
    from doorward.serve.started import ServeError

    with reported():
        try:
            yield
        except SettingsError as error:
            raise fail(str(error), USAGE) from None
        except ServeError as error:
            raise fail(str(error), error.status if error.status > 0 else UNAVAILABLE) from None
        except SourceError as error:
            raise fail(str(error), UNAVAILABLE) from None


def _from_here(path: Path | None) -> Path | None:
    """A path of a flag, which is from where the command was called rather than from the configuration file."""
    return None if path is None else path.absolute()


def _told(config: Path | None, flags: dict[str, Any], *, as_json: bool) -> ServeSettings:
    from doorward.serve.configuration.load import load
    from doorward.serve.configuration.tree import SettingsError
    from doorward.serve.settings import ServeSettings

    try:
        return load(ServeSettings, file=config, environment=os.environ, flags=flags)
    except SettingsError as error:
        if as_json:
            print_json({"problems": error.problems})
            raise typer.Exit(USAGE) from None
        *others, last = error.problems
        for problem in others:
            typer.echo(f"doorward: {problem}", err=True)
        raise fail(last, USAGE) from None


def _print_settings(settings: ServeSettings, *, as_json: bool) -> None:
    told = settings.model_dump(mode="json", exclude_none=True)
    if as_json:
        print_json(told)
    else:
        import yaml

        typer.echo(yaml.safe_dump(told, sort_keys=False, allow_unicode=True), nl=False)


def _say_ready(ready: Ready) -> None:
    if sys.stdout.isatty():
        where = ", ".join((*ready.listen, *ready.http))
        typer.echo(
            f"doorward serves {ready.statements} statements of {ready.modules} modules on {where} "
            f"(revision {ready.revision[:12]})"
        )
    else:
        addresses = {name: list(getattr(ready, name)) for name in ("listen", "http", "metrics")}
        typer.echo(json.dumps({**addresses, "revision": ready.revision}))


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
