"""The decision point: what every face of the service asks, so that a decision is the same, and is kept and counted,
whichever way it was asked for.

Decisions run on the event loop's own thread. They are pure computation under one interpreter lock:
handing one to another thread would cost more than making it, and two threads would only take turns.
Long batches let the loop breathe between slices, and one evaluation is bounded by its budget. Only decisions
that may have to wait for another host, where capabilities grant policies the network, are made aside.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from time import perf_counter_ns, time_ns
from typing import Any, Final, Literal, Protocol, TypeAlias

import structlog

from doorward.decide.decision import Decision, Reason
from doorward.decide.document import InvalidRequest, parse_document
from doorward.facts.postgres import Catalogue
from doorward.serve.aside import Aside
from doorward.serve.catalogues import Catalogues
from doorward.serve.operations.asking import ASKING, Asking
from doorward.serve.policies.revisions import InForce, Revisions

__all__ = ["Code", "DecisionPoint", "Log", "Made", "Observer", "Question", "Unanswered"]

_log: Final = structlog.get_logger("doorward.serve")

_SLICE_NS: Final = 5_000_000
"""Nanoseconds of deciding after which other work of the loop gets its turn. Requests of one slice share an instant."""

Code: TypeAlias = Literal[
    "invalid_request", "unknown_catalogue", "no_policy", "internal", "overloaded", "forbidden"
]


@dataclass(slots=True)
class Question:
    """One access request as it reached a face of the service."""

    document: Any
    """UTF-8 JSON as it came, or parsed; parsed once it has been decided. Whether it is a valid access request is found out
    in deciding.
    """
    catalogue: str = ""
    """Content hash of the catalogue that the operation is read against; empty where there is none."""
    caller: str = ""
    """Who asked the service, where callers have to say so; filled in by the point."""
    trace: str = ""
    """The asker's `traceparent`; that of the call where it is empty, which is filled in by the point."""
    size: int = 0
    """Bytes of the document as it came, where whoever asks knows; filled in by the point where it parses."""


@dataclass(slots=True)
class Made:
    """A question, and what was decided."""

    question: Question
    catalogue: Catalogue | None
    decision: Decision
    now_ns: int
    """The instant of the decision, the clock that the policies saw: nanoseconds since 1970."""
    took_ns: int
    """How long deciding took."""


class Unanswered(Exception):
    """There is no decision, which on every face is a block; the message is one sentence."""

    def __init__(self, code: Code, message: str) -> None:
        super().__init__(message)
        self.code: Code = code


class Observer(Protocol):
    """Is told of every decision before it is released."""

    def saw(self, batch: Sequence[Made]) -> None:
        """Must be quick, must not wait and must not raise: decisions wait for it."""


class Log(Protocol):
    """Keeps decisions."""

    async def keep(self, batch: Sequence[Made]) -> str:
        """Take a batch. Gives why it is not kept where decisions must be, else an empty text: unless it is empty, each
        decision of the batch is answered as a block.
        """


class DecisionPoint:
    """Decides under the revision in force, whatever who asks (`ASKING`) may ask; for one event loop.

    `most_aside` decisions that may have to wait for another host are made at once.
    """

    def __init__(
        self,
        revisions: Revisions,
        catalogues: Catalogues,
        *,
        most_aside: int = 32,
        log: Log | None = None,
        observers: Sequence[Observer] = (),
    ) -> None:
        self.revisions = revisions
        self.catalogues = catalogues
        self.unanswered: Counter[Code] = Counter()
        """How often there was no decision, since the start."""
        self._aside = Aside(most_aside)
        self._log = log
        self._observers = tuple(observers)

    def close(self) -> None:
        """Begin nothing any more."""
        self._aside.close()

    @property
    def waits(self) -> bool:
        """Whether decisions may have to wait for another host."""
        in_force = self.revisions.in_force
        return in_force is not None and in_force.engine.waits

    async def answer_one(self, question: Question) -> Decision:
        """The decision on one question. Raises Unanswered."""
        (answer,) = await self.answer((question,))
        if isinstance(answer, Unanswered):
            raise answer
        return answer

    async def answer(self, questions: Sequence[Question]) -> list[Decision | Unanswered]:
        """The decisions on questions, in their order and all under one revision."""
        in_force = self.revisions.in_force
        asking = ASKING.get()
        refused = _refused(asking, len(questions))
        if in_force is None or refused is not None:
            refused = refused or Unanswered("no_policy", "no policies have been loaded yet")
            self.unanswered[refused.code] += len(questions)
            return [refused] * len(questions)
        for question in questions:
            question.caller = asking.caller.name
            question.trace = question.trace or asking.trace
        if in_force.engine.waits:
            outcomes = list(await asyncio.gather(*(self._wait_for(each, in_force) for each in questions)))
        else:
            outcomes = []
            now, begin = time_ns(), perf_counter_ns()
            until = begin + _SLICE_NS
            for question in questions:
                outcome = self._decide(question, in_force, now, begin)
                outcomes.append(outcome)
                begin = perf_counter_ns()
                if begin > until:
                    await asyncio.sleep(0)  # a call that was cancelled or is out of time ends here
                    now, begin = time_ns(), perf_counter_ns()
                    until = begin + _SLICE_NS
        made = [outcome for outcome in outcomes if isinstance(outcome, Made)]
        if len(made) < len(outcomes):
            self.unanswered.update(each.code for each in outcomes if isinstance(each, Unanswered))
        for observer in self._observers:
            observer.saw(made)
        lost = await self._log.keep(made) if self._log is not None and made else ""
        return [
            outcome
            if isinstance(outcome, Unanswered)
            else _blocked(outcome.decision, lost)
            if lost
            else outcome.decision
            for outcome in outcomes
        ]

    def _decide(self, question: Question, in_force: InForce, now: int, begin: int) -> Made | Unanswered:
        """`now` is the instant of the decision, and `begin` when it was begun."""
        try:
            catalogue, document = self.read(question)
            decision = in_force.engine.decide(document, catalogue=catalogue, now_ns=now)
        except Exception as error:  # one request must not end the stream that others share
            return _unanswered(error)
        return Made(question, catalogue, decision, now, perf_counter_ns() - begin)

    async def _wait_for(self, question: Question, in_force: InForce) -> Made | Unanswered:
        now = time_ns()
        begin = perf_counter_ns()
        try:
            catalogue, document = self.read(question)
            work = partial(in_force.engine.decide, document, catalogue=catalogue, now_ns=now)
            decision = await self._aside.run(work)
        except Exception as error:  # as above
            return _unanswered(error)
        return Made(question, catalogue, decision, now, perf_counter_ns() - begin)

    def read(self, question: Question) -> tuple[Catalogue | None, Any]:
        """The catalogue and the parsed document of a question that may be asked. Raises Unanswered."""
        catalogue = None
        if question.catalogue:
            catalogue = self.catalogues.get(question.catalogue)
            if catalogue is None:
                raise Unanswered("unknown_catalogue", "the catalogue named is not known here")
        if isinstance(question.document, bytes):
            try:
                question.size = len(question.document)
                question.document = parse_document(question.document)
            except InvalidRequest as error:
                raise Unanswered("invalid_request", str(error)) from None
        caller = ASKING.get().caller
        if caller.bounds is not None and not caller.bounds.hold(question.document):
            raise Unanswered("forbidden", f"caller `{caller.name}` may not ask about this resource")
        return catalogue, question.document


def _refused(asking: Asking, count: int) -> Unanswered | None:
    """Why so many questions are not to be answered, if they are not."""
    if not asking.good:
        return Unanswered("forbidden", "the token that the call began with is good no more")
    rate = asking.caller.rate
    if rate is not None and not rate.take(count):
        return Unanswered("overloaded", "more decisions were asked for than the caller may have in a second")
    return None


def _unanswered(error: Exception) -> Unanswered:
    """Why there is no decision. Called where `error` is being handled."""
    if isinstance(error, Unanswered):
        return error
    if isinstance(error, InvalidRequest):
        return Unanswered("invalid_request", str(error))
    _log.exception("a request could not be decided")
    return Unanswered("internal", f"internal error: {type(error).__name__}")


def _blocked(decision: Decision, why: str) -> Decision:
    """A decision that must not be released as it is."""
    return replace(
        decision,
        verdict="block",
        reasons=(Reason("", "block", why, ""),),
        masks=(),
        approvals=(),
        credential=None,
        operation_hash="",
        cacheable=False,
    )
