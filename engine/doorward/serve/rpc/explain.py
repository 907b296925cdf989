"""An explanation as it travels: typed where its shape is settled, JSON where it is a tree."""

from __future__ import annotations

from dataclasses import asdict
from typing import Final

from doorward.decide.document import InvalidRequest, parse_document
from doorward.decide.explain import Change, Explanation, Nearest, StatementOutcome
from doorward.engine import Engine
from doorward.facts.postgres import Catalogue
from doorward.run.effects import Effect
from doorward.serve.point import Question, Unanswered
from doorward.serve.rpc.wire import VERDICTS, DecisionWriter, instant_of, json_bytes
from doorward_proto.v1 import decision_pb2 as pb

__all__ = ["explained"]

_OUTCOMES: Final[dict[str, pb.Outcome]] = {
    "held": pb.OUTCOME_HELD,
    "not_held": pb.OUTCOME_NOT_HELD,
    "errored": pb.OUTCOME_ERRORED,
    "unknown": pb.OUTCOME_UNKNOWN,
}
_OPS: Final[dict[str, pb.Change.Op]] = {
    "set": pb.Change.OP_SET,
    "add": pb.Change.OP_ADD,
    "remove": pb.Change.OP_REMOVE,
}


def explained(
    engine: Engine, question: Question, catalogue: Catalogue | None, request: pb.ExplainRequest
) -> pb.Explanation:
    """The explanation of the decision on a question. Takes milliseconds to seconds. Raises Unanswered."""
    document = question.document
    try:
        told = engine.explain(
            parse_document(document) if isinstance(document, bytes) else document,
            catalogue=catalogue,
            now_ns=instant_of(request),
            replaying=_effects(request.replaying) if request.HasField("replaying") else None,
            nearest=request.nearest,
        )
    except InvalidRequest as error:
        raise Unanswered("invalid_request", str(error)) from None
    return _message(told)


def _effects(message: pb.Effects) -> tuple[Effect, ...]:
    return tuple(Effect(e.name, e.digest, e.arguments, e.result, e.error) for e in message.effects)


def _message(told: Explanation) -> pb.Explanation:
    message = pb.Explanation()
    # one of its own: what a writer remembers is for one thread
    message.decision.MergeFromString(DecisionWriter().decision(told.decision, want_facts=True))
    message.statements.extend(_statement(one) for one in told.statements)
    if told.nearest is not None:
        _write_nearest(told.nearest, message.nearest)
    if told.nearest_approval is not None:
        _write_nearest(told.nearest_approval, message.nearest_approval)
    message.searched = told.searched
    message.incomplete = not told.complete
    message.effects.extend(
        pb.Effect(name=e.name, digest=e.digest, arguments=e.arguments, result=e.result, error=e.error)
        for e in told.decision.effects
    )
    return message


def _statement(one: StatementOutcome) -> pb.StatementOutcome:
    message = pb.StatementOutcome(
        id=one.id,
        verb=one.verb,
        reason=one.reason,
        place=one.place,
        outcome=_OUTCOMES[one.outcome],
        determining=one.determining,
        says=one.says,
        conditions=json_bytes([asdict(condition) for condition in one.conditions]),
    )
    if one.error is not None:
        error = one.error
        message.error.CopyFrom(
            pb.EvaluationError(id=error.id, code=error.code, message=error.message, place=error.place)
        )
    return message


def _write_nearest(nearest: Nearest, message: pb.Nearest) -> None:
    message.verdict = VERDICTS[nearest.verdict]
    message.changes.extend(map(_change, nearest.changes))


def _change(change: Change) -> pb.Change:
    told = change.to_dict()
    return pb.Change(
        op=_OPS[change.op],
        path=json_bytes(told["path"]),
        value=json_bytes(told["value"]),
        instead_of=json_bytes(told["instead_of"]) if "instead_of" in told else b"",
        text=change.text,
        derived=change.derived,
    )
