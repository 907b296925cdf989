"""What decisions need to know of a session: its settings and its catalogue, kept as the server has them.

Nothing is guessed from the text of statements. When the facts of one say that it may have changed something,
the server is asked before the next decision, on the session's own connection and within its own transaction.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final

from doorward_gateway.client import AsyncClient
from doorward_gateway.postgres.catalogue import CATALOGUE_BEGIN, CATALOGUE_END, CATALOGUE_QUERIES
from doorward_gateway.postgres.catalogues import ResourceCatalogue, describe_rows
from doorward_gateway.postgres.link import OWN_NAME, Link
from doorward_gateway.postgres.operation import Refused
from doorward_gateway.postgres.pipeline import SegmentFailed
from doorward_gateway.postgres.protocol import SqlState
from doorward_gateway.postgres.settings import SETTINGS_QUERY, SessionSettings, changes_settings

__all__ = ["ServerSurroundings"]

_HIDDEN: Final = frozenset((OWN_NAME.decode(),))
_SAVEPOINT: Final = '"doorward:own"'
_TRANSACTION_ENDS: Final = frozenset(("commit", "rollback", "rollback_to", "prepare_transaction", "discard"))


class ServerSurroundings:
    """The surroundings of one session."""

    def __init__(
        self, link: Link, resource: ResourceCatalogue, engine: AsyncClient, *, database: str
    ) -> None:
        self._link = link
        self._resource = resource
        self._engine = engine
        self._database = database
        self._settings = SessionSettings()
        self._settings_stale = True
        self._temporary = False  # something was set that the end of the transaction takes back
        self._schema_stale = False
        self._own = ""  # the catalogue as this session alone sees it, once it has changed the schema itself

    @property
    def catalogue(self) -> str:
        """The content hash of the catalogue that the statements are read against."""
        return self._own or self._resource.hash

    @property
    def cursors(self) -> Collection[str]:
        """The names of the open cursors and portals, as of the last `freshen`."""
        return self._settings.cursors.keys()

    def document(self) -> dict[str, Any]:
        """The settings, as in the `postgres` part of an access request."""
        return {**self._settings.document(), "database": self._database}

    def after(self, facts: Mapping[str, Any]) -> None:
        """A statement with those `sql` facts is about to run."""
        kinds = frozenset(facts.get("statements", ()))
        if changes_settings(facts, temporary=self._temporary):
            self._settings_stale = self._temporary = True
        changed = facts.get("opaque", True) or facts.get("changes_schema", True)
        if changed or (self._own and kinds & _TRANSACTION_ENDS):
            self._schema_stale = True
            self._resource.invalidate()

    def reported(self, name: str, value: str) -> None:
        """The server has reported a setting unasked."""
        if name in ("search_path", "standard_conforming_strings", "session_authorization"):
            self._settings_stale = True

    async def freshen(self) -> None:
        """Asks the server for whatever may have changed. Raises `Refused` and `SegmentFailed`."""
        if self._settings_stale or self._schema_stale:
            await self._link.settle()
            if self._link.pipeline.failed:
                raise SegmentFailed("an earlier message of this segment has failed")
            if (
                self._link.pipeline.status != b"E"
            ):  # a failed transaction answers nothing, nor does it run anything
                await self._freshen_settings()
                await self._freshen_schema()
        if not self._own:
            await self._resource.current()

    async def holds(self, name: bytes, text: str, *, cursor: bool) -> bool:
        """Whether a prepared statement or portal is still of that text, as far as the server has told.

        SQL can take a name away (`DEALLOCATE`, `CLOSE`) and give it to something else (`PREPARE`, `DECLARE`); the
        masks of the one must not be taken for those of the other. Raises `Refused` and `SegmentFailed`.
        """
        if not name:
            return True  # no SQL can name these
        await self.freshen()
        known = self._settings.cursors if cursor else self._settings.prepared
        return known.get(name.decode(errors="replace"), text) == text

    async def reread(self) -> bool:
        """Reads the catalogue again; whether it is another one. Raises `Refused` and `SegmentFailed`."""
        before = self.catalogue
        if self._own:
            if self._link.pipeline.open or self._link.pipeline.status == b"E":
                return False
            self._schema_stale = True
            await self._freshen_schema()
        else:
            await self._resource.reread()
        return self.catalogue != before

    async def _freshen_settings(self) -> None:
        if self._settings_stale:
            (rows,) = await self._link.run([SETTINGS_QUERY])
            self._settings = SessionSettings.read(rows, hidden=_HIDDEN)
            self._settings_stale = False

    async def _freshen_schema(self) -> None:
        if not self._schema_stale:
            return
        if self._link.pipeline.open:
            raise Refused.because(
                SqlState.NOT_SUPPORTED,
                "doorward: a statement behind a schema change in the same pipeline cannot be analysed",
                hint="send a Sync between them",
            )
        begin, end = list(CATALOGUE_BEGIN), [CATALOGUE_END]
        within = self._link.pipeline.status == b"T"
        if within:
            begin[0] = f"SAVEPOINT {_SAVEPOINT}"
            end = [f"ROLLBACK TO SAVEPOINT {_SAVEPOINT}", f"RELEASE SAVEPOINT {_SAVEPOINT}"]
        try:
            results = await self._link.run([*begin, *CATALOGUE_QUERIES.values(), *end])
        except Refused:
            if not within:
                await self._link.run(["ROLLBACK"])
            raise
        self._own = await describe_rows(self._engine, results[len(begin) : -len(end)])
        self._schema_stale = False
        if not within:
            self._resource.invalidate()
