"""The way to the server for the parts of a session: everything sent is entered in the pipeline first."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from doorward_gateway.errors import GatewayError
from doorward_gateway.postgres import messages
from doorward_gateway.postgres.operation import Refused
from doorward_gateway.postgres.pipeline import Awaited, Expected, Pipeline
from doorward_gateway.postgres.protocol import SqlState
from doorward_gateway.postgres.statements import Prepared
from doorward_gateway.postgres.upstream import query_text
from doorward_gateway.postgres.wire import Wire

__all__ = ["OWN_NAME", "Link"]

OWN_NAME: Final = b"doorward:own"
"""The name of the gateway's own statements and portals; clients cannot use it."""

# The server answers this with a syntax error in every state, and so takes a refusal exactly as it takes an
# error of its own: the transaction fails, the pipeline is skipped, the order of answers holds.
_REFUSED: Final = b"refused by doorward"


class Link:
    """The server's side of one session."""

    def __init__(self, server: Wire, pipeline: Pipeline) -> None:
        self._server = server
        self.pipeline = pipeline

    def send(self, message: bytes, expected: Expected | None = None) -> None:
        """Sends a message whose answer is to be treated as `expected` says."""
        if expected is not None:
            self.pipeline.expect(expected)
        self._server.write(message)

    async def drain(self) -> None:
        """Waits while the server is too slow."""
        await self._server.drain()

    def refuse_query(self, refused: Refused) -> None:
        """Lets the server fail in place of a simple query, so that the client is told of the refusal in its
        turn.
        """
        self.send(messages.query(_REFUSED), Expected(Awaited.QUERY, refusal=refused.report))

    def refuse_extended(self, refused: Refused) -> None:
        """The same within the extended protocol: the rest up to Sync is skipped."""
        self.send(
            messages.Parse(OWN_NAME, _REFUSED).encode(), Expected(Awaited.PARSE, refusal=refused.report)
        )
        self.pipeline.fail()

    async def settle(self) -> None:
        """Waits until the server has answered everything so far."""
        if len(self.pipeline):
            self._server.write(messages.flush())
        await self.pipeline.settled()

    async def describe(self, prepared: Prepared) -> None:
        """Makes sure that the shape of a prepared statement is known. Raises `SegmentFailed`."""
        if prepared.described:
            return
        outcome = self.ask_shape(prepared)
        self._server.write(messages.flush())
        await outcome

    def ask_shape(self, prepared: Prepared) -> asyncio.Future[None]:
        """Asks for the shape of a prepared statement, behind the client's back."""
        outcome = _future()
        expected = Expected(Awaited.DESCRIBE, prepared=prepared, hidden=True, outcome=outcome)
        self.send(messages.describe(b"S", prepared.name), expected)
        return outcome

    async def run(self, statements: Sequence[str]) -> list[list[tuple[str | None, ...]]]:
        """Runs statements of the gateway's own, one after another, in the client's transaction if there is
        one.

        Returns the rows of each. Raises `SegmentFailed` if the client's own messages failed before,
        `Refused` if the server does not do it.
        """
        within = self.pipeline.open  # the client has not ended its segment: it must not be ended for it
        results: list[list[bytes]] = []
        last = _future()
        # What an earlier sequence may have left behind when the server broke it off.
        self.send(messages.close(b"S", OWN_NAME), Expected(Awaited.CLOSE, hidden=True, outcome=last))
        for statement in statements:
            rows: list[bytes] = []
            results.append(rows)
            self.send(
                messages.Parse(OWN_NAME, statement.encode()).encode(), Expected(Awaited.PARSE, hidden=True)
            )
            self.send(
                messages.Bind(OWN_NAME, OWN_NAME, (), (), ()).encode(), Expected(Awaited.BIND, hidden=True)
            )
            self.send(messages.Execute(OWN_NAME).encode(), Expected(Awaited.EXECUTE, hidden=True, rows=rows))
            self.send(messages.close(b"P", OWN_NAME), Expected(Awaited.CLOSE, hidden=True))
            last = _future()
            self.send(messages.close(b"S", OWN_NAME), Expected(Awaited.CLOSE, hidden=True, outcome=last))
        if within:
            self._server.write(messages.flush())
        else:
            self.send(messages.sync(), Expected(Awaited.SYNC, hidden=True))
        await self._outcome(last, within)
        return [[query_text(row) for row in rows] for rows in results]

    async def _outcome(self, last: asyncio.Future[None], within: bool) -> None:
        try:
            await last
        except GatewayError as error:
            if within:
                raise
            raise Refused.because(
                SqlState.ENGINE_UNAVAILABLE,
                "doorward: the state of the session cannot be read, so the statement is refused",
                hint="the server did not answer a question of the gateway",
            ) from error


def _future() -> asyncio.Future[None]:
    return asyncio.get_running_loop().create_future()
