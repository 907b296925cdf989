"""The revision in force, and how the next one comes into force.

A change is compiled beside the revision in force and takes its place as one assignment, so a decision runs
wholly on one revision. A change that is refused changes nothing but what is said about it.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import structlog
from watchfiles import awatch

from doorward.engine import Engine, ModuleCache, TreeCache, fingerprint, read_policies
from doorward.facts.postgres import AnalysisCache
from doorward.run.budget import Limits
from doorward_dsl import PolicyError, render
from doorward_dsl.capabilities import Capabilities

__all__ = ["InForce", "Revisions", "rendered"]

_log: Final = structlog.get_logger("doorward.serve")

_LOOK_EVERY_MS: Final = 2000
"""A look at the tree even when nobody reported a change:

For file systems that do not, and for what was missed.
"""

_ATTEMPTS: Final = 5


@dataclass(frozen=True, slots=True)
class InForce:
    """A revision and since when."""

    engine: Engine
    loaded_at: str
    """RFC 3339, UTC."""


class Revisions:
    """Keeps the newest good revision of a policy tree.

    `in_force` is None until the first one is loaded; `rejected` holds the rendered diagnostics of the
    newest change when it was refused, else "". `changed` is called, on the event loop, after either was
    set.
    """

    def __init__(
        self,
        root: Path,
        *,
        strict: bool,
        limits: Limits,
        changed: Callable[[], None] = lambda: None,
        capabilities: Capabilities | None = None,
    ) -> None:
        self.in_force: InForce | None = None
        self.rejected = ""
        self.changed = changed
        self._root = root
        self._strict = strict
        self._limits = limits
        self._capabilities = capabilities
        self._analyses = AnalysisCache()
        self._modules = ModuleCache()
        self._files = TreeCache()
        self._seen: object = None

    async def load(self) -> None:
        """Take what is in the tree now. Raises PolicyError, OSError or whatever else kept it from being taken,
        after having taken note of it.
        """
        try:
            # compiling is work for seconds in a large tree: decisions go on meanwhile
            engine = await asyncio.to_thread(self._compile)
        except Exception as error:  # a fault of the compiler's own refuses a change like any other
            self._reject(error)
            raise
        if self.in_force is None:
            # What is loaded stays. A search for garbage that went through all of it would hold up decisions, for a second
            # where policies are many; later revisions share most of it, and what they leave is found without.
            gc.collect()
            gc.freeze()
        news = self.in_force is None or self.in_force.engine.revision != engine.revision
        if news:
            self.in_force = InForce(engine, datetime.now(UTC).isoformat(timespec="milliseconds"))
        if news or self.rejected:
            self.rejected = ""
            _log.info("policies in force", revision=engine.revision, statements=engine.statements)
        for warning in engine.warnings:
            _log.warning(str(warning))
        self.changed()

    def _compile(self) -> Engine:
        for attempt in range(_ATTEMPTS):
            self._seen = fingerprint(self._root)
            engine = Engine(
                read_policies(self._root, known=self._files),
                strict=self._strict,
                limits=self._limits,
                analyses=self._analyses,
                modules=self._modules,
                capabilities=self._capabilities,
            )
            # a file written while the others were read makes a set that nobody ever meant
            if attempt == _ATTEMPTS - 1 or fingerprint(self._root) == self._seen:
                break
        return engine

    def _reject(self, error: Exception) -> None:
        said = rendered(error)
        if said != self.rejected:
            self.rejected = said
            kept = self.in_force.engine.revision if self.in_force is not None else ""
            _log.error(
                "policies rejected",
                kept=kept,
                diagnostics=said,
                exc_info=None if isinstance(error, PolicyError | OSError) else error,
            )
        self.changed()

    async def watch(self, stop: asyncio.Event) -> None:
        """Take every change until `stop` is set. Never raises."""
        while not stop.is_set():
            try:
                async for changes in awatch(
                    self._root,
                    stop_event=stop,
                    debounce=200,
                    step=20,
                    rust_timeout=_LOOK_EVERY_MS,
                    yield_on_timeout=True,
                    ignore_permission_denied=True,
                ):
                    await self._look(reported=bool(changes))
            except Exception as error:  # the tree may be gone for a while; the revision in force stays
                _log.error("the policy tree cannot be watched", path=str(self._root), error=str(error))
                await self._look(reported=False)
                with suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), _LOOK_EVERY_MS / 1000)

    async def _look(self, *, reported: bool) -> None:
        try:
            if not reported and await asyncio.to_thread(fingerprint, self._root) == self._seen:
                return
        except Exception as error:
            self._seen = None
            self._reject(error)
            return
        with suppress(Exception):  # taken note of by `load`
            await self.load()


def rendered(error: Exception) -> str:
    """What is wrong with the policies, for a person: every diagnostic with the line it is about."""
    if isinstance(error, PolicyError):
        return "\n".join(render(diagnostic) for diagnostic in error.diagnostics)
    if isinstance(error, OSError):
        return f"the policies cannot be read: {error}"
    return f"the policies cannot be compiled: {type(error).__name__}: {error}"
