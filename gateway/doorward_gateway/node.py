"""One gateway node: puts its parts together, runs them, and takes them down in order.

    run(load(Path("gateway.yaml"), os.environ))      # until SIGTERM or SIGINT

A node that is told to stop takes no more clients, ends its sessions with a word, and writes down what is
left.
"""

from __future__ import annotations

import asyncio
import signal
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Final, Self

import grpc
import structlog
import uvloop

from doorward_gateway.approvals import ApprovalStore
from doorward_gateway.client import AsyncClient
from doorward_gateway.clock import system_clock
from doorward_gateway.config import Config, EngineConfig, HostPort
from doorward_gateway.control import ControlParts, ControlServer, Endpoint, control_api
from doorward_gateway.credentials import CredentialStore
from doorward_gateway.credentials.issuance import Issuance
from doorward_gateway.credentials.tokens import TokenRedeemer
from doorward_gateway.errors import ConfigError, GatewayError
from doorward_gateway.identity import (
    Identities,
    IdentityProvider,
    OidcProvider,
    StaticIdentities,
    StaticIdentity,
)
from doorward_gateway.identity.issuer import Issuer
from doorward_gateway.postgres.answer import Bounds
from doorward_gateway.postgres.listener import Listener
from doorward_gateway.postgres.maskers import load_key
from doorward_gateway.postgres.session import Services
from doorward_gateway.recording import Recorder
from doorward_gateway.recording.sealing import load_signer
from doorward_gateway.sessions import SessionRegistry

__all__ = ["Node", "run"]

_DRAIN_SECONDS: Final = 10.0

_log = structlog.get_logger(__name__)


class Node:
    """The running parts of one gateway: `async with Node(config) as node`.

    `listen` and `control` are the addresses where it really listens, once it runs.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        self.sessions = SessionRegistry()
        self.listen = config.postgres.listen
        self.control = config.control.listen
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Starts every part. Raises `GatewayError`, and then nothing is left running."""
        async with AsyncExitStack() as stack:
            await self._start(stack)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def _start(self, stack: AsyncExitStack) -> None:
        config = self.config
        state = config.state.directory
        key = load_key(state)
        recorder = await Recorder.open(
            config.recording.directory,
            node=config.node,
            durable=config.recording.durable,
            segment_bytes=config.recording.segment_size,
            signer=load_signer(config.recording.key or state / "record.key"),
            seal_every=config.recording.seal_every / 1000,
            copies=config.recording.seal_copies,
        )
        stack.push_async_callback(recorder.close)
        credentials = await CredentialStore.open(state / "credentials.db")
        stack.push_async_callback(credentials.close)
        approvals = await ApprovalStore.open(state / "approvals.db", node=config.node)
        stack.push_async_callback(approvals.close)
        await approvals.cancel_leftovers()
        engine = await stack.enter_async_context(
            AsyncClient(
                config.engine.target,
                timeout=config.engine.timeout / 1000,
                credentials=engine_credentials(config.engine),
            )
        )
        identities = _identities(config, stack)
        issuance = Issuance(config, engine, credentials, recorder, system_clock)
        services = Services(
            engine=engine,
            recorder=recorder,
            approvals=approvals,
            credentials=credentials,
            tokens=TokenRedeemer(identities, issuance),
            sessions=self.sessions,
            clock=system_clock,
            key=key,
            bounds=Bounds(config.recording.rows, config.recording.value_size),
            max_wait_ms=config.approvals.max_wait,
            max_statement=config.limits.statement_size,
        )
        listener = Listener(
            config.postgres,
            config.resources,
            services,
            node=config.node,
            sessions=config.limits.sessions,
            message_size=config.limits.message_size,
            startup_seconds=config.limits.startup_timeout / 1000,
        )
        parts = ControlParts(
            config=config,
            identities=identities,
            engine=engine,
            credentials=credentials,
            approvals=approvals,
            recorder=recorder,
            sessions=self.sessions,
            endpoint=lambda resource: Endpoint(
                self.listen.host, self.listen.port, config.postgres.tls is not None
            ),
        )
        await self._listen(listener, stack)
        control = await ControlServer.start(control_api(parts), config.control.listen)
        stack.push_async_callback(control.close)
        self.control = control.address
        _log.info("gateway is ready", node=config.node, listen=str(self.listen), control=str(self.control))

    async def _listen(self, listener: Listener, stack: AsyncExitStack) -> None:
        wanted = self.config.postgres.listen
        try:
            port = await listener.start()
        except OSError as error:
            raise GatewayError(
                f"the gateway cannot listen on `{wanted}`: {error.strerror or error}"
            ) from error
        self.listen = HostPort(wanted.host, port)

        async def stop() -> None:
            await listener.stop("the gateway is shutting down", seconds=_DRAIN_SECONDS)

        stack.push_async_callback(stop)


def run(config: Config) -> None:
    """Runs a node until it is told to stop by SIGTERM or SIGINT. Raises `GatewayError` if it cannot start."""
    uvloop.run(_run(config))


async def _run(config: Config) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    async with Node(config):
        await stopped.wait()
        _log.info("gateway is stopping")


def engine_credentials(engine: EngineConfig) -> grpc.ChannelCredentials | None:
    """How to reach the engine: TLS, with a bearer token where there is one; `None` for plaintext.

    Raises `ConfigError` where a file cannot be read, and for a token that would cross the network in the
    clear.
    """
    if engine.tls is None:
        if engine.token is not None:
            raise ConfigError(["`engine.token` needs `engine.tls`: it would cross the network in the clear"])
        return None
    try:
        ca, certificate, key = (
            None if path is None else path.read_bytes()
            for path in (engine.tls.ca, engine.tls.certificate, engine.tls.key)
        )
    except OSError as error:
        raise ConfigError([f"cannot read a file of `engine.tls`: {error}"]) from error
    channel = grpc.ssl_channel_credentials(ca, key, certificate)
    if engine.token is None:
        return channel
    token = grpc.access_token_call_credentials(engine.token.get_secret_value())
    return grpc.composite_channel_credentials(channel, token)


def _identities(config: Config, stack: AsyncExitStack) -> Identities:
    people = [
        StaticIdentity(person.id, person.kind, frozenset(person.groups), person.token.get_secret_value())
        for person in config.identities
    ]
    providers: list[IdentityProvider] = []
    for entry in config.oidc:
        issuer = Issuer(entry.issuer, ca=entry.ca)
        stack.push_async_callback(issuer.close)
        providers.append(
            OidcProvider(
                issuer,
                audience=entry.audience,
                kind=entry.kind,
                kind_claim=entry.kind_claim,
                id_claim=entry.id_claim,
                groups_claim=entry.groups_claim,
                skew=entry.skew / 1000,
            )
        )
    return Identities([*providers, StaticIdentities(people)])
