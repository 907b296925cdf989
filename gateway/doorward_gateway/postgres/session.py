"""One client's session, from its first byte to its last: who it is, what it sends, and how it ends.

client ──► Frontend ──► Gate (engine, consent, record) ──► Link ──► server
client ◄── Answers (masks, record) ◄──────────────────────────────── server
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import structlog

from doorward_gateway.approvals import ApprovalStore
from doorward_gateway.client import AsyncClient
from doorward_gateway.clock import Clock, rfc3339
from doorward_gateway.config import Resource
from doorward_gateway.credentials import CredentialStore, Grant
from doorward_gateway.credentials.tokens import TokenRedeemer
from doorward_gateway.errors import RecordingUnavailable, StateUnavailable
from doorward_gateway.postgres import messages
from doorward_gateway.postgres.answer import Bounds
from doorward_gateway.postgres.answers import Answers, SessionOver
from doorward_gateway.postgres.catalogues import ResourceCatalogue
from doorward_gateway.postgres.entrance import Admitted
from doorward_gateway.postgres.frontend import ClientLeft, Frontend
from doorward_gateway.postgres.gate import Caller, Gate
from doorward_gateway.postgres.labels import labels_of, settle_labels
from doorward_gateway.postgres.lending import Lending
from doorward_gateway.postgres.link import Link
from doorward_gateway.postgres.operation import Refused
from doorward_gateway.postgres.pipeline import Pipeline
from doorward_gateway.postgres.protocol import Authentication, ProtocolViolation, SqlState
from doorward_gateway.postgres.reports import Report
from doorward_gateway.postgres.startup import StartupRefused
from doorward_gateway.postgres.surroundings import ServerSurroundings
from doorward_gateway.postgres.upstream import UpstreamConnection, UpstreamRefused, account_of, connect
from doorward_gateway.postgres.wire import ConnectionClosed, Wire
from doorward_gateway.recording import Recorder
from doorward_gateway.recording.bodies import SessionEnd, SessionStart
from doorward_gateway.sessions import LiveSession, SessionRegistry

__all__ = ["Services", "Session", "Target"]

_GRACE: Final = 5.0
"""Seconds that the server has to finish what a client that says goodbye has asked for before."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Services:
    """What all sessions of a node share."""

    engine: AsyncClient
    recorder: Recorder
    approvals: ApprovalStore
    credentials: CredentialStore
    tokens: TokenRedeemer
    sessions: SessionRegistry
    clock: Clock
    key: bytes
    bounds: Bounds
    max_wait_ms: int
    max_statement: int


@dataclass(frozen=True, slots=True)
class Target:
    """The resource that a session is for."""

    name: str
    config: Resource
    catalogue: ResourceCatalogue
    lending: Lending | None = None

    def document(self) -> dict[str, Any]:
        """The `resource` part of an access request."""
        return {
            "kind": self.config.kind,
            "name": self.name,
            "environment": self.config.environment,
            "labels": dict(self.config.labels),
        }


class Session:
    """A session of a client that has been admitted. `run` returns when it is over."""

    def __init__(self, client: Wire, admitted: Admitted, target: Target, services: Services) -> None:
        self.id = "ses_" + secrets.token_hex(8)
        self._client = client
        self._admitted = admitted
        self._target = target
        self._services = services
        self._ending: asyncio.Future[Report] = asyncio.get_running_loop().create_future()
        self._gate: Gate | None = None
        self._server: UpstreamConnection | None = None
        self._lent = ""
        self._pipeline = Pipeline()
        self._cancelling: set[asyncio.Task[None]] = set()
        grant = admitted.grant
        self._live = LiveSession(
            id=self.id,
            kind="postgres",
            principal=grant.principal,
            resource=target.name,
            started_at_ns=services.clock(),
            client_address=client.address,
            end=self.end,
            attribution=settle_labels(grant.attribution, admitted.claims),
            credential_id=grant.credential_id,
            expires_at_ns=grant.expires_at_ns,
        )
        self._caller = Caller(
            session_id=self.id,
            principal=grant.principal,
            resource=target.document(),
            session={
                "id": self.id,
                "started_at": rfc3339(self._live.started_at_ns),
                "client_address": self._live.client_address,
            },
            granted=grant.attribution,
            claims=(admitted.claims,),
        )

    # --- from outside ---

    def end(self, why: str) -> None:
        """Ends the session soon, also in the middle of a statement; `why` is told to the client and
        recorded.
        """
        if not self._ending.done():
            self._ending.set_result(
                Report.fatal(SqlState.ADMIN_SHUTDOWN, f"doorward: the session was ended: {why}")
            )

    def cancel(self) -> None:
        """The client wants the present statement cancelled: its wait for consent, or what the server runs."""
        if self._gate is None or not self._gate.cancel():
            self._cancel_at_server()

    # --- life ---

    async def run(self, announce: Callable[[], bytes]) -> None:
        """Connects to the server and serves the client; `announce` gives the cancel key to tell the
        client.
        """
        reason = "ended"
        try:
            await self._record("session_start", self._start_body())
            self._services.sessions.add(self._live)
            reason = await self._serve(announce)
        except (Refused, StartupRefused) as refused:
            reason = refused.message
            self._tell(Report.fatal(refused.report.sqlstate, refused.report.message))
        except UpstreamRefused as refused:
            reason = refused.message
            _log.warning("server not reached", resource=self._target.name, reason=refused.message)
            self._tell(refused.report)
        except RecordingUnavailable as unavailable:
            reason = unavailable.message
            self._tell(
                Report.fatal(
                    SqlState.CANNOT_CONNECT_NOW, "doorward: the session cannot be recorded at the moment"
                )
            )
        finally:
            self._services.sessions.remove(self._live.id)
            await asyncio.shield(self._finish(reason))

    async def _serve(self, announce: Callable[[], bytes]) -> str:
        config, grant = self._target.config, self._admitted.grant
        upstream = config.upstream
        database = self._admitted.startup.database
        if database and database != upstream.database:
            raise StartupRefused.because(
                SqlState.INVALID_AUTHORIZATION,
                f"doorward: the resource `{self._target.name}` has no database `{database}`",
            )
        account = account_of(upstream, grant.role)
        lending = self._target.lending
        if lending is not None:
            account = await lending.lend(self.id, account.user, grant.expires_at_ns)
            self._lent = account.user
        self._server = server = await connect(upstream, account, self._admitted.parameters)
        link = Link(server.wire, self._pipeline)
        surroundings = ServerSurroundings(
            link, self._target.catalogue, self._services.engine, database=upstream.database
        )
        services = self._services
        gate = self._gate = Gate(
            self._caller,
            surroundings,
            engine=services.engine,
            recorder=services.recorder,
            approvals=services.approvals,
            tell=self._client.write,
            gone=self._client.closed,
            max_wait_ms=services.max_wait_ms,
            max_statement=services.max_statement,
        )
        answers = Answers(
            self._client,
            server.wire,
            self._pipeline,
            recorder=services.recorder,
            session_id=self.id,
            bounds=services.bounds,
            key=services.key,
            cancel=self._cancel_at_server,
            reported=lambda name, value: self._reported(surroundings, name, value),
        )
        frontend = Frontend(self._client, link, gate, surroundings, key=services.key, count=self._count)
        self._welcome(server, announce())
        return await self._relay(frontend, answers, grant)

    def _welcome(self, server: UpstreamConnection, key: bytes) -> None:
        parts = [messages.authentication(Authentication.OK)]
        parts += [messages.parameter_status(name, value) for name, value in server.parameters.items()]
        self._client.write(b"".join((*parts, key, messages.ready_for_query())))

    async def _relay(self, frontend: Frontend, answers: Answers, grant: Grant) -> str:
        sending = asyncio.create_task(frontend.run(), name=f"{self.id}-frontend")
        answering = asyncio.create_task(answers.run(), name=f"{self.id}-answers")
        expiry = asyncio.get_running_loop().call_later(
            max(0.0, (grant.expires_at_ns - self._services.clock()) / 1e9), self._expire
        )
        try:
            await asyncio.wait((sending, answering, self._ending), return_when=asyncio.FIRST_COMPLETED)
            if sending.done() and isinstance(sending.exception(), ClientLeft) and not self._ending.done():
                await asyncio.wait(
                    (answering, self._ending), timeout=_GRACE, return_when=asyncio.FIRST_COMPLETED
                )
        finally:
            expiry.cancel()
            for task in (sending, answering):
                task.cancel()
            endings = await asyncio.gather(sending, answering, return_exceptions=True)
        if self._ending.done():
            report = self._ending.result()
            self._tell(report)
            return report.message
        return self._conclude(*endings)

    def _conclude(self, sent: BaseException | None, answered: BaseException | None) -> str:
        """Tells the client, where it has not been told, and says why the session is over."""
        if isinstance(sent, ClientLeft):
            return "the client has left"
        for ending, side in ((sent, "client"), (answered, "server")):
            match ending:
                case SessionOver():
                    if ending.report is not None:
                        self._tell(ending.report)
                    return ending.message
                case ProtocolViolation():
                    self._tell(Report.fatal(SqlState.PROTOCOL_VIOLATION, f"doorward: {ending.message}"))
                    return f"the {side} broke the protocol: {ending.message}"
                case ConnectionClosed():
                    if side == "server":
                        self._tell(
                            Report.fatal(
                                SqlState.CONNECTION_FAILURE, "doorward: the connection to the server was lost"
                            )
                        )
                    return f"the connection to the {side} was lost"
                case asyncio.CancelledError() | None:
                    continue
                case error:
                    _log.error("session failed", session=self.id, exc_info=error)
                    self._tell(Report.fatal("XX000", "doorward: internal error, so the session ends"))
                    return "internal error"
        return "ended"

    async def _finish(self, reason: str) -> None:
        self._client.close()
        server = self._server
        if server is not None:
            if self._pipeline.status != b"I" or len(self._pipeline):
                await server.cancel()  # what still runs would go on unseen
            server.close()
        if self._lent and self._target.lending is not None:
            try:
                await self._target.lending.take_back(self._lent)
            except (UpstreamRefused, TimeoutError) as error:
                _log.error("role not taken back", session=self.id, role=self._lent, reason=str(error))
        if self._admitted.grant.single_use:
            try:
                await self._services.credentials.revoke(self._admitted.grant.credential_id)
            except StateUnavailable as unavailable:
                _log.error("credential not revoked", session=self.id, reason=unavailable.message)
        body: SessionEnd = {"reason": reason, "operations": self._live.operations}
        try:
            await self._record("session_end", body)
        except RecordingUnavailable as unavailable:
            _log.error("end of session not recorded", session=self.id, reason=unavailable.message)

    # --- small things ---

    def _expire(self) -> None:
        if not self._ending.done():
            self._ending.set_result(
                Report.fatal(
                    SqlState.ADMIN_SHUTDOWN,
                    "doorward: the credential of this session has expired, so the session ends",
                    hint="get a new one with `doorward credential issue`",
                )
            )

    def _cancel_at_server(self) -> None:
        if self._server is not None:
            task = asyncio.create_task(self._server.cancel())
            self._cancelling.add(task)
            task.add_done_callback(self._cancelling.discard)

    def _reported(self, surroundings: ServerSurroundings, name: str, value: str) -> None:
        if name == "application_name":
            self._caller.claim(labels_of(value), self._admitted.claims)
            self._live.attribution = self._caller.attribution()
        surroundings.reported(name, value)

    def _count(self) -> None:
        self._live.operations = 0 if self._gate is None else self._gate.operations

    def _tell(self, report: Report) -> None:
        self._client.write(report.encode())

    async def _record(self, kind: str, body: Any) -> None:
        await self._services.recorder.append(kind, self.id, body)

    def _start_body(self) -> SessionStart:
        grant = self._admitted.grant
        return {
            "protocol": "postgres",
            "principal": dict(grant.principal),
            "resource": self._target.document(),
            "attribution": self._live.attribution.document(),
            "client_address": self._live.client_address,
            "credential_id": grant.credential_id,
            "role": grant.role,
            "expires_at": rfc3339(grant.expires_at_ns),
        }
