"""Upstream access made for one session: a role of its own, lent when the session begins and taken back when it ends.

The role can log in once, with a random password that nobody else ever sees, until the credential expires; it is a member of
the role that was decided on and acts as that one from its first statement. Taking it back ends whatever still runs under
it. What a crash left is swept up: the names say which node lent them, and the server knows until when.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import secrets
from collections.abc import Callable
from contextlib import suppress
from typing import Final

import structlog
from pydantic import SecretStr

from doorward_gateway.clock import Clock, rfc3339
from doorward_gateway.config import PostgresUpstream, UpstreamAccount
from doorward_gateway.postgres.upstream import UpstreamConnection, UpstreamRefused, connect

__all__ = ["Lending"]

_PREFIX: Final = "doorward_"
_NAMES: Final = f"^{_PREFIX}[0-9a-f]{{12}}_[0-9a-f]{{16}}$"
_ITERATIONS: Final = 4096  # of a password that cannot be guessed: more would only make logging in slower
_AT_ONCE: Final = 4
_PATIENCE: Final = 10.0
_SWEEP_SECONDS: Final = 60.0
_PARAMETERS: Final = {"application_name": "doorward", "client_encoding": "UTF8"}

_MEMBER_OF: Final = (
    "SELECT m.rolname FROM pg_roles r LEFT JOIN pg_auth_members a ON a.member = r.oid"
    " LEFT JOIN pg_roles m ON m.oid = a.roleid WHERE r.rolname = "
)
_END_BACKENDS: Final = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = "
_LENT: Final = "SELECT rolname, coalesce(rolvaliduntil < now() - interval '1 minute', false) FROM pg_roles WHERE rolname ~ "

_log = structlog.get_logger(__name__)


class Lending:
    """The lending of one resource's roles by one node, through the account `admin`; for one event loop.

    `lives` says whether a session is still there.
    """

    def __init__(
        self,
        upstream: PostgresUpstream,
        admin: UpstreamAccount,
        *,
        node: str,
        clock: Clock,
        lives: Callable[[str], bool],
    ) -> None:
        self._upstream = upstream
        self._admin = admin
        self._mark = f"{_PREFIX}{hashlib.sha256(node.encode()).hexdigest()[:12]}_"
        self._clock = clock
        self._lives = lives
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._sweeping: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begins to sweep up what earlier runs have left, now and every minute."""
        self._sweeping = asyncio.create_task(self._sweep_again_and_again(), name="sweep-roles")

    async def close(self) -> None:
        """Ends the sweeping; what is lent stays lent until its session ends."""
        if self._sweeping is not None:
            self._sweeping.cancel()
            with suppress(asyncio.CancelledError):
                await self._sweeping

    async def lend(self, session_id: str, member_of: str, expires_at_ns: int) -> UpstreamAccount:
        """A role for one session. Raises `UpstreamRefused`; then there is none."""
        name = self._mark + session_id.removeprefix("ses_")
        password = secrets.token_urlsafe(32)
        statements = (
            "BEGIN",
            f"CREATE ROLE {_name(name)} LOGIN INHERIT NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS"
            f" CONNECTION LIMIT 1 PASSWORD {_text(_verifier(password))}"
            f" VALID UNTIL {_text(rfc3339(expires_at_ns))} IN ROLE {_name(member_of)}",
            # so that what it makes belongs to the role that was decided on, and rights and policies are those of that one
            f"ALTER ROLE {_name(name)} SET role = {_text(member_of)}",
            "COMMIT",
        )
        await self._run(*statements)
        return UpstreamAccount.model_construct(user=name, password=SecretStr(password))

    async def take_back(self, name: str) -> None:
        """Ends whatever runs under the role and drops it, what it owns left to the role it was a member of.

        Raises `UpstreamRefused`; then the next sweep takes it up.
        """
        async with self._turns, asyncio.timeout(_PATIENCE * 2):
            connection = await self._connection()
            try:
                await self._drop(connection, name)
            finally:
                connection.close()

    async def _drop(self, connection: UpstreamConnection, name: str) -> None:
        rows = await connection.query(_MEMBER_OF + _text(name))
        if not rows:
            return  # somebody else has been here
        await connection.query(f"ALTER ROLE {_name(name)} NOLOGIN")
        await self._end_backends(connection, name)
        try:
            await connection.query(f"DROP ROLE {_name(name)}")
        except UpstreamRefused:
            heir = next((row[0] for row in rows if row[0]), None)
            if heir is None:
                raise
            await connection.query(f"GRANT {_name(name)} TO CURRENT_USER")
            await connection.query(f"REASSIGN OWNED BY {_name(name)} TO {_name(heir)}")
            await connection.query(f"DROP OWNED BY {_name(name)}")
            await connection.query(f"DROP ROLE {_name(name)}")

    async def _end_backends(self, connection: UpstreamConnection, name: str) -> None:
        end = _END_BACKENDS + _text(name)
        async with asyncio.timeout(_PATIENCE):
            while await connection.query(end):  # noqa: ASYNC110 - nothing tells when a backend is gone
                await asyncio.sleep(0.02)

    # --- sweeping ---

    async def _sweep_again_and_again(self) -> None:
        while True:
            try:
                await self.sweep()
            except (UpstreamRefused, TimeoutError) as error:
                _log.warning("roles not swept", host=self._upstream.host, reason=str(error))
            await asyncio.sleep(_SWEEP_SECONDS)

    async def sweep(self) -> list[str]:
        """Takes back what this node has lent to sessions that are over, and what any node has lent and has expired.

        Returns the names. Raises `UpstreamRefused`.
        """
        found = await self._run(_LENT + _text(_NAMES))
        swept = []
        for name, expired in found:
            own = name is not None and name.startswith(self._mark)
            over = own and not self._lives(f"ses_{name[len(self._mark) :]}")  # type: ignore[index] # not None: `own`
            if name is not None and (over or expired == "t"):
                await self.take_back(name)
                swept.append(name)
        if swept:
            _log.info("roles swept", host=self._upstream.host, roles=len(swept))
        return swept

    # --- the administrator's connection ---

    async def _run(self, *statements: str) -> list[tuple[str | None, ...]]:
        """The rows of the last statement. Raises `UpstreamRefused`."""
        async with self._turns:
            connection = await self._connection()
            try:
                rows: list[tuple[str | None, ...]] = []
                for statement in statements:
                    rows = await connection.query(statement)
                return rows
            finally:
                connection.close()

    async def _connection(self) -> UpstreamConnection:
        return await connect(self._upstream, self._admin, _PARAMETERS)


def _name(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _text(text: str) -> str:
    """A literal, for a connection whose `standard_conforming_strings` is on, as it has been by default since 9.1."""
    return "'" + text.replace("'", "''") + "'"


def _verifier(password: str) -> str:
    """What the server stores of a password (RFC 5803), so that the password itself reaches neither it nor its log."""
    salt = secrets.token_bytes(16)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, _ITERATIONS)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    parts = (salt, stored, hmac.digest(salted, b"Server Key", "sha256"))
    salted_as, stored_as, served_as = (base64.b64encode(part).decode() for part in parts)
    return f"SCRAM-SHA-256${_ITERATIONS}:{salted_as}${stored_as}:{served_as}"
