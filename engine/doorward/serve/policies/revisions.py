"""The revision in force, and how the next one comes into force.

A change is compiled beside the revision in force and takes its place as one assignment, so a decision runs
wholly on one revision. A change that is refused changes nothing but what is said about it.
"""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Literal, TypeAlias, get_args

import structlog

from doorward.engine import Engine, ModuleCache
from doorward.facts.postgres import AnalysisCache
from doorward.run.budget import Limits
from doorward.serve.policies.kept import Kept
from doorward.serve.policies.settings import SignatureSettings
from doorward.serve.policies.source import Arrived, PolicySource, SourceError, opened
from doorward_dsl import PolicyError, render
from doorward_dsl.capabilities import Capabilities
from doorward_dsl.diagnostics import DoorwardError

__all__ = ["InForce", "Outcome", "Revisions", "rendered"]

_log: Final = structlog.get_logger("doorward.serve")

Outcome: TypeAlias = Literal["taken", "unchanged", "refused", "unreachable"]
"""What became of one question to the source: new policies are in force, there were none, there were but they cannot be
taken, or it did not answer.
"""


@dataclass(frozen=True, slots=True)
class InForce:
    """A revision and since when."""

    engine: Engine
    loaded_at: str
    """RFC 3339, UTC."""


class Revisions:
    """Keeps the newest good revision of what a source gives.

    `in_force` is None until the first one is loaded. `outcomes` counts the questions to the source, `answered_at` is when
    it last answered (seconds since 1970; 0.0: never). `changed` is called, on the event loop, after `in_force` or `rejected`
    has changed. `signatures` say by whom a bundle must be signed; `kept` is where the last good revision survives a restart.
    """

    def __init__(
        self,
        source: PolicySource,
        *,
        strict: bool,
        limits: Limits,
        changed: Callable[[], None] = lambda: None,
        capabilities: Capabilities | None = None,
        signatures: SignatureSettings | None = None,
        kept: Kept | None = None,
    ) -> None:
        self.in_force: InForce | None = None
        self.outcomes: dict[Outcome, int] = dict.fromkeys(get_args(Outcome), 0)
        self.answered_at = 0.0
        self.changed = changed
        self._source = source
        self._strict = strict
        self._limits = limits
        self._capabilities = capabilities
        self._signatures = signatures
        self._kept = kept
        self._analyses = AnalysisCache()
        self._modules = ModuleCache()
        self._loading = asyncio.Lock()
        self._unverified: tuple[Arrived, object] | None = None
        self._not_given = ""
        self._not_taken = ""

    @property
    def rejected(self) -> str:
        """Why the newest policies are not in force, for a person; "" where they are."""
        return self._not_given or self._not_taken

    async def start(self) -> None:
        """Take what the source has; where that cannot be had, what was kept. Raises as `load` where there is neither."""
        try:
            await self.load()
        except Exception:
            if self._kept is None or not await self._restored(self._kept):
                await self._source.close()
                raise

    async def load(self) -> None:
        """Take what the source has, if it is new. Raises DoorwardError, OSError or whatever else kept it from being taken,
        after having taken note of it. Whoever calls while that is done waits for it to be done again.
        """
        async with self._loading:
            before = self.in_force, self.rejected
            try:
                taken = await self._load()
            finally:
                if (self.in_force, self.rejected) != before:
                    self.changed()
            if taken is not None and self._kept is not None:
                await self._keep(self._kept, taken)

    async def _load(self) -> Arrived | None:
        """What is in force now, if that is another revision than before."""
        try:
            arrived = await self._source.fetch() or self._waiting_for_keys()
        except Exception as error:
            self._not_given = self._reject(error)
            raise
        if self._not_given:
            self._not_given = ""
            _log.info("the source of the policies answers again", source=self._source.name)
        if arrived is None:
            self._count("unchanged")
            return None
        try:
            # compiling is work for seconds in a large tree: decisions go on meanwhile
            engine = await asyncio.to_thread(self._compile, arrived)
        except Exception as error:  # a fault of the compiler's own refuses a change like any other
            self._not_taken = self._reject(error)
            raise
        self._count("taken")
        news = self._take(engine)
        if news or self._not_taken:
            _log.info("policies in force", revision=engine.revision, statements=engine.statements)
        self._not_taken = ""
        for warning in engine.warnings:
            _log.warning(str(warning))
        return arrived if news else None

    def _waiting_for_keys(self) -> Arrived | None:
        """What was refused for its signature, once the keys are others: it may have come before its key."""
        return self._unverified[0] if self._unverified and self._unverified[1] != self._keys() else None

    def _keys(self) -> object:
        try:
            return None if self._signatures is None else self._signatures.verifications()
        except OSError as error:
            return str(error)

    def _compile(self, arrived: Arrived) -> Engine:
        self._unverified = arrived, self._keys()
        policies = opened(arrived, self._signatures)
        self._unverified = None
        return Engine(
            policies,
            strict=self._strict,
            limits=self._limits,
            analyses=self._analyses,
            modules=self._modules,
            capabilities=self._capabilities,
        )

    def _take(self, engine: Engine) -> bool:
        """Whether it is another revision than the one in force."""
        if self.in_force is None:
            # What is loaded stays. A search for garbage that went through all of it would hold up decisions, for a second
            # where policies are many; later revisions share most of it, and what they leave is found without.
            gc.collect()
            gc.freeze()
        elif self.in_force.engine.revision == engine.revision:
            return False
        self.in_force = InForce(engine, datetime.now(UTC).isoformat(timespec="milliseconds"))
        return True

    def _count(self, outcome: Outcome) -> None:
        self.outcomes[outcome] += 1
        if outcome != "unreachable":
            self.answered_at = time.time()

    def _reject(self, error: Exception) -> str:
        """Take note of why there is no new revision; what to say of it."""
        said = rendered(error)
        self._count("unreachable" if isinstance(error, SourceError) else "refused")
        if said not in (self._not_given, self._not_taken):
            kept = self.in_force.engine.revision if self.in_force is not None else ""
            _log.error(
                "policies rejected",
                source=self._source.name,
                kept=kept,
                diagnostics=said,
                exc_info=None if isinstance(error, DoorwardError | OSError) else error,
            )
        return said

    async def _restored(self, kept: Kept) -> bool:
        """Put into force what was kept; whether that could be done."""
        try:
            found = await asyncio.to_thread(kept.load)
            if found is None:
                return False
            engine = await asyncio.to_thread(self._compile, found.arrived)
        except Exception as error:
            # whatever lies in a file, the service is to say why it does not start
            _log.error(
                "the policies that were kept cannot be taken", path=str(kept.path), error=rendered(error)
            )
            return False
        self._take(engine)
        _log.warning(
            "policies in force are those that were kept, for the source has none",
            source=self._source.name,
            revision=engine.revision,
            kept_at=found.kept_at,
        )
        self.changed()
        return True

    async def _keep(self, kept: Kept, arrived: Arrived) -> None:
        try:
            await asyncio.to_thread(kept.keep, arrived)
        except (DoorwardError, OSError, ValueError) as error:
            _log.error("policies cannot be kept for the next start", path=str(kept.path), error=str(error))

    async def watch(self, stop: asyncio.Event) -> None:
        """Take every change until `stop` is set. Never raises."""
        following = asyncio.create_task(self._follow(), name="follow the policies")
        try:
            await stop.wait()
        finally:
            following.cancel()
            with suppress(asyncio.CancelledError):
                await following
            await self._source.close()

    async def _follow(self) -> None:
        while True:
            await self._source.wait()
            with suppress(Exception):  # taken note of by `load`
                await self.load()


def rendered(error: Exception) -> str:
    """What is wrong with the policies, for a person: every diagnostic with the line it is about."""
    if isinstance(error, PolicyError):
        return "\n".join(render(diagnostic) for diagnostic in error.diagnostics)
    if isinstance(error, DoorwardError):
        return str(error)
    if isinstance(error, OSError):
        return f"the policies cannot be read: {error}"
    return f"the policies cannot be compiled: {type(error).__name__}: {error}"
