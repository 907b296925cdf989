"""Where the service writes its own log: standard error, one line an event; JSON unless it is a terminal."""

from __future__ import annotations

import logging
import sys
from typing import Final

import structlog

__all__ = ["log_to_stderr"]

_SHARED: Final[list[structlog.typing.Processor]] = [
    structlog.contextvars.merge_contextvars,
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]


def log_to_stderr(**always: object) -> None:
    """Set up logging for the process; `always` stands in every line."""
    structlog.contextvars.bind_contextvars(**always)
    terminal = sys.stderr.isatty()
    ending: list[structlog.typing.Processor] = (
        [structlog.dev.ConsoleRenderer()]
        if terminal
        else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    )
    structlog.configure(
        processors=[*_SHARED, *ending],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    # grpcio reports what callers did wrong, such as bytes that are no message, with a traceback each
    logging.getLogger("grpc").setLevel(logging.CRITICAL)
    logging.getLogger("watchfiles").setLevel(logging.WARNING)
