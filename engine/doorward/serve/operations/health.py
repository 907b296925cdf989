"""Health, told apart: that the process lives, that it is ready to be asked, that the policies in force are the newest."""

from __future__ import annotations

from typing import Any, Final

from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from doorward.serve.changes import Changes
from doorward.serve.policies.revisions import Revisions

__all__ = ["LIVE", "POLICIES", "READY", "Health"]

LIVE: Final = "live"
"""The process answers, also while it stops."""

READY: Final = "ready"
"""It decides: policies are loaded, and it is not about to stop. So say the empty name and the names of the services."""

POLICIES: Final = "policies"
"""The newest change of the policies is in force; not so while a refused one waits to be mended."""

_Servicer: Final[Any] = health.aio.HealthServicer  # type: ignore[attr-defined] # missing from the stubs


class Health:
    """What is said of health, over gRPC and HTTP alike. `services` are names that are as healthy as the whole."""

    def __init__(self, revisions: Revisions, services: tuple[str, ...]) -> None:
        self._revisions = revisions
        self._services = services
        self._checks = _Servicer()
        self._stopping = False

    def add_to(self, server: Any) -> None:
        """Answer on a gRPC server."""
        health_pb2_grpc.add_HealthServicer_to_server(self._checks, server)

    def not_ready(self) -> str:
        """Why nothing should be asked now; empty where it may."""
        if self._stopping:
            return "the service is about to stop"
        if self._revisions.in_force is None:
            return "no policies have been loaded yet"
        return ""

    def stale(self) -> str:
        """Why the policies in force are not the newest; empty where they are."""
        return self._revisions.rejected

    async def follow(self, changes: Changes) -> None:
        """Tell of every change, until there are no more."""
        await self._set(LIVE, serving=True)
        async for _ in changes.watch():
            if not self._stopping:
                await self._tell()

    async def stop(self) -> None:
        """Say that nothing should be asked any more."""
        self._stopping = True
        await self._tell()

    async def _tell(self) -> None:
        ready = not self.not_ready()
        for name in ("", READY, *self._services):
            await self._set(name, serving=ready)
        await self._set(POLICIES, serving=ready and not self.stale())

    async def _set(self, name: str, *, serving: bool) -> None:
        status = health_pb2.HealthCheckResponse
        await self._checks.set(name, status.SERVING if serving else status.NOT_SERVING)
