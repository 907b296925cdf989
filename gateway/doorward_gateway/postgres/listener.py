"""Where PostgreSQL clients connect: takes connections within limits, lets callers in, and routes cancel
requests.
"""

from __future__ import annotations

import asyncio
import hmac
import secrets
import ssl
from collections.abc import Mapping
from typing import Final

import structlog

from doorward_gateway.config import PostgresListener, Resource, ServerTls
from doorward_gateway.errors import ConfigError, RecordingUnavailable
from doorward_gateway.postgres import messages
from doorward_gateway.postgres.catalogues import ResourceCatalogue
from doorward_gateway.postgres.entrance import Admitted, Entrance, NotAdmitted
from doorward_gateway.postgres.framing import FRONTEND_KINDS, Framer
from doorward_gateway.postgres.lending import Lending
from doorward_gateway.postgres.protocol import ProtocolViolation, SqlState
from doorward_gateway.postgres.reports import Report
from doorward_gateway.postgres.session import Services, Session, Target
from doorward_gateway.postgres.startup import Cancel, Startup, StartupRefused
from doorward_gateway.postgres.wire import ConnectionClosed, Wire
from doorward_gateway.recording.bodies import Refused as RefusedBody

__all__ = ["Listener", "server_context"]

_LONG_KEY: Final = 32
_SHORT_KEY: Final = 4

_log = structlog.get_logger(__name__)


class Listener:
    """One listening address. `sessions` bounds the connections, `startup_seconds` how long one may take to
    come in.
    """

    def __init__(
        self,
        config: PostgresListener,
        resources: Mapping[str, Resource],
        services: Services,
        *,
        node: str,
        sessions: int,
        message_size: int,
        startup_seconds: float,
    ) -> None:
        self._config = config
        self._services = services
        self._limit = sessions
        self._message_size = message_size
        self._startup_seconds = startup_seconds
        self._node = node
        self._targets = {name: self._target(name, resource) for name, resource in resources.items()}
        self._entrance = Entrance(
            credentials=services.credentials,
            tokens=services.tokens,
            resources=frozenset(self._targets),
            tls=None if config.tls is None else server_context(config.tls),
            plaintext=config.allow_plaintext,
            seconds=startup_seconds,
        )
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._sessions: dict[int, tuple[bytes, Session]] = {}

    def _target(self, name: str, resource: Resource) -> Target:
        services, upstream = self._services, resource.upstream
        lending = None
        if upstream.admin is not None:
            lending = Lending(
                upstream, upstream.admin, node=self._node, clock=services.clock, lives=services.sessions.lives
            )
        return Target(name, resource, ResourceCatalogue(name, upstream, services.engine), lending)

    async def start(self) -> int:
        """Begins to listen; the port, which the system has chosen where the configuration says 0."""
        for target in self._targets.values():
            if target.lending is not None:
                target.lending.start()
        address = self._config.listen
        host = None if address.host == "*" else address.host
        self._server = await asyncio.get_running_loop().create_server(self._accept, host, address.port)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def stop(self, why: str, *, seconds: float) -> None:
        """Takes no more clients, ends the sessions, and waits until they are over, `seconds` at most."""
        if self._server is not None:
            self._server.close()
        for _, session in list(self._sessions.values()):
            session.end(why)
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=seconds)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        for target in self._targets.values():
            if target.lending is not None:
                await target.lending.close()

    # --- one connection ---

    def _accept(self) -> Wire:
        wire = Wire(Framer(FRONTEND_KINDS, self._message_size))
        task = asyncio.create_task(self._serve(wire))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return wire

    async def _serve(self, wire: Wire) -> None:
        try:
            admitted = await self._let_in(wire)
            if admitted is not None:
                await self._run(wire, admitted)
        except ConnectionClosed:
            pass
        except Exception:
            _log.exception("connection failed")
        finally:
            wire.close()

    async def _let_in(self, wire: Wire) -> Admitted | None:
        startup: Startup | None = None
        try:
            async with asyncio.timeout(self._startup_seconds):
                first = await self._entrance.first(wire)
                if isinstance(first, Cancel):
                    self._cancel(first)
                    return None
                startup = first
                if len(self._tasks) > self._limit:
                    raise StartupRefused.because(
                        SqlState.TOO_MANY_CONNECTIONS,
                        "doorward: this gateway has as many sessions as it takes",
                    )
                return await self._entrance.admit(wire, startup)
        except NotAdmitted as refused:
            wire.write(refused.report.encode())
            await self._record_refusal(wire, startup, refused.why)
        except StartupRefused as refused:
            wire.write(refused.report.encode())
            await self._record_refusal(wire, startup, refused.message)
        except ProtocolViolation as violation:
            report = Report.fatal(SqlState.PROTOCOL_VIOLATION, f"doorward: {violation.message}")
            wire.write(report.encode())
        except TimeoutError:
            wire.write(
                Report.fatal(SqlState.INVALID_AUTHORIZATION, "doorward: start-up took too long").encode()
            )
        return None

    async def _run(self, wire: Wire, admitted: Admitted) -> None:
        target = self._targets[admitted.startup.resource]
        session = Session(wire, admitted, target, self._services)
        pid = self._free_pid()
        key = secrets.token_bytes(_LONG_KEY if admitted.startup.long_key else _SHORT_KEY)
        self._sessions[pid] = (key, session)
        try:
            await session.run(lambda: messages.backend_key_data(pid, key))
        finally:
            del self._sessions[pid]

    def _cancel(self, request: Cancel) -> None:
        key, session = self._sessions.get(request.pid, (b"", None))
        if session is not None and hmac.compare_digest(key, request.key):
            session.cancel()

    def _free_pid(self) -> int:
        while True:
            pid = 1 + secrets.randbelow(0x7FFFFFFF - 1)
            if pid not in self._sessions:
                return pid

    async def _record_refusal(self, wire: Wire, startup: Startup | None, why: str) -> None:
        body: RefusedBody = {
            "protocol": "postgres",
            "resource": "" if startup is None else startup.resource,
            "client_address": wire.address,
            "reason": why,
        }
        try:
            await self._services.recorder.append("refused", "", body)
        except RecordingUnavailable as unavailable:
            _log.error("refusal not recorded", reason=unavailable.message)


def server_context(tls: ServerTls) -> ssl.SSLContext:
    """TLS for a listener. Raises `ConfigError` if certificate or key cannot be used."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(tls.certificate, tls.key)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(
            [f"cannot use certificate `{tls.certificate}` with key `{tls.key}`: {error}"]
        ) from error
    return context
