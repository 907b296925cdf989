"""One process of the service: put together, started, stopped."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from typing import Any, Final

import grpc
import grpc.aio
import structlog
from grpc_health.v1 import health as standard_health
from grpc_reflection.v1alpha import reflection
from grpc_reflection.v1alpha.reflection_pb2_grpc import add_ServerReflectionServicer_to_server

from doorward.engine import Engine
from doorward.run.budget import Limits
from doorward.serve.catalogues import Catalogues
from doorward.serve.changes import Changes
from doorward.serve.decision_log.log import DecisionLog
from doorward.serve.envoy.service import SERVICE as ENVOY
from doorward.serve.envoy.service import EnvoyAuthorization
from doorward.serve.http.application import HttpApplication, Route
from doorward.serve.http.server import HttpServer
from doorward.serve.operations.admission import HttpAdmission
from doorward.serve.operations.board import Board
from doorward.serve.operations.callers import Callers
from doorward.serve.operations.counted import Counted
from doorward.serve.operations.endpoints import Endpoints, EndpointsApplication
from doorward.serve.operations.guard import Guard
from doorward.serve.operations.health import Health
from doorward.serve.operations.metrics import Metrics
from doorward.serve.operations.notify import notify
from doorward.serve.operations.post import Post
from doorward.serve.operations.tls import Certificates
from doorward.serve.operations.traces import Traces, TracesUnavailable
from doorward.serve.point import DecisionPoint, Observer
from doorward.serve.policies.kept import Kept
from doorward.serve.policies.revisions import Revisions
from doorward.serve.policies.shadow.observer import Shadow
from doorward.serve.policies.sources import source_of
from doorward.serve.rpc.service import DecisionService
from doorward.serve.settings import ServeSettings
from doorward.serve.started import Ready, ServeError
from doorward_dsl.capabilities import Capabilities, read_capabilities
from doorward_proto.v1 import decision_pb2 as pb
from doorward_proto.v1.decision_pb2_grpc import add_DecisionServiceServicer_to_server

__all__ = ["Place", "serve"]

_log: Final = structlog.get_logger("doorward.serve")

_SERVICE: Final = pb.DESCRIPTOR.services_by_name["DecisionService"].full_name

_ReflectionServicer: Final[Any] = reflection.aio.ReflectionServicer  # type: ignore[attr-defined] # missing from the stubs

_MAX_WAIT_SECONDS: Final = 2
"""After which a call that nobody came to look at is refused."""

_HAND_OVER: Final = 0.0005
"""Seconds that decisions wait for the interpreter at most, each time they have to, while a thread has it: one that compiles
policies, explains, or answers a query.
"""

_LOOK_SECONDS: Final = 1.0
"""Between two looks at what may have changed: files of tokens, and what other workers are to know."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a worker stands among others."""

    number: int
    board: Board


class _Process:
    """What one process is made of."""

    def __init__(self, settings: ServeSettings, place: Place | None) -> None:
        self.settings = settings
        self.shared = place is not None
        self.hung_up = asyncio.Event()
        """The terminal hung up (SIGHUP): everything is to be read again."""
        self.changes = Changes()
        self.callers = Callers(settings.callers, settings.limits)
        self.certificates = _certificates(settings)
        self.revisions = _revisions(settings, self.changes)
        self.metrics = Metrics(self.revisions)
        self.post = (
            None if place is None else Post(place.board, place.number, self.revisions, self.metrics.registry)
        )
        self.health = Health(self.revisions, (_SERVICE, ENVOY))
        self.endpoints = Endpoints(self.health, self.post or self.metrics.registry)
        self.traces = _traces(settings)
        observers: list[Observer] = [self.metrics]
        if self.traces is not None:
            observers.append(self.traces)
        self.shadow = self.metrics.shadow = _shadow(settings)
        if self.shadow is not None:
            observers.append(self.shadow)
        self.log = self.metrics.log = _decision_log(settings, self.revisions)
        self.point = DecisionPoint(
            self.revisions, Catalogues(), most_aside=settings.max_waiting, log=self.log, observers=observers
        )
        self.metrics.unanswered = self.point.unanswered
        self.service = DecisionService(
            self.point, self.changes, workers=None if self.post is None else self.post.workers
        )
        self.rpc = self._rpc()
        self.application = HttpApplication(
            self.point,
            settings.http,
            admit=HttpAdmission(self.callers),
            also={
                "/livez": Route(self.endpoints.livez),
                "/readyz": Route(self.endpoints.readyz),
                "/metrics": Route(self.endpoints.metrics, "metrics"),
            },
            max_body_bytes=settings.max_message_bytes,
            max_concurrent=settings.max_concurrent,
        )
        self.http = self._http(Counted(self.application, self.metrics), tls=True)
        self.aside = self._http(EndpointsApplication(self.endpoints), tls=False)

    def _rpc(self) -> grpc.aio.Server:
        settings = self.settings
        server = grpc.aio.server(
            maximum_concurrent_rpcs=settings.max_concurrent,
            options=(
                ("grpc.max_receive_message_length", settings.max_message_bytes),
                ("grpc.max_send_message_length", -1),
                ("grpc.max_concurrent_streams", settings.limits.streams_per_connection),
                # calls wait in the library while decisions keep the event loop busy, so it has to refuse them
                ("grpc.server.max_pending_requests", settings.max_concurrent),
                ("grpc.server.max_pending_requests_hard_limit", settings.max_concurrent),
                ("grpc.server_max_unrequested_time_in_server", _MAX_WAIT_SECONDS),
                # a second service on the same port would answer by other policies
                ("grpc.so_reuseport", int(self.shared)),
                # callers may make sure every few seconds that the line stands
                ("grpc.http2.min_recv_ping_interval_without_data_ms", 5_000),
                ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
                ("grpc.keepalive_permit_without_calls", 1),
            ),
        )
        self.health.add_to(server)  # told to everybody: an orchestrator that asks has no credentials
        guard: Any = Guard(self.callers, self.metrics, server)
        add_DecisionServiceServicer_to_server(self.service, guard)  # type: ignore[no-untyped-call]
        EnvoyAuthorization(self.point, settings.envoy).add_to(guard)
        known = (_SERVICE, standard_health.SERVICE_NAME, reflection.SERVICE_NAME)
        add_ServerReflectionServicer_to_server(_ReflectionServicer(known), guard)
        return server

    def _http(self, application: Any, *, tls: bool) -> HttpServer:
        return HttpServer(
            application,
            self.settings.http,
            max_connections=self.settings.max_concurrent,
            grace_seconds=self.settings.grace_seconds,
            tls=self.certificates.for_http() if tls and self.certificates is not None else None,
        )

    def bind(self) -> Ready:
        """Take all addresses. Raises ServeError."""
        settings = self.settings
        in_force = self.revisions.in_force
        if in_force is None:  # loaded before anything listens
            raise AssertionError("ready without policies")
        return Ready(
            tuple(self._bind(address, self._bind_rpc) for address in settings.listen),
            tuple(self._bind(address, self._bind_http(self.http)) for address in settings.http.listen),
            tuple(self._bind(address, self._bind_http(self.aside)) for address in settings.telemetry.metrics),
            in_force.engine.revision,
            len(in_force.engine.policies.sources),
            in_force.engine.statements,
        )

    def _bind(self, address: str, bind: Callable[[str], str]) -> str:
        try:
            return bind(address)
        except (RuntimeError, OSError, ValueError) as error:
            raise ServeError(f"cannot listen on `{address}`: {error}") from None

    def _bind_http(self, server: HttpServer) -> Callable[[str], str]:
        return lambda address: server.bind(address, shared=self.shared)

    def _bind_rpc(self, address: str) -> str:
        if self.certificates is None:
            port = self.rpc.add_insecure_port(address)
        else:
            port = self.rpc.add_secure_port(address, self.certificates.for_grpc())
        if address.startswith("unix:"):
            return address
        if port == 0:
            raise OSError("the address is taken")
        return f"{address.rpartition(':')[0]}:{port}"

    async def look(self) -> None:
        """Look again and again at what may have changed, until cancelled; when told to, at the policies too."""
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self.hung_up.wait(), _LOOK_SECONDS)
            self.callers.refresh()
            if self.hung_up.is_set():
                self.hung_up.clear()
                if self.log is not None:
                    self.log.reopen()
                with suppress(Exception):  # taken note of by `load`
                    await self.revisions.load()
            if self.post is not None:
                self.post.put()

    async def stop(self) -> None:
        """Let nobody begin anything, and give those who have begun their time."""
        _log.info(
            "stopping", drain_seconds=self.settings.drain_seconds, grace_seconds=self.settings.grace_seconds
        )
        if not self.shared:
            notify("STOPPING=1")
        await self.health.stop()
        await asyncio.sleep(self.settings.drain_seconds)
        self.service.drain()
        await asyncio.gather(self.rpc.stop(self.settings.grace_seconds), self.http.stop())
        await self.aside.stop()
        self.application.close()
        self.service.close()
        self.point.close()
        if self.log is not None:
            await self.log.close()
        if self.traces is not None:
            await asyncio.to_thread(self.traces.close)


async def serve(
    settings: ServeSettings, ready: Callable[[Ready], None], *, place: Place | None = None
) -> None:
    """Serve until SIGTERM or SIGINT. `ready` is called once calls are taken; `place` is set where other workers have the
    same addresses.

    Raises DoorwardError or OSError when there are no policies at the start or a file of tokens cannot be taken, ServeError
    when an address cannot be bound or a key not be read.
    """
    sys.setswitchinterval(_HAND_OVER)
    process = _Process(settings, place)
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGHUP, process.hung_up.set)
    await process.revisions.start()
    bound = process.bind()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with AsyncExitStack() as started:
        watching = asyncio.create_task(process.revisions.watch(stop), name="policies")
        started.push_async_callback(asyncio.wait, [watching])
        if process.shadow is not None:
            shadowing = asyncio.create_task(process.shadow.run(stop), name="shadow")
            started.push_async_callback(asyncio.wait, [shadowing])
        started.callback(stop.set)
        for work in (process.health.follow(process.changes), process.look()):
            started.push_async_callback(_cancelled, asyncio.create_task(work))
        started.push_async_callback(process.stop)
        await process.rpc.start()
        await process.http.start()
        await process.aside.start()
        if process.post is not None:
            process.post.put()  # before anybody asks whether all workers agree
        ready(bound)
        await stop.wait()


async def _cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


def _certificates(settings: ServeSettings) -> Certificates | None:
    if settings.tls_cert is None or settings.tls_key is None:
        return None
    try:
        return Certificates(settings.tls_cert, settings.tls_key, settings.tls_client_ca)
    except OSError as error:
        raise ServeError(
            f"the certificate `{settings.tls_cert}` cannot be used with its key: {error}"
        ) from None


def _revisions(settings: ServeSettings, changes: Changes) -> Revisions:
    return Revisions(
        source_of(settings.policies),
        strict=settings.strict,
        limits=_limits(settings),
        changed=changes.tell,
        capabilities=_capabilities(settings),
        signatures=settings.policies.signatures,
        kept=None if settings.state is None else Kept(settings.state, settings.policies.name),
    )


def _shadow(settings: ServeSettings) -> Shadow | None:
    if settings.shadow is None:
        return None
    return Shadow(
        settings.shadow,
        strict=settings.strict,
        limits=_limits(settings),
        capabilities=_capabilities(settings),
    )


def _decision_log(settings: ServeSettings, revisions: Revisions) -> DecisionLog | None:
    if settings.decision_log is None:
        return None

    def engine() -> Engine | None:
        return None if revisions.in_force is None else revisions.in_force.engine

    try:
        return DecisionLog(settings.decision_log, engine, workers=settings.workers)
    except OSError as error:
        path = settings.decision_log.file
        why = (error.strerror or str(error)).lower()
        raise ServeError(f"the decision log `{path}` cannot be opened: {why}") from None
    except ImportError as error:
        raise ServeError(f"the decision log needs an extra of the package, for `{error.name}`") from None


def _limits(settings: ServeSettings) -> Limits:
    return Limits(steps=settings.evaluation_steps, wall_ms=settings.evaluation_ms)


def _capabilities(settings: ServeSettings) -> Capabilities | None:
    return None if settings.capabilities is None else read_capabilities(settings.capabilities.read_bytes())


def _traces(settings: ServeSettings) -> Traces | None:
    if settings.telemetry.traces is None:
        return None
    try:
        return Traces(settings.telemetry.traces)
    except TracesUnavailable as error:
        raise ServeError(str(error)) from None
