"""The extended query protocol: decided when a statement is parsed, when it is bound, and when it is executed.

The policy may have changed since a statement was prepared, and only a bound statement has its parameters; so
masks are settled at Bind, consent is asked for at Execute, and a portal that is executed again is decided
again.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Final

from doorward_gateway.postgres import messages
from doorward_gateway.postgres.gate import Gate
from doorward_gateway.postgres.link import OWN_NAME, Link
from doorward_gateway.postgres.operation import Considered, Refused, Request
from doorward_gateway.postgres.pipeline import Awaited, Expected, Names
from doorward_gateway.postgres.plan import MaskedResult, MaskPlan
from doorward_gateway.postgres.protocol import Frontend, SqlState
from doorward_gateway.postgres.rows import Shape, format_of, formatted
from doorward_gateway.postgres.simple import statement_text
from doorward_gateway.postgres.statements import Portal, Prepared
from doorward_gateway.postgres.surroundings import ServerSurroundings
from doorward_gateway.postgres.values import abridged, readable

__all__ = ["ExtendedFlow"]

_TEXT: Final = 0
_MAX_PARAMETER: Final = 16 << 10
"""Of a longer value the engine, approvers and the record get a digest, to which consent is bound just the same."""


class ExtendedFlow:
    """Parse, Bind, Describe, Execute and Close messages of one session."""

    def __init__(self, gate: Gate, link: Link, surroundings: ServerSurroundings, *, key: bytes) -> None:
        self._gate = gate
        self._link = link
        self._surroundings = surroundings
        self._key = key
        self._pipeline = link.pipeline
        self._handlers: dict[int, Callable[[bytes], Awaitable[None]]] = {
            Frontend.PARSE: self._parse,
            Frontend.BIND: self._bind,
            Frontend.DESCRIBE: self._describe,
            Frontend.EXECUTE: self._execute,
            Frontend.CLOSE: self._close,
        }

    async def handle(self, message: bytes) -> None:
        """One of those messages. Raises `SegmentFailed` if an earlier one of the segment turns out to have
        failed.
        """
        try:
            await self._handlers[message[0]](message)
        except Refused as refused:
            self._link.refuse_extended(refused)

    # --- statements ---

    async def _parse(self, message: bytes) -> None:
        parse = messages.parse_parse(message)
        _require_free(parse.name)
        considered = await self._gate.consider(Request(statement_text(parse.statement), extended=True))
        prepared = Prepared(parse.name, considered.request.statement, parse.types, considered.plan)
        self._pipeline.statements.ask(parse.name, self._pipeline.segment, prepared)
        self._link.send(message, Expected(Awaited.PARSE, prepared=prepared))
        if prepared.plan.masks:
            self._link.ask_shape(prepared)  # masks at Bind need it; asked now, it costs no waiting

    async def _bind(self, message: bytes) -> None:
        bind = messages.parse_bind(message)
        _require_free(bind.portal)
        prepared = await self._prepared(bind.statement)
        parameters = await self._parameters(prepared, bind)
        considered = await self._gate.consider(Request(prepared.text, parameters, extended=True))
        portal = Portal(bind.portal, prepared, bind, parameters, considered, self._pipeline.segment)
        formats = bind.result_formats
        if considered.plan.masks or (prepared.told is not None and prepared.plan.masks):
            await self._link.describe(prepared)
            plan = self._plan(portal, considered)
            masks = plan.columns(0, prepared.shape)
            if any(mask is not None for mask in masks):
                formats = MaskedResult.server_formats(masks, bind.result_formats)
        if formats is not bind.result_formats:
            portal.bind = replace(bind, result_formats=formats)
        if prepared.described:
            portal.shape = formatted(prepared.shape, formats)
        portal.plan = self._plan(portal, considered)
        portal.masked = self._masked(portal, portal.plan, bind.result_formats)
        self._pipeline.portals.ask(bind.portal, self._pipeline.segment, portal)
        sent = message if formats is bind.result_formats else portal.bind.encode()
        self._link.send(sent, Expected(Awaited.BIND, portal=portal))

    async def _execute(self, message: bytes) -> None:
        execute = messages.parse_execute(message)
        portal = await self._portal(execute.portal)
        considered = portal.considered
        if portal.used or portal.segment != self._pipeline.segment:
            considered = await self._gate.consider(considered.request)
        portal.used = True
        operation = await self._gate.admit(considered)
        operation.plan = self._plan(portal, operation.considered) | portal.plan
        if operation.plan.masks and portal.shape is None:
            await self._link.describe(portal.prepared)
            portal.shape = formatted(portal.prepared.shape, portal.bind.result_formats)
        operation.shape = portal.shape
        if operation.considered is portal.considered:
            operation.masked = portal.masked
        else:
            # What the client was told of the portal holds: values of masks that came later have to fit it.
            told = portal.masked.told if portal.masked is not None else portal.shape
            operation.masked = self._masked(portal, operation.plan, None, told)
        self._surroundings.after(operation.considered.facts)
        self._link.send(message, Expected(Awaited.EXECUTE, operation=operation, portal=portal))

    async def _describe(self, message: bytes) -> None:
        target = messages.parse_describe(message)
        if target.what == b"S":
            prepared = await self._prepared(target.name)
            self._link.send(message, Expected(Awaited.DESCRIBE, prepared=prepared))
        elif await self._is_cursor(target.name):
            await self._describe_cursor(message, target.name)
        else:
            portal = await self._portal(target.name)
            self._link.send(message, Expected(Awaited.DESCRIBE, prepared=portal.prepared, portal=portal))

    async def _describe_cursor(self, message: bytes, name: bytes) -> None:
        """Describe for a cursor made by DECLARE: its columns have the types that FETCH will announce."""
        quoted = statement_text(name).replace('"', '""')
        considered = await self._gate.consider(Request(f'FETCH NEXT FROM "{quoted}"', extended=True))
        cursor = Prepared(name, considered.request.statement, (), considered.plan)
        self._link.send(message, Expected(Awaited.DESCRIBE, prepared=cursor))

    async def _close(self, message: bytes) -> None:
        target = messages.parse_close(message)
        _require_free(target.name)
        segment = self._pipeline.segment
        if target.what == b"S":
            self._pipeline.statements.ask(target.name, segment, None)
        else:
            self._pipeline.portals.ask(target.name, segment, None)
        self._link.send(message, Expected(Awaited.CLOSE, closes=(target.what, target.name)))

    # --- names and values ---

    async def _prepared(self, name: bytes) -> Prepared:
        await self._certain(self._pipeline.statements, name)
        prepared = self._pipeline.statements.get(name)
        if prepared is None or not await self._surroundings.holds(name, prepared.text, cursor=False):
            shown = name.decode(errors="replace")
            raise Refused.because(SqlState.UNKNOWN_STATEMENT, f'prepared statement "{shown}" does not exist')
        return prepared

    async def _portal(self, name: bytes) -> Portal:
        await self._certain(self._pipeline.portals, name)
        portal = self._pipeline.portals.get(name)
        if portal is None or not await self._surroundings.holds(name, portal.prepared.text, cursor=True):
            raise Refused.because(
                SqlState.UNKNOWN_PORTAL, f'portal "{name.decode(errors="replace")}" does not exist'
            )
        return portal

    async def _is_cursor(self, name: bytes) -> bool:
        """Whether the name is that of a cursor made by DECLARE, and not of a portal made by Bind."""
        if name in self._pipeline.portals:
            return False
        await self._surroundings.freshen()
        return name.decode(errors="replace") in self._surroundings.cursors

    async def _certain(self, names: Names[Prepared] | Names[Portal], name: bytes) -> None:
        if not names.certain(name, self._pipeline.segment):
            await self._link.settle()

    async def _parameters(self, prepared: Prepared, bind: messages.Bind) -> tuple[str | None, ...]:
        """The bound values as text."""
        binary = [format_of(bind.parameter_formats, index) != _TEXT for index in range(len(bind.parameters))]
        if any(
            coded and prepared.parameter_type(index) == 0 and bind.parameters[index] is not None
            for index, coded in enumerate(binary)
        ):
            await self._link.describe(prepared)
        return tuple(
            abridged(readable(prepared.parameter_type(index), value, binary[index]), _MAX_PARAMETER)
            for index, value in enumerate(bind.parameters)
        )

    # --- masks ---

    def _plan(self, portal: Portal, considered: Considered) -> MaskPlan:
        """The masks in force; once the client has been told of some at Describe, those stay for this
        statement.
        """
        prepared = portal.prepared
        return considered.plan if prepared.told is None else considered.plan | prepared.plan

    def _masked(
        self, portal: Portal, plan: MaskPlan, formats: tuple[int, ...] | None, told: Shape | None = None
    ) -> MaskedResult | None:
        if not plan.masks or portal.shape is None:
            return None
        masks = plan.columns(0, portal.shape)
        if all(mask is None for mask in masks):
            return None
        fixed = told if told is not None else portal.prepared.told
        return MaskedResult.make(masks, portal.shape, self._key, formats=formats, fixed=fixed)


def _require_free(name: bytes) -> None:
    if name == OWN_NAME:
        raise Refused.because(
            SqlState.BLOCKED, f"doorward: the name `{OWN_NAME.decode()}` is the gateway's own"
        )
