"""Requests and decisions as they travel."""

from __future__ import annotations

from typing import Any, Final

import orjson
from google.protobuf.struct_pb2 import Struct, Value

from doorward.decide.decision import Decision, Mask, MaskMethod, Reason, Verdict
from doorward.run.builtins.json_text import json_text
from doorward.serve.point import Code, Question, Unanswered
from doorward_proto.v1 import decision_pb2 as pb

__all__ = ["VERDICTS", "DecisionWriter", "fail", "failed", "instant_of", "json_bytes", "question_of"]

VERDICTS: Final[dict[Verdict, pb.Verdict]] = {
    "block": pb.VERDICT_BLOCK,
    "approve": pb.VERDICT_APPROVE,
    "allow": pb.VERDICT_ALLOW,
}
"""Verdicts as numbers of the wire."""

_METHODS: Final[dict[MaskMethod, pb.MaskMethod]] = {
    "partial": pb.MASK_METHOD_PARTIAL,
    "format_preserving": pb.MASK_METHOD_FORMAT_PRESERVING,
    "hash": pb.MASK_METHOD_HASH,
    "replace": pb.MASK_METHOD_REPLACE,
    "null": pb.MASK_METHOD_NULL,
    "redact": pb.MASK_METHOD_REDACT,
}

_CODES: Final[dict[Code, pb.Failure.Code]] = {
    "invalid_request": pb.Failure.CODE_INVALID_REQUEST,
    "unknown_catalogue": pb.Failure.CODE_UNKNOWN_CATALOGUE,
    "no_policy": pb.Failure.CODE_NO_POLICY,
    "internal": pb.Failure.CODE_INTERNAL,
    "overloaded": pb.Failure.CODE_OVERLOADED,
    "forbidden": pb.Failure.CODE_FORBIDDEN,
}

_REMEMBERED: Final = 1024


def question_of(request: pb.DecideRequest) -> Question | Unanswered:
    """What a message asks."""
    which = request.WhichOneof("document")
    if which == "json":
        return Question(request.json, request.catalogue, trace=request.traceparent)
    if which == "struct":
        return Question(_from_struct(request.struct), request.catalogue, trace=request.traceparent)
    return Unanswered("invalid_request", "the request holds no document")


def _from_struct(struct: Struct) -> dict[str, Any]:
    return {name: _from_value(value) for name, value in struct.fields.items()}


def _from_value(value: Value) -> Any:
    match value.WhichOneof("kind"):
        case "string_value":
            return value.string_value
        case "number_value":
            number = value.number_value  # a Struct has floats only; JSON has integers too
            return int(number) if number.is_integer() and abs(number) <= 2**53 else number
        case "bool_value":
            return value.bool_value
        case "list_value":
            return [_from_value(item) for item in value.list_value.values]
        case "struct_value":
            return _from_struct(value.struct_value)
        case _:
            return None


def instant_of(request: pb.ExplainRequest | pb.QueryRequest) -> int | None:
    """The instant that a message names, in nanoseconds since 1970; None where it names none. Raises Unanswered."""
    if not request.HasField("instant"):
        return None
    try:
        return request.instant.ToNanoseconds()
    except ValueError:
        raise Unanswered("invalid_request", "the instant is none that can be written") from None


def json_bytes(value: Any) -> bytes:
    """UTF-8 JSON, every number with all its digits; what is half of a character comes as U+FFFD."""
    try:
        return orjson.dumps(value)
    except orjson.JSONEncodeError:  # a number that a float or 64 bits cannot hold, or text that is none
        return json_text(value).encode()


def fail(response: pb.DecideResponse | pb.ExplainResponse | pb.QueryResponse, why: Unanswered) -> None:
    """Make a response say that there is no decision, and why."""
    response.failure.code = _CODES[why.code]
    response.failure.message = str(why)


class DecisionWriter:
    """Writes decisions as bytes of the wire.

    Decisions that follow from the same findings share the very objects of their parts, so most of a decision has been
    written before: putting it together from bytes costs a quarter of what setting the fields of a message does. For one
    event loop.
    """

    def __init__(self) -> None:
        # what the key tells apart by identity is kept alive, so that an identity is not used twice
        self._known: dict[tuple[object, ...], tuple[bytes, tuple[object, ...]]] = {}

    def answer(self, request_id: str, decision: Decision, *, want_facts: bool) -> bytes:
        """The answer to a request, as one of the bytes of a DecideBatchResponse."""
        asked, name = request_id.encode(), decision.decision_id.encode()
        shared, own = self._parts(decision, want_facts)
        decided = len(shared) + len(own) + len(name) + 1 + len(size := _length(name))
        head = b"".join((_REQUEST_ID, _length(asked), asked, _DECISION, _written(decided)))
        answer = _written(len(head) + decided)
        return b"".join((_RESPONSES, answer, head, shared, own, _DECISION_ID, size, name))

    def decision(self, decision: Decision, *, want_facts: bool) -> bytes:
        """A decision, as the bytes of a Decision."""
        name = decision.decision_id.encode()
        return b"".join((*self._parts(decision, want_facts), _DECISION_ID, _length(name), name))

    def _parts(self, decision: Decision, want_facts: bool) -> tuple[bytes, bytes]:
        """What a decision has in common with others, and what it has not, but for its id."""
        reasons, determining, masks = decision.reasons, decision.determining, decision.masks
        approvals, errors = decision.approvals, decision.errors
        key = (
            decision.revision,
            decision.verdict,
            decision.cacheable,
            id(reasons),
            id(determining),
            id(masks),
            id(approvals),
            id(errors),
        )
        known = self._known.get(key)
        if known is None:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            parts = (reasons, determining, masks, approvals, errors)
            known = self._known[key] = (_common(decision).SerializeToString(), parts)
        if want_facts or decision.verdict == "approve" or decision.credential is not None:
            return known[0], _own(decision, want_facts=want_facts).SerializeToString()
        return known[0], b""


def failed(request_id: str, why: Unanswered) -> bytes:
    """The answer that there is no decision, as one of the bytes of a DecideBatchResponse."""
    response = pb.DecideResponse(request_id=request_id)
    fail(response, why)
    return pb.DecideBatchResponse(responses=[response]).SerializeToString()


def _tag(message: Any, field: str) -> bytes:
    """What stands before a field that has a length."""
    return bytes([message.DESCRIPTOR.fields_by_name[field].number << 3 | 2])


_RESPONSES: Final = _tag(pb.DecideBatchResponse, "responses")
_REQUEST_ID: Final = _tag(pb.DecideResponse, "request_id")
_DECISION: Final = _tag(pb.DecideResponse, "decision")
_DECISION_ID: Final = _tag(pb.Decision, "decision_id")


def _varint(number: int) -> bytes:
    written = bytearray()
    while number > 127:
        written.append(number & 127 | 128)
        number >>= 7
    written.append(number)
    return bytes(written)


_LENGTHS: Final = tuple(map(_varint, range(2048)))


_KNOWN_LENGTHS: Final = len(_LENGTHS)


def _written(length: int) -> bytes:
    return _LENGTHS[length] if length < _KNOWN_LENGTHS else _varint(length)


def _length(content: bytes) -> bytes:
    length = len(content)
    return _LENGTHS[length] if length < _KNOWN_LENGTHS else _varint(length)


def _own(decision: Decision, *, want_facts: bool) -> pb.Decision:
    """What a decision shares with no other."""
    message = pb.Decision(operation_hash=decision.operation_hash)
    if decision.credential is not None:
        message.credential.ttl.FromMilliseconds(decision.credential.ttl_ms)
        message.credential.single_use = decision.credential.single_use
        message.credential.role = decision.credential.role
    if want_facts or decision.verdict == "approve":
        message.facts = json_bytes(decision.facts)
    return message


def _common(decision: Decision) -> pb.Decision:
    """What decisions with the same parts have in common."""
    message = pb.Decision(
        revision=decision.revision,
        verdict=VERDICTS[decision.verdict],
        cacheable=decision.cacheable,
        reasons=[_reason(reason) for reason in decision.reasons],
        determining=[_reason(reason) for reason in decision.determining],
        masks=[_mask(mask) for mask in decision.masks],
    )
    for approval in decision.approvals:
        added = message.approvals.add(
            groups=approval.groups, reason=approval.reason, statement_id=approval.statement_id
        )
        if approval.within_ms:
            added.within.FromMilliseconds(approval.within_ms)
    for error in decision.errors:
        message.errors.add(id=error.id, code=error.code, message=error.message, place=error.place)
    return message


def _reason(reason: Reason) -> pb.Reason:
    return pb.Reason(id=reason.id, verb=reason.verb, text=reason.text, place=reason.place)


def _mask(mask: Mask) -> pb.Mask:
    return pb.Mask(
        target=mask.target,
        method=_METHODS[mask.method],
        keep_last=mask.keep_last,
        replacement=mask.replacement,
        outputs=[pb.Output(statement=o.statement, column=o.column, whole=o.whole) for o in mask.outputs],
        origins=[pb.Origin(table_oid=o.table_oid, column_number=o.column_number) for o in mask.origins],
        reason=mask.reason,
    )
