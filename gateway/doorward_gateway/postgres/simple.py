"""The simple query protocol: one text, decided as one operation before any of it is forwarded."""

from __future__ import annotations

from doorward_gateway.postgres.gate import Gate
from doorward_gateway.postgres.link import Link
from doorward_gateway.postgres.messages import parse_query
from doorward_gateway.postgres.operation import Refused, Request
from doorward_gateway.postgres.pipeline import Awaited, Expected
from doorward_gateway.postgres.protocol import SqlState
from doorward_gateway.postgres.surroundings import ServerSurroundings

__all__ = ["SimpleFlow", "statement_text"]


def statement_text(data: bytes) -> str:
    """The text of a statement. Raises `Refused` if it is not UTF-8: what is analysed must be what the server
    sees.
    """
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise Refused.because(SqlState.BAD_ENCODING, 'invalid byte sequence for encoding "UTF8"') from None


class SimpleFlow:
    """Query and FunctionCall messages of one session."""

    def __init__(self, gate: Gate, link: Link, surroundings: ServerSurroundings) -> None:
        self._gate = gate
        self._link = link
        self._surroundings = surroundings

    async def query(self, message: bytes) -> None:
        """A Query message."""
        try:
            considered = await self._gate.consider(Request(statement_text(parse_query(message))))
            operation = await self._gate.admit(considered)
        except Refused as refused:
            self._link.refuse_query(refused)
            return
        self._surroundings.after(operation.considered.facts)
        self._link.send(message, Expected(Awaited.QUERY, operation=operation))

    async def function_call(self, message: bytes) -> None:
        """A FunctionCall message: it names a function by number only, and is not for use any more."""
        try:
            await self._gate.refuse(
                Request("/* function call by number */"),
                Refused.because(
                    SqlState.BLOCKED,
                    "doorward: blocked: function calls of the old protocol are not passed on",
                ),
            )
        except Refused as refused:
            self._link.refuse_query(refused)
