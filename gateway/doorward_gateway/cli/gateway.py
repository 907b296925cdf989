"""`doorward gateway`."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from doorward_gateway.cli.shared import UNAVAILABLE, USAGE, fail

__all__ = ["gateway"]


def gateway(
    config: Annotated[Path, typer.Option("--config", help="The configuration, a YAML file.")],
    check: Annotated[bool, typer.Option("--check", help="Only check the configuration.")] = False,
) -> None:
    """Run a gateway until it is told to stop.

    DOORWARD_GATEWAY_… variables override the file: DOORWARD_GATEWAY_ENGINE__TARGET sets engine.target.
    Exit status: 0 stopped (or the configuration is good), 2 a bad configuration, 3 it could not start.
    """
    from doorward_gateway.config import load
    from doorward_gateway.errors import ConfigError, GatewayError

    try:
        loaded = load(config, os.environ)
    except ConfigError as error:
        _tell(error.problems)
    if check:
        names = ", ".join(sorted(loaded.resources))
        typer.echo(f"{config}: good; node `{loaded.node}`, resources: {names}")
        return
    from doorward_gateway.node import run

    _log_to_standard_error()
    try:
        run(loaded)
    except ConfigError as error:
        _tell(error.problems)
    except GatewayError as error:
        fail(error.message, UNAVAILABLE)


def _tell(problems: list[str]) -> NoReturn:
    for problem in problems:
        typer.echo(problem, err=True)
    raise typer.Exit(USAGE)


def _log_to_standard_error() -> None:
    """Lines for people on a terminal, JSON lines elsewhere; standard output stays free."""
    import structlog

    render: structlog.typing.Processor
    if sys.stderr.isatty():
        render = structlog.dev.ConsoleRenderer()
    else:
        render = structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            render,
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
