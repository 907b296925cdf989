"""The service as a process: start, tell where, watch, stop."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

import grpc
import grpc.aio
import structlog
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from doorward.run.budget import Limits
from doorward.serve.catalogues import Catalogues
from doorward.serve.changes import Changes
from doorward.serve.point import DecisionPoint
from doorward.serve.policies.kept import Kept
from doorward.serve.policies.revisions import Revisions
from doorward.serve.policies.sources import source_of
from doorward.serve.rpc.service import DecisionService
from doorward.serve.settings import ServeSettings
from doorward_dsl.capabilities import read_capabilities
from doorward_proto.v1 import decision_pb2 as pb
from doorward_proto.v1.decision_pb2_grpc import add_DecisionServiceServicer_to_server

__all__ = ["LIVE", "POLICIES", "Ready", "ServeError", "serve"]

_log: Final = structlog.get_logger("doorward.serve")

_SERVICE: Final = pb.DESCRIPTOR.services_by_name["DecisionService"].full_name

_HealthServicer: Final[Any] = health.aio.HealthServicer  # type: ignore[attr-defined] # missing from the stubs

LIVE: Final = "live"
"""Health: the process answers. The empty name and the service's own: it decides, for policies are loaded."""

POLICIES: Final = "policies"
"""Health: the newest change of the policies is in force; not so while a refused one waits to be mended."""


class ServeError(Exception):
    """The service cannot start; the message is one sentence."""


@dataclass(frozen=True, slots=True)
class Ready:
    """Calls are taken: where, and what decides."""

    listen: tuple[str, ...]
    revision: str
    modules: int
    statements: int


async def serve(settings: ServeSettings, ready: Callable[[Ready], None]) -> None:
    """Serve until SIGTERM or SIGINT. `ready` is called once calls are taken.

    Raises DoorwardError or OSError when there are no policies at the start, ServeError when an
    address cannot be bound or a key not be read.
    """
    changes = Changes()
    allowed = settings.capabilities
    revisions = Revisions(
        source_of(settings.policies),
        strict=settings.strict,
        limits=Limits(steps=settings.evaluation_steps, wall_ms=settings.evaluation_ms),
        changed=changes.tell,
        capabilities=None if allowed is None else read_capabilities(allowed.read_bytes()),
        signatures=settings.policies.signatures,
        kept=None if settings.state is None else Kept(settings.state, settings.policies.name),
    )
    await revisions.start()
    server = _server(settings)
    checks = _HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(checks, server)
    point = DecisionPoint(revisions, Catalogues(), most_aside=settings.max_waiting)
    service = DecisionService(point, changes)
    add_DecisionServiceServicer_to_server(service, server)  # type: ignore[no-untyped-call]
    reflection.enable_server_reflection((_SERVICE, health.SERVICE_NAME, reflection.SERVICE_NAME), server)
    bound = [_bind(server, address, settings) for address in settings.listen]

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await server.start()
    tasks = [
        asyncio.create_task(revisions.watch(stop), name="policies"),
        asyncio.create_task(_report_health(checks, revisions, changes), name="health"),
    ]
    try:
        ready(_ready(bound, revisions))
        await stop.wait()
    finally:
        stop.set()
        _log.info("stopping", grace_seconds=settings.grace_seconds)
        await checks.enter_graceful_shutdown()
        service.drain()
        await server.stop(settings.grace_seconds)
        service.close()
        point.close()
        for task in tasks:
            with suppress(asyncio.CancelledError):
                await task


def _ready(bound: Sequence[str], revisions: Revisions) -> Ready:
    in_force = revisions.in_force
    if in_force is None:  # loaded before anything listens
        raise AssertionError("ready without policies")
    engine = in_force.engine
    return Ready(tuple(bound), engine.revision, len(engine.policies.sources), engine.statements)


def _server(settings: ServeSettings) -> grpc.aio.Server:
    return grpc.aio.server(
        maximum_concurrent_rpcs=settings.max_concurrent,
        options=(
            ("grpc.max_receive_message_length", settings.max_message_bytes),
            ("grpc.max_send_message_length", -1),
            ("grpc.so_reuseport", 0),  # a second process on the same port would answer by other policies
            # callers may make sure every few seconds that the line stands
            ("grpc.http2.min_recv_ping_interval_without_data_ms", 5_000),
            ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
            ("grpc.keepalive_permit_without_calls", 1),
        ),
    )


def _bind(server: grpc.aio.Server, address: str, settings: ServeSettings) -> str:
    try:
        if settings.tls_cert is None or settings.tls_key is None:
            port = server.add_insecure_port(address)
        else:
            authorities = settings.tls_client_ca.read_bytes() if settings.tls_client_ca is not None else None
            credentials = grpc.ssl_server_credentials(
                [(settings.tls_key.read_bytes(), settings.tls_cert.read_bytes())],
                root_certificates=authorities,
                require_client_auth=authorities is not None,
            )
            port = server.add_secure_port(address, credentials)
    except (RuntimeError, OSError, ValueError) as error:
        raise ServeError(f"cannot listen on `{address}`: {error}") from None
    if address.startswith("unix:"):
        return address
    if port == 0:
        raise ServeError(f"cannot listen on `{address}`")
    return f"{address.rpartition(':')[0]}:{port}"


async def _report_health(checks: Any, revisions: Revisions, changes: Changes) -> None:
    status = health_pb2.HealthCheckResponse
    await checks.set(LIVE, status.SERVING)
    async for _ in changes.watch():
        decides = status.SERVING if revisions.in_force is not None else status.NOT_SERVING
        newest = status.NOT_SERVING if revisions.rejected else decides
        for name, value in (("", decides), (_SERVICE, decides), (POLICIES, newest)):
            await checks.set(name, value)
