"""Connections to the server: opened, encrypted, authenticated; and plain queries for the gateway's own
purposes.

Only SCRAM-SHA-256 and `trust` are accepted: a server that wants the password in clear, or an MD5 of it, is
refused.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from struct import pack, unpack_from
from typing import Final

import scramp

from doorward_gateway.config import PostgresUpstream, UpstreamAccount
from doorward_gateway.errors import GatewayError
from doorward_gateway.postgres import messages
from doorward_gateway.postgres.framing import BACKEND_KINDS, Framer
from doorward_gateway.postgres.protocol import Authentication, Backend, ProtocolViolation, Request, SqlState
from doorward_gateway.postgres.reports import Report, parse_report
from doorward_gateway.postgres.rows import row_values
from doorward_gateway.postgres.wire import ConnectionClosed, Wire

__all__ = ["UpstreamConnection", "UpstreamRefused", "account_of", "connect", "query_text"]

_VERSION: Final = 3 << 16
_SECONDS: Final = 10.0
_MAX_MESSAGE: Final = 0x3FFFFFFF  # what PostgreSQL itself allows for one value
_MECHANISM: Final = "SCRAM-SHA-256"
_METHODS: Final = {
    int(Authentication.CLEARTEXT_PASSWORD): "the password in clear",
    int(Authentication.MD5_PASSWORD): "an MD5 of the password",
}


class UpstreamRefused(GatewayError):
    """The server cannot be used; `report` is what a client may be told: it names no account and no
    address.
    """

    def __init__(self, message: str, report: Report | None = None) -> None:
        super().__init__(message)
        self.report = report or Report.fatal(
            SqlState.CONNECTION_FAILURE, "doorward: the server behind this resource cannot be reached"
        )


@dataclass(slots=True, eq=False)
class UpstreamConnection:
    """A connection that is ready for queries. `parameters` are the settings that the server has reported."""

    wire: Wire
    address: PostgresUpstream
    parameters: dict[str, str] = field(default_factory=dict)
    pid: int = 0
    key: bytes = b""

    async def query(self, text: str) -> list[tuple[str | None, ...]]:
        """Runs one statement alone on the connection; its rows as text. Raises `UpstreamRefused`."""
        self.wire.write(messages.query(text.encode()))
        rows: list[tuple[str | None, ...]] = []
        failure: Report | None = None
        while True:
            for message in await self.wire.read():
                kind = message[0]
                if kind == Backend.DATA_ROW:
                    rows.append(query_text(message))
                elif kind == Backend.ERROR_RESPONSE:
                    failure = parse_report(message)
                elif kind == Backend.READY_FOR_QUERY:
                    if failure is not None:
                        raise UpstreamRefused(f"the server refused a query of the gateway: {failure.message}")
                    return rows

    async def cancel(self) -> None:
        """Asks the server to cancel what this connection runs; errors are nothing to the caller."""
        try:
            async with asyncio.timeout(_SECONDS):
                wire = await _open(self.address)
                wire.write(pack("!III", 12 + len(self.key), Request.CANCEL, self.pid) + self.key)
                await wire.closed
                wire.close()
        except (OSError, TimeoutError, GatewayError):
            return

    def close(self) -> None:
        """Says goodbye and closes."""
        self.wire.write(messages.terminate())
        self.wire.close()


def query_text(message: bytes) -> tuple[str | None, ...]:
    """The values of a DataRow in text format."""
    return tuple(None if value is None else value.decode(errors="replace") for value in row_values(message))


def account_of(upstream: PostgresUpstream, role: str) -> UpstreamAccount:
    """The account that stands for a decided role; the default one for none. Raises `UpstreamRefused`."""
    if not role:
        return upstream
    account = upstream.roles.get(role)
    if account is None:
        raise UpstreamRefused(
            f"the role `{role}` that the policy decided on has no account in the configuration",
            Report.fatal(
                SqlState.INVALID_AUTHORIZATION, f"doorward: no account stands for the role `{role}`"
            ),
        )
    return account


async def connect(
    upstream: PostgresUpstream,
    account: UpstreamAccount,
    parameters: Mapping[str, str],
    *,
    max_message: int = _MAX_MESSAGE,
) -> UpstreamConnection:
    """Opens a connection as `account`, with those start-up parameters. Raises `UpstreamRefused`."""
    try:
        async with asyncio.timeout(_SECONDS):
            wire = await _open(upstream, max_message)
            connection = UpstreamConnection(wire, upstream)
            try:
                await _start(connection, account, parameters)
            except BaseException:
                wire.abort()
                raise
            return connection
    except TimeoutError:
        raise UpstreamRefused(f"the server did not answer within {_SECONDS:g} s") from None
    except (OSError, ConnectionClosed, ProtocolViolation) as error:
        raise UpstreamRefused(f"the server cannot be reached: {error}") from error


async def _open(upstream: PostgresUpstream, max_message: int = _MAX_MESSAGE) -> Wire:
    loop = asyncio.get_running_loop()

    def make() -> Wire:
        return Wire(Framer(BACKEND_KINDS, max_message))

    if upstream.host.startswith("/"):
        _, wire = await loop.create_unix_connection(make, f"{upstream.host}/.s.PGSQL.{upstream.port}")
        return wire
    _, wire = await loop.create_connection(make, upstream.host, upstream.port)
    if upstream.tls != "disable":
        try:
            await _encrypt(wire, upstream)
        except BaseException:
            wire.abort()
            raise
    return wire


async def _encrypt(wire: Wire, upstream: PostgresUpstream) -> None:
    wire.write(pack("!II", 8, Request.SSL))
    answer = await wire.read_exactly(1)
    if answer == b"S":
        context = _context(upstream)
        await wire.start_tls(context, server_side=False, hostname=upstream.host, seconds=_SECONDS)
    elif answer != b"N":
        raise ProtocolViolation("the server's answer to the request for encryption is not one")
    elif upstream.tls != "prefer":
        raise UpstreamRefused("the server does not offer TLS, and the configuration requires it")


def _context(upstream: PostgresUpstream) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=upstream.ca)
    if upstream.tls != "verify":
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


async def _start(
    connection: UpstreamConnection, account: UpstreamAccount, parameters: Mapping[str, str]
) -> None:
    everything = {**parameters, "user": account.user, "database": connection.address.database}
    pairs = b"".join(
        messages.cstring(name.encode()) + messages.cstring(value.encode())
        for name, value in everything.items()
    )
    connection.wire.write(pack("!II", 9 + len(pairs), _VERSION) + pairs + b"\0")
    login = _Login(account)
    while True:
        for message in await connection.wire.read():
            match message[0]:
                case Backend.AUTHENTICATION:
                    connection.wire.write(login.answer(message))
                case Backend.PARAMETER_STATUS:
                    name, value = messages.parse_parameter_status(message)
                    connection.parameters[name] = value
                case Backend.BACKEND_KEY_DATA:
                    (connection.pid,), connection.key = unpack_from("!I", message, 5), message[9:]
                case Backend.ERROR_RESPONSE:
                    raise _refused(parse_report(message))
                case Backend.READY_FOR_QUERY:
                    if not login.done:
                        raise ProtocolViolation("the server is ready before anybody was authenticated")
                    return
                case Backend.NOTICE_RESPONSE:
                    pass
                case kind:
                    raise ProtocolViolation(
                        f"the server sent a message of type {chr(kind)!r} during start-up"
                    )


class _Login:
    """The gateway's side of authentication to the server: SCRAM-SHA-256, or nothing where the server
    trusts.
    """

    def __init__(self, account: UpstreamAccount) -> None:
        self._account = account
        self._scram: scramp.ScramClient | None = None
        self._proven = False
        self.done = False

    def answer(self, message: bytes) -> bytes:
        """The answer to an Authentication message. Raises `UpstreamRefused` and `ProtocolViolation`."""
        reader = messages.Reader(message)
        kind, data = reader.uint32(), reader.rest()
        try:
            if kind == Authentication.OK:
                return self._let_in()
            if kind == Authentication.SASL:
                return self._first(data)
            if kind == Authentication.SASL_CONTINUE and self._scram is not None:
                self._scram.set_server_first(data.decode())
                return messages.password(self._scram.get_client_final().encode())
            if kind == Authentication.SASL_FINAL and self._scram is not None:
                self._scram.set_server_final(data.decode())
                self._proven = True
                return b""
        except (scramp.ScramException, UnicodeDecodeError) as error:
            raise UpstreamRefused(f"authentication to the server failed: {error}") from error
        raise UpstreamRefused(f"the server wants {_METHODS.get(kind, kind)}; only SCRAM-SHA-256 is accepted")

    def _let_in(self) -> bytes:
        if self._scram is not None and not self._proven:
            raise UpstreamRefused("the server let the gateway in without proving that it knows the password")
        self.done = True
        return b""

    def _first(self, mechanisms: bytes) -> bytes:
        if self._account.password is None:
            raise UpstreamRefused("the server wants a password, and the configuration has none")
        if _MECHANISM.encode() not in mechanisms.split(b"\0"):
            raise UpstreamRefused("the server does not offer SCRAM-SHA-256")
        password = self._account.password.get_secret_value()
        self._scram = scramp.ScramClient([_MECHANISM], self._account.user, password)
        first = self._scram.get_client_first().encode()
        return messages.password(messages.cstring(_MECHANISM.encode()) + pack("!I", len(first)) + first)


def _refused(report: Report) -> UpstreamRefused:
    # Authentication errors would name the account: they are for the operator, not for the caller.
    if report.sqlstate.startswith("28"):
        return UpstreamRefused(f"the server refused the gateway's account: {report.message}")
    return UpstreamRefused(f"the server refused the connection: {report.message}", report)
