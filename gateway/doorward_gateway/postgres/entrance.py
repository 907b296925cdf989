"""Letting a client in: encryption, start-up, and what it shows as its password: a credential, or its identity's token."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from struct import unpack
from typing import Final

from doorward_gateway.attribution import Attribution
from doorward_gateway.client import EngineUnavailable
from doorward_gateway.credentials import CredentialStore, Grant
from doorward_gateway.credentials.issuance import CredentialBlocked
from doorward_gateway.credentials.tokens import TokenRedeemer, is_token
from doorward_gateway.errors import CredentialRefused, GatewayError, IdentityRefused
from doorward_gateway.identity.model import MAX_TOKEN
from doorward_gateway.postgres import messages
from doorward_gateway.postgres.protocol import Authentication, Frontend, ProtocolViolation, SqlState
from doorward_gateway.postgres.reports import Report
from doorward_gateway.postgres.startup import (
    MAX_STARTUP,
    NEWEST_VERSION,
    Cancel,
    Encryption,
    Startup,
    StartupRefused,
    parse_first_packet,
    vet,
)
from doorward_gateway.postgres.wire import Wire

__all__ = ["Admitted", "Entrance", "NotAdmitted"]

_MAX_PASSWORD: Final = MAX_TOKEN + 64


class NotAdmitted(StartupRefused):
    """A client that was not let in; `why` is for the record and says more than the client is told."""

    def __init__(self, report: Report, why: str) -> None:
        super().__init__(report)
        self.why = why

    @classmethod
    def wrong(cls, user: str, why: str) -> NotAdmitted:
        """The credential is not good. Why, the client is not told: it might be guessing."""
        report = Report.fatal(SqlState.INVALID_PASSWORD, f'password authentication failed for user "{user}"')
        return cls(report, why)


@dataclass(frozen=True, slots=True)
class Admitted:
    """A client that has been let in. `parameters` go on to the server; `claims` are the labels among them."""

    startup: Startup
    grant: Grant
    parameters: dict[str, str]
    claims: Attribution


@dataclass(frozen=True, slots=True)
class Entrance:
    """How clients come in at one listener: `tls` if it has a certificate, `plaintext` if it may do
    without.
    """

    credentials: CredentialStore
    tokens: TokenRedeemer
    resources: frozenset[str]
    tls: ssl.SSLContext | None
    plaintext: bool
    seconds: float

    async def first(self, wire: Wire) -> Startup | Cancel:
        """Encrypts the connection if the client asks, and reads what it wants.

        Raises `ProtocolViolation`, `StartupRefused` and `ConnectionClosed`.
        """
        encrypted = False
        for _ in range(3):  # GSSAPI, then TLS, then what it came for
            (length,) = unpack("!I", await wire.read_exactly(4))
            if not 8 <= length <= MAX_STARTUP:
                raise ProtocolViolation(f"a start-up packet with the invalid length {length}")
            packet = parse_first_packet(await wire.read_exactly(length - 4))
            if isinstance(packet, Cancel):
                return packet
            if isinstance(packet, Startup):
                if not encrypted and not self.plaintext:
                    raise StartupRefused.because(
                        SqlState.INVALID_AUTHORIZATION,
                        "doorward: a connection without TLS is not taken",
                        hint="connect with sslmode=require or stricter",
                    )
                return packet
            encrypted = await self._encrypt(wire, packet, encrypted)
        raise ProtocolViolation("one request for encryption after another")

    async def admit(self, wire: Wire, startup: Startup) -> Admitted:
        """Asks for the credential, or a token, and redeems it. Raises as `first` does, and `NotAdmitted`."""
        parameters, claims = vet(startup)
        if startup.needs_negotiation:
            newest = min(startup.version, NEWEST_VERSION)
            wire.write(messages.negotiate_protocol_version(newest, startup.options))
        wire.write(messages.authentication(Authentication.CLEARTEXT_PASSWORD))
        secret = await self._password(wire)
        user = startup.parameters["user"]
        if startup.resource not in self.resources:
            raise NotAdmitted.wrong(user, f"unknown resource `{startup.resource}`")
        try:
            if is_token(secret):
                grant = await self.tokens.redeem(secret, startup.resource, claims, wire.address)
            else:
                grant = await self.credentials.redeem(secret, startup.resource)
        except CredentialBlocked as blocked:
            # who it is, is known by now: it may be told why
            report = Report.fatal(SqlState.BLOCKED, f"doorward: blocked: {blocked.message}")
            raise NotAdmitted(report, blocked.message) from None
        except (CredentialRefused, IdentityRefused) as refused:
            raise NotAdmitted.wrong(user, refused.message) from None
        except (EngineUnavailable, GatewayError) as unavailable:
            raise StartupRefused.because(
                SqlState.CANNOT_CONNECT_NOW, "doorward: the credential cannot be checked at the moment"
            ) from unavailable
        return Admitted(startup, grant, parameters, claims)

    async def _encrypt(self, wire: Wire, packet: Encryption, encrypted: bool) -> bool:
        if encrypted:
            raise ProtocolViolation("a request for encryption on an encrypted connection")
        if not packet.tls or self.tls is None:
            wire.write(b"N")
            return False
        wire.write(b"S")
        await wire.start_tls(self.tls, server_side=True, seconds=self.seconds)
        return True

    async def _password(self, wire: Wire) -> str:
        wire.framer.limit, limit = _MAX_PASSWORD, wire.framer.limit
        received = await wire.read()
        wire.framer.limit = limit
        if len(received) != 1 or received[0][0] != Frontend.PASSWORD:
            raise ProtocolViolation("expected a password and nothing else")
        reader = messages.Reader(received[0])
        secret = reader.text()
        reader.finish()
        return secret.decode(errors="replace")
