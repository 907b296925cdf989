"""The processes of the service."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import uvloop

from doorward.serve.operations.log import log_to_stderr
from doorward.serve.server import serve
from doorward.serve.settings import ServeSettings
from doorward.serve.started import Ready

__all__ = ["run"]


def run(settings: ServeSettings, ready: Callable[[Ready], None]) -> None:
    """Serve until SIGTERM or SIGINT; raises what `serve` raises."""
    log_to_stderr()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(settings, ready))
