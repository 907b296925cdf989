"""Between a request and its execution: the engine's decision, people's consent, and the record.

    considered = await gate.consider(request)     # what the policy says
    operation = await gate.admit(considered)      # consent is there, and it is written down: it may run

Both raise `Refused`, and then nothing of the request may reach the server.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, NoReturn, Protocol

from doorward_gateway.approvals import Approval, ApprovalStore, ConsentWithheld, obtain_consent
from doorward_gateway.approvals import Operation as ApprovedOperation
from doorward_gateway.attribution import Attribution
from doorward_gateway.client import AsyncClient, EngineUnavailable
from doorward_gateway.errors import ApprovalRefused, RecordingUnavailable, StateUnavailable
from doorward_gateway.postgres.labels import settle_labels, statement_labels
from doorward_gateway.postgres.operation import Considered, Operation, Refused, Request, blocked
from doorward_gateway.postgres.protocol import Backend, SqlState
from doorward_gateway.postgres.reports import Report
from doorward_gateway.postgres.understanding import understand
from doorward_gateway.postgres.values import abridged
from doorward_gateway.recording import Recorder
from doorward_gateway.recording.bodies import OperationBody
from doorward_proto.v1 import decision_pb2 as pb

__all__ = ["Caller", "Gate", "Surroundings"]

_MAX_RECORDED: Final = 64 << 10
_MAX_RECORDED_VALUE: Final = 1024
_MAX_VALUES: Final = 128


@dataclass(slots=True)
class Caller:
    """Who speaks in a session. `claims` are the labels that its start-up and its settings give, newest
    first.
    """

    session_id: str
    principal: Mapping[str, Any]
    resource: Mapping[str, Any]
    session: Mapping[str, Any]
    granted: Attribution
    claims: tuple[Attribution, ...] = ()
    _settled: Attribution | None = None

    def claim(self, *claims: Attribution) -> None:
        """The settings of the session now say this."""
        self.claims, self._settled = claims, None

    def attribution(self, statement: str = "") -> Attribution:
        """Of a statement, with the labels in its comment."""
        if "/*" in statement:
            return settle_labels(self.granted, statement_labels(statement), *self.claims)
        if self._settled is None:
            self._settled = settle_labels(self.granted, *self.claims)
        return self._settled


class Surroundings(Protocol):
    """What a decision needs to know of the session and its server."""

    async def freshen(self) -> None:
        """Makes sure that what follows is as the server has it now. Raises `Refused`."""

    async def reread(self) -> bool:
        """Reads the catalogue again; whether it is another one. Raises `Refused`."""

    @property
    def catalogue(self) -> str:
        """The content hash of the catalogue that the statements are read against."""

    def document(self) -> dict[str, Any]:
        """The settings, as in the `postgres` part of an access request."""


class Gate:
    """The one way to the server, for one session."""

    def __init__(
        self,
        caller: Caller,
        surroundings: Surroundings,
        *,
        engine: AsyncClient,
        recorder: Recorder,
        approvals: ApprovalStore,
        tell: Callable[[bytes], None],
        gone: asyncio.Future[None],
        max_wait_ms: int,
        max_statement: int,
    ) -> None:
        self._caller = caller
        self._surroundings = surroundings
        self._engine = engine
        self._recorder = recorder
        self._approvals = approvals
        self._tell = tell
        self._gone = gone
        self._max_wait_ms = max_wait_ms
        self._max_statement = max_statement
        self._waiting: asyncio.Task[Any] | None = None
        self.operations = 0

    async def consider(self, request: Request) -> Considered:
        """Asks the engine. Raises `Refused` if it blocks, if it cannot be asked, or if it asks what cannot
        be done.
        """
        size = len(request.statement)
        if size > self._max_statement:
            raise Refused.because(
                SqlState.LIMIT_EXCEEDED,
                f"doorward: the statement of {size} characters is over the limit of {self._max_statement}",
            )
        await self._surroundings.freshen()
        considered = await self._decide(request)
        unclear = _is_blocked(considered.decision) and considered.facts.get("opaque", True)
        if unclear and await self._surroundings.reread():
            # It was unclear only because it names what was made after the catalogue had been read.
            considered = await self._decide(request)
        await self._require_allowed(considered)
        return considered

    async def admit(self, considered: Considered) -> Operation:
        """Obtains the consent that the decision asks for and writes the operation down; durable when it
        returns.
        """
        self.operations += 1
        number = self.operations
        if considered.decision.verdict == pb.VERDICT_APPROVE:
            considered = await self._with_consent(considered, number)
        await self._record("operation", self._body(considered, number))
        return Operation(number, considered, considered.plan)

    async def refuse(self, request: Request, refused: Refused, number: int = 0) -> NoReturn:
        """Writes down that the gateway itself refused a request (as operation `number`, if it has one);
        raises.
        """
        if not number:
            self.operations += 1
        body: OperationBody = {
            "op": number or self.operations,
            "action": "query",
            "statement": request.statement[:_MAX_RECORDED],
            "attribution": self._caller.attribution(request.statement).document(),
            "refused": refused.message,
        }
        await self._record("operation", body)
        raise refused

    def cancel(self) -> bool:
        """Ends the wait for consent, if there is one; whether there was."""
        if self._waiting is None:
            return False
        self._waiting.cancel()
        return True

    # --- the decision ---

    async def _decide(self, request: Request) -> Considered:
        attribution = self._caller.attribution(request.statement)
        document = {
            "principal": self._caller.principal,
            "action": {"name": "query"},
            "resource": self._caller.resource,
            "session": {**self._caller.session, **attribution.document()},
            "postgres": {
                **self._surroundings.document(),
                "statement": request.statement,
                "parameters": list(request.parameters),
                "protocol": "extended" if request.extended else "simple",
            },
        }
        started = time.perf_counter()
        try:
            answer = await self._engine.decide(document, self._surroundings.catalogue, want_facts=True)
            decision = answer.message
            understood = understand(decision)
        except EngineUnavailable as unavailable:
            await self.refuse(request, _no_decision(unavailable.reason))
        except ValueError:
            await self.refuse(request, _no_decision("the engine's account of the statement cannot be read"))
        took = int((time.perf_counter() - started) * 1e6)
        return Considered(request, decision, understood, attribution, took)

    async def _require_allowed(self, considered: Considered) -> None:
        plan, refusal = considered.plan, None
        if _is_blocked(considered.decision):
            refusal = blocked(considered.decision, considered.facts)
        elif plan.refusal:
            refusal = Refused.because(SqlState.BLOCKED, f"doorward: blocked: {plan.refusal}")
        elif plan.read and "copy" in considered.facts.get("statements", ()):
            refusal = Refused.because(
                SqlState.BLOCKED,
                "doorward: blocked: COPY of masked columns cannot be masked",
                hint="use SELECT, or leave the masked columns out",
            )
        if refusal is not None:
            self.operations += 1
            body = self._body(considered, self.operations)
            if not _is_blocked(considered.decision):
                body["refused"] = refusal.message
            await self._record("operation", body)
            raise refusal

    # --- consent ---

    async def _with_consent(self, considered: Considered, number: int) -> Considered:
        latest = considered

        async def decide_again() -> pb.Decision:
            nonlocal latest
            await self._surroundings.freshen()
            latest = await self._decide(considered.request)
            decision: pb.Decision = latest.decision
            return decision

        async def changed(approval: Approval) -> None:
            await self._record("approval", {**approval.document(), "op": number})
            if approval.state == "waiting":
                self._tell(_waiting_notice(approval).encode(Backend.NOTICE_RESPONSE))

        operation = ApprovedOperation(
            hash=considered.decision.operation_hash,
            principal=self._caller.principal,
            resource=self._caller.resource["name"],
            text=considered.request.readable(),
            session_id=self._caller.session_id,
            attribution=considered.attribution,
            facts=considered.facts,
        )
        self._waiting = asyncio.ensure_future(
            obtain_consent(
                self._approvals,
                considered.decision,
                operation,
                decide_again=decide_again,
                changed=changed,
                max_wait_ms=self._max_wait_ms,
            )
        )
        try:
            await asyncio.wait((self._waiting, self._gone), return_when=asyncio.FIRST_COMPLETED)
            if not self._waiting.done():
                self._waiting.cancel()
            await self._waiting
        except asyncio.CancelledError:
            if not self._waiting.done():  # it is this session that is being ended
                self._waiting.cancel()
                await asyncio.wait((self._waiting,))
                raise
            raise Refused.because(
                SqlState.QUERY_CANCELED, "canceling statement due to user request"
            ) from None
        except (ConsentWithheld, ApprovalRefused) as withheld:
            await self.refuse(
                considered.request,
                Refused.because(SqlState.BLOCKED, f"doorward: blocked: no consent: {withheld.message}"),
                number,
            )
        except StateUnavailable as unavailable:
            await self.refuse(
                considered.request,
                Refused.because(SqlState.ENGINE_UNAVAILABLE, f"doorward: {unavailable.message}"),
                number,
            )
        finally:
            self._waiting = None
        if latest.decision.verdict != pb.VERDICT_APPROVE:
            await self._require_allowed(latest)
        return latest

    # --- the record ---

    def _body(self, considered: Considered, number: int) -> OperationBody:
        request = considered.request
        return {
            "op": number,
            "action": "query",
            "statement": request.statement[:_MAX_RECORDED],
            "parameters": [
                abridged(value, _MAX_RECORDED_VALUE) for value in request.parameters[:_MAX_VALUES]
            ],
            "attribution": considered.attribution.document(),
            "decision": {
                "decision_id": considered.decision.decision_id,
                **considered.understood.recorded_decision,
            },
            "facts": considered.understood.recorded_facts,
            "decided_in_us": considered.took_us,
        }

    async def _record(self, kind: str, body: Mapping[str, Any]) -> None:
        try:
            await self._recorder.append(kind, self._caller.session_id, body)
        except RecordingUnavailable as unavailable:
            raise Refused.because(
                SqlState.RECORD_UNAVAILABLE,
                f"doorward: the statement cannot be recorded, so it is refused: {unavailable.message}",
                hint="nothing was executed; try again later",
            ) from unavailable


def _is_blocked(decision: Any) -> bool:
    """INVARIANT: whatever is neither a clean allow nor a wait for consent is a block."""
    return decision.verdict not in (pb.VERDICT_ALLOW, pb.VERDICT_APPROVE)


def _no_decision(reason: str) -> Refused:
    return Refused.because(
        SqlState.ENGINE_UNAVAILABLE,
        f"doorward: no decision, so the statement is refused: {reason}",
        hint="nothing was executed; the session can go on once the engine answers",
    )


def _waiting_notice(approval: Approval) -> Report:
    groups = ", ".join(sorted(approval.requirement.groups))
    return Report.make(
        "NOTICE",
        "00000",
        f"doorward: waiting for approval {approval.id} by a member of {groups}",
        detail=approval.requirement.reason,
        hint=f"doorward approvals approve {approval.id}",
    )
