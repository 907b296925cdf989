"""Where credentials are kept: their hashes, never the secrets."""

from __future__ import annotations

import hashlib
import secrets
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import orjson

from doorward_gateway.attribution import Attribution
from doorward_gateway.clock import Clock, system_clock
from doorward_gateway.credentials.grant import Grant, Issued
from doorward_gateway.errors import CredentialRefusal, CredentialRefused
from doorward_gateway.state import Database

__all__ = ["SECRET_PREFIX", "CredentialState", "CredentialStore"]

SECRET_PREFIX = "dwc_"  # noqa: S105
"""What every secret begins with, so that a scanner for leaked secrets can find it."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS credential (
    id            TEXT PRIMARY KEY,
    secret_sha256 BLOB NOT NULL UNIQUE,
    principal     TEXT NOT NULL,
    resource      TEXT NOT NULL,
    attribution   TEXT NOT NULL,
    role          TEXT NOT NULL,
    single_use    INTEGER NOT NULL,
    issued_ns     INTEGER NOT NULL,
    expires_ns    INTEGER NOT NULL,
    uses          INTEGER NOT NULL DEFAULT 0,
    last_used_ns  INTEGER,
    revoked_ns    INTEGER
) STRICT;
CREATE INDEX IF NOT EXISTS credential_by_expiry ON credential (expires_ns);
"""

_INSERT = """
INSERT INTO credential
    (id, secret_sha256, principal, resource, attribution, role, single_use, issued_ns, expires_ns)
VALUES (:id, :digest, :principal, :resource, :attribution, :role, :single_use, :issued_ns, :expires_ns)
"""
_REDEEM = """
UPDATE credential SET uses = uses + 1, last_used_ns = :now
WHERE secret_sha256 = :digest AND resource = :resource AND revoked_ns IS NULL AND expires_ns > :now
    AND (uses = 0 OR NOT single_use) AND (:purpose IS NULL OR attribution ->> '$.purpose' IS :purpose)
RETURNING *
"""
_REVOKE = """
UPDATE credential SET revoked_ns = :now
WHERE id = :id AND revoked_ns IS NULL AND expires_ns > :now AND (uses = 0 OR NOT single_use)
"""

_KEEP_NS = 86_400 * 1_000_000_000
"""How long a credential that has expired is kept, so that a refusal can say why."""

_REFUSALS: dict[CredentialRefusal, str] = {
    "unknown": "the credential is not known",
    "expired": "the credential has expired",
    "used": "the credential has been used already, and it was for one use",
    "revoked": "the credential has been revoked",
    "wrong resource": "the credential is for another resource",
    "wrong purpose": "the credential is for another purpose",
}


@dataclass(frozen=True, slots=True)
class CredentialState:
    """A credential as lists show it."""

    grant: Grant
    state: Literal["live", "used", "expired", "revoked"]
    uses: int
    last_used_ns: int | None


class CredentialStore:
    """Issues, redeems and revokes credentials. Safe across threads and processes that share the file."""

    def __init__(self, database: Database, *, clock: Clock = system_clock) -> None:
        self._database = database
        self._clock = clock

    @classmethod
    async def open(cls, path: Path, *, clock: Clock = system_clock) -> CredentialStore:
        """The store in the SQLite file `path`, made if absent. Raises `StateUnavailable`."""
        return cls(await Database.open(path, _SCHEMA), clock=clock)

    async def close(self) -> None:
        """Closes the file."""
        await self._database.close()

    async def issue(
        self,
        *,
        principal: Mapping[str, Any],
        resource: str,
        attribution: Attribution,
        ttl_ms: int,
        single_use: bool,
        role: str = "",
    ) -> Issued:
        """Makes a credential for the identity whose principal document this is, good for `ttl_ms` from now.

        The secret is in the answer and nowhere else. Raises `StateUnavailable`.
        """
        if ttl_ms <= 0:
            raise ValueError("a credential needs a time to live")
        secret = SECRET_PREFIX + secrets.token_urlsafe(32)
        now = self._clock()
        grant = Grant(
            credential_id="crd_" + secrets.token_hex(8),
            principal=dict(principal),
            resource=resource,
            attribution=attribution,
            role=role,
            single_use=single_use,
            issued_at_ns=now,
            expires_at_ns=now + ttl_ms * 1_000_000,
        )
        row = {
            "id": grant.credential_id,
            "digest": _digest(secret),
            "principal": orjson.dumps(grant.principal).decode(),
            "resource": resource,
            "attribution": orjson.dumps(attribution.document()).decode(),
            "role": role,
            "single_use": single_use,
            "issued_ns": now,
            "expires_ns": grant.expires_at_ns,
        }
        old = {"before": now - _KEEP_NS}

        def work(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM credential WHERE expires_ns <= :before", old)
            connection.execute(_INSERT, row)

        await self._database.write(work)
        return Issued(secret, grant)

    async def redeem(self, secret: str, resource: str, *, purpose: str | None = None) -> Grant:
        """Uses a credential once for `resource`, and for `purpose` where the caller states one.

        Of any number of threads and processes that redeem a single-use credential, one gets the grant. A
        refusal uses nothing up. Raises `CredentialRefused` and `StateUnavailable`.
        """
        digest, now = _digest(secret), self._clock()

        values = {"digest": digest, "resource": resource, "purpose": purpose, "now": now}

        def work(connection: sqlite3.Connection) -> Grant | CredentialRefusal:
            taken = connection.execute(_REDEEM, values).fetchall()
            if taken:
                return _grant(taken[0])
            row = connection.execute("SELECT * FROM credential WHERE secret_sha256 = ?", (digest,)).fetchone()
            return _refusal(row, resource, now)

        outcome = await self._database.write(work)
        if isinstance(outcome, Grant):
            return outcome
        raise CredentialRefused(outcome, _REFUSALS[outcome])

    async def revoke(self, credential_id: str) -> bool:
        """Makes a credential useless from now on; `False` if there was nothing left to revoke."""
        values = {"id": credential_id, "now": self._clock()}
        revoked = await self._database.write(lambda connection: connection.execute(_REVOKE, values).rowcount)
        return revoked > 0

    async def ping(self) -> None:
        """Raises `StateUnavailable` when the store cannot be read."""
        await self._database.data_version()

    async def entries(self, *, live_only: bool = True) -> list[CredentialState]:
        """The credentials that are kept, newest first."""
        now = self._clock()
        rows = await self._database.read(
            lambda connection: connection.execute(
                "SELECT * FROM credential ORDER BY issued_ns DESC, id"
            ).fetchall()
        )
        states = [
            CredentialState(_grant(row), _state(row, now), row["uses"], row["last_used_ns"]) for row in rows
        ]
        return [state for state in states if state.state == "live" or not live_only]


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()


def _grant(row: sqlite3.Row) -> Grant:
    return Grant(
        credential_id=row["id"],
        principal=orjson.loads(row["principal"]),
        resource=row["resource"],
        attribution=Attribution.of(orjson.loads(row["attribution"])),
        role=row["role"],
        single_use=bool(row["single_use"]),
        issued_at_ns=row["issued_ns"],
        expires_at_ns=row["expires_ns"],
    )


def _state(row: sqlite3.Row, now: int) -> Literal["live", "used", "expired", "revoked"]:
    if row["revoked_ns"] is not None:
        return "revoked"
    if row["single_use"] and row["uses"]:
        return "used"
    return "expired" if row["expires_ns"] <= now else "live"


def _refusal(row: sqlite3.Row | None, resource: str, now: int) -> CredentialRefusal:
    if row is None:
        return "unknown"
    state = _state(row, now)
    if state != "live":
        return state
    return "wrong resource" if row["resource"] != resource else "wrong purpose"
