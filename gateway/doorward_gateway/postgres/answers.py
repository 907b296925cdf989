"""From the server to the client: every message finds its operation, is masked, recorded, and only then
released.

A record is durable before the end of the answer that it describes is released; what came before the end is
released as it comes, or with the end if it came along with it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from doorward_gateway.errors import GatewayError, RecordingUnavailable
from doorward_gateway.postgres import messages
from doorward_gateway.postgres.answer import Answer, Bounds
from doorward_gateway.postgres.operation import Operation
from doorward_gateway.postgres.pipeline import Awaited, Expected, Pipeline
from doorward_gateway.postgres.plan import MaskedResult
from doorward_gateway.postgres.protocol import Backend, ProtocolViolation, SqlState
from doorward_gateway.postgres.reports import Report, parse_report, without_values
from doorward_gateway.postgres.rows import RowMasker, encode_shape, parse_shape
from doorward_gateway.postgres.wire import Wire
from doorward_gateway.recording import Recorder

__all__ = ["Answers", "SessionOver"]

_FLUSH: Final = 128 << 10


class SessionOver(GatewayError):
    """The session ends here; `report` is the last thing the client is told, if it has not been told
    already.
    """

    def __init__(self, message: str, report: Report | None = None) -> None:
        super().__init__(message)
        self.report = report


class Answers:
    """Reads the server and writes the client, for one session."""

    def __init__(
        self,
        client: Wire,
        server: Wire,
        pipeline: Pipeline,
        *,
        recorder: Recorder,
        session_id: str,
        bounds: Bounds,
        key: bytes,
        cancel: Callable[[], None],
        reported: Callable[[str, str], None],
    ) -> None:
        self._client = client
        self._server = server
        self._pipeline = pipeline
        self._recorder = recorder
        self._session_id = session_id
        self._bounds = bounds
        self._key = key
        self._cancel = cancel
        self._reported = reported
        self._out = bytearray()
        self._answer: Answer | None = None
        self._mask: RowMasker | None = None
        self._refused_copy: Report | None = None
        self._touched = False  # the transaction has to do with masked columns: its late errors may show them
        self._handlers: dict[int, Callable[[bytes], Awaitable[None]]] = {
            Backend.PARSE_COMPLETE: self._completed(Awaited.PARSE),
            Backend.BIND_COMPLETE: self._completed(Awaited.BIND),
            Backend.CLOSE_COMPLETE: self._completed(Awaited.CLOSE),
            Backend.NO_DATA: self._no_data,
            Backend.PARAMETER_DESCRIPTION: self._parameter_description,
            Backend.ROW_DESCRIPTION: self._row_description,
            Backend.COMMAND_COMPLETE: self._command_complete,
            Backend.EMPTY_QUERY_RESPONSE: self._command_complete,
            Backend.PORTAL_SUSPENDED: self._command_complete,
            Backend.COPY_IN_RESPONSE: self._copy_in,
            Backend.COPY_OUT_RESPONSE: self._copy_out,
            Backend.COPY_DATA: self._copy_data,
            Backend.COPY_DONE: self._copy_data,
            Backend.ERROR_RESPONSE: self._error,
            Backend.READY_FOR_QUERY: self._ready,
            Backend.NOTICE_RESPONSE: self._notice,
            Backend.NOTIFICATION_RESPONSE: self._pass,
            Backend.PARAMETER_STATUS: self._parameter_status,
        }

    async def run(self) -> None:
        """Until the server ends the session, or breaks the protocol. Raises `SessionOver` and the wire's
        errors.
        """
        while True:
            for message in await self._server.read():
                if message[0] == Backend.DATA_ROW:
                    self._row(message)
                    if len(self._out) > _FLUSH:
                        await self._release()
                else:
                    handler = self._handlers.get(message[0])
                    if handler is None:
                        raise ProtocolViolation(f"the server sent a message of type {chr(message[0])!r}")
                    await handler(message)
            await self._release()

    async def _release(self) -> None:
        if self._out:
            self._client.write(bytes(self._out))
            self._out.clear()
            await self._client.drain()

    # --- rows ---

    def _row(self, message: bytes) -> None:
        head = self._pipeline.current(Awaited.QUERY, Awaited.EXECUTE)
        if head.hidden:
            if head.rows is not None:
                head.rows.append(message)
            return
        answer = self._answer or self._begin(head)
        if self._mask is not None:
            message = self._mask(message)
        answer.row(message)
        self._out += message

    def _begin(self, head: Expected) -> Answer:
        """The first sign of the answer to an operation."""
        operation = _operation(head)
        answer = self._answer = Answer(operation, self._bounds)
        self._touched = self._touched or operation.plan.touched
        self._mask = None
        answer.shape = operation.shape
        if answer.shape is None and head.portal is not None:
            answer.shape = head.portal.shape
        if operation.masked is not None:
            self._show(answer, operation.masked)
        return answer

    def _show(self, answer: Answer, masked: MaskedResult) -> None:
        answer.shape, answer.masks, self._mask = masked.told, masked.masks, masked.rows

    async def _row_description(self, message: bytes) -> None:
        head = self._pipeline.current(Awaited.QUERY, Awaited.DESCRIBE)
        shape = parse_shape(message)
        if head.kind is Awaited.QUERY:
            answer = self._begin(head)
            operation = answer.operation
            answer.shape = shape
            masks = operation.plan.columns(operation.statement, shape) if operation.plan.masks else ()
            if any(mask is not None for mask in masks):
                masked = MaskedResult.make(masks, shape, self._key)
                self._show(answer, masked)
                message = encode_shape(masked.told)
            self._out += message
            return
        described = self._pipeline.done(Awaited.DESCRIBE)
        prepared, portal = described.prepared, described.portal
        if portal is not None:
            if portal.masked is not None:
                message = encode_shape(portal.masked.told)
            elif portal.shape is None:
                portal.shape = shape
        elif prepared is not None:
            prepared.described, prepared.shape = True, shape
            if not described.hidden:
                prepared.told = shape
                if prepared.plan.masks:
                    masked = MaskedResult.make(prepared.plan.columns(0, shape), shape, self._key)
                    prepared.told = masked.told
                    message = encode_shape(masked.told)
        if not described.hidden:
            self._out += message

    async def _no_data(self, message: bytes) -> None:
        described = self._pipeline.done(Awaited.DESCRIBE)
        if described.prepared is not None and described.portal is None:
            described.prepared.described = True
        if not described.hidden:
            self._out += message

    async def _parameter_description(self, message: bytes) -> None:
        head = self._pipeline.current(Awaited.DESCRIBE)
        if head.prepared is not None:
            head.prepared.described_types = messages.parse_parameter_description(message)
        if not head.hidden:
            self._out += message

    # --- the ends of answers ---

    def _completed(self, kind: Awaited) -> Callable[[bytes], Awaitable[None]]:
        async def complete(message: bytes) -> None:
            if not self._pipeline.done(kind).hidden:
                self._out += message

        return complete

    async def _command_complete(self, message: bytes) -> None:
        head = self._pipeline.current(Awaited.QUERY, Awaited.EXECUTE)
        if not head.hidden:
            tag = messages.command_tag(message) if message[0] == Backend.COMMAND_COMPLETE else ""
            answer = self._answer or self._begin(head)
            await self._record(answer, tag=tag)
            answer.operation.statement += 1
            self._out += message
        if head.kind is Awaited.EXECUTE:
            self._pipeline.done(Awaited.EXECUTE)
        else:
            self._pipeline.leave_copy()

    async def _error(self, message: bytes) -> None:
        report = parse_report(message)
        head = self._pipeline.error()
        if report.ends_session:
            shown = without_values(report) if self._sensitive(head) else report
            self._out += shown.encode()
            await self._release()
            raise SessionOver(f"the server ended the session: {shown.message}")
        following = self._pipeline.head
        if head is not None and head.hidden and following is not None and following.hidden:
            return  # a segment of the gateway's own has failed; who waits for it knows
        if head is not None and head.refusal is not None:
            shown = head.refusal
        elif self._refused_copy is not None:
            shown, self._refused_copy = self._refused_copy, None
        else:
            shown = without_values(report) if self._sensitive(head) else report
        operation = None if head is None else head.operation
        if self._answer is not None:
            await self._record(self._answer, error=shown)
        elif operation is not None:
            await self._record(Answer(operation, self._bounds), error=shown)
        self._out += message if shown is report else shown.encode()

    async def _ready(self, message: bytes) -> None:
        status = message[5:]
        if status not in (b"I", b"T", b"E"):
            raise ProtocolViolation("the server is ready in a state that there is not")
        done = self._pipeline.ready(status)
        self._answer = self._mask = None
        if status == b"I":
            self._touched = False
        if not done.hidden:
            self._out += message

    async def _record(self, answer: Answer, *, tag: str = "", error: Report | None = None) -> None:
        self._answer = self._mask = None
        try:
            await self._recorder.append("result", self._session_id, answer.body(tag=tag, error=error))
        except RecordingUnavailable as unavailable:
            raise SessionOver(
                f"the answer could not be recorded: {unavailable.message}",
                Report.fatal(
                    SqlState.RECORD_UNAVAILABLE,
                    "doorward: the answer cannot be recorded, so it is withheld and the session ends",
                    detail="the statement may have been executed",
                ),
            ) from unavailable

    # --- COPY ---

    async def _copy_in(self, message: bytes) -> None:
        head = self._pipeline.copy_in()
        if self._answer is None:
            self._begin(head)
        self._out += message

    async def _copy_out(self, message: bytes) -> None:
        head = self._pipeline.current(Awaited.QUERY, Awaited.EXECUTE)
        answer = self._answer or self._begin(head)
        if answer.operation.plan.read:
            # The decision should not have let it come to this: nothing of it is shown, and it is stopped.
            self._refused_copy = Report.error(
                SqlState.BLOCKED, "doorward: blocked: COPY of masked columns cannot be masked"
            )
            self._cancel()
            return
        self._out += message

    async def _copy_data(self, message: bytes) -> None:
        self._pipeline.current(Awaited.QUERY, Awaited.EXECUTE)
        if self._refused_copy is not None:
            return
        self._out += message
        if len(self._out) > _FLUSH:
            await self._release()

    # --- unasked ---

    async def _notice(self, message: bytes) -> None:
        head = self._pipeline.head
        if head is not None and head.hidden:
            return
        self._out += (
            without_values(parse_report(message)).encode(Backend.NOTICE_RESPONSE)
            if self._sensitive(head)
            else message
        )

    async def _parameter_status(self, message: bytes) -> None:
        name, value = messages.parse_parameter_status(message)
        if name == "client_encoding" and value != "UTF8":
            raise SessionOver(
                f"the client encoding became `{value}`",
                Report.fatal(
                    SqlState.NOT_SUPPORTED,
                    f"doorward: client encoding `{value}` is not supported, so the session ends",
                ),
            )
        self._reported(name, value)
        self._out += message

    async def _pass(self, message: bytes) -> None:
        self._out += message

    def _sensitive(self, head: Expected | None) -> bool:
        """Whether what the server says here may carry values of masked columns."""
        if self._touched or head is None:
            return self._touched
        plans = [head.operation.plan] if head.operation is not None else []
        if head.portal is not None:
            plans.append(head.portal.plan)
        if head.prepared is not None:
            plans.append(head.prepared.plan)
        return any(plan.touched for plan in plans)


def _operation(head: Expected) -> Operation:
    if head.operation is None:
        raise ProtocolViolation("the server has answered a statement that was refused")
    return head.operation
