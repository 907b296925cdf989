"""Decisions put together from bytes are those that the messages say."""

from __future__ import annotations

from dataclasses import replace

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from doorward.decide.decision import Approval, Credential, Decision, DecisionError, Mask, Reason, Verdict
from doorward.serve.point import Unanswered
from doorward.serve.rpc.wire import VERDICTS, DecisionWriter, failed
from doorward_proto.v1 import decision_pb2 as pb

_REASON = Reason("acme:17", "allow", "because", "acme.ward:17:1")
_PLAIN = Decision(
    "id-1", "r" * 64, "allow", (_REASON,), (_REASON,), (), (), None, (), "", False, {"sql": {"tables": []}}
)
_WRITER = DecisionWriter()


def _read(written: bytes) -> pb.DecideResponse:
    (response,) = pb.DecideBatchResponse.FromString(written).responses
    return response


@given(
    st.text(max_size=300),
    st.text(min_size=1, max_size=5000),
    st.sampled_from(["block", "approve", "allow"]),
    st.booleans(),
    st.booleans(),
    st.lists(st.text(max_size=200), max_size=30),
)
def test_what_is_written_is_what_was_decided(
    request_id: str, decision_id: str, verdict: Verdict, cacheable: bool, want_facts: bool, texts: list[str]
) -> None:
    decision = replace(
        _PLAIN,
        decision_id=decision_id,
        verdict=verdict,
        cacheable=cacheable,
        reasons=tuple(replace(_REASON, text=text) for text in texts),
        operation_hash="h" if verdict == "approve" else "",
    )
    for _ in range(2):  # once from its fields, once from the bytes that were kept
        response = _read(_WRITER.answer(request_id, decision, want_facts=want_facts))
        assert response.request_id == request_id
        written = response.decision
        assert written.decision_id == decision_id
        assert written.revision == decision.revision
        assert written.verdict == VERDICTS[decision.verdict]
        assert written.cacheable is cacheable
        assert [reason.text for reason in written.reasons] == texts
        assert [reason.id for reason in written.determining] == ["acme:17"]
        assert written.operation_hash == decision.operation_hash
        assert written.facts == (orjson.dumps(decision.facts) if want_facts or verdict == "approve" else b"")


@pytest.mark.parametrize(
    "other",
    [
        {"revision": "s" * 64},
        {"verdict": "block"},
        {"cacheable": True},
        {"reasons": ()},
        {"determining": ()},
        {"masks": (Mask("a.b", "redact", 0, "", (), (), ""),)},
        {"approvals": (Approval("acme:3", ("staff",), 60_000, "ask"),)},
        {"credential": Credential(1500, True, "reader")},
        {"errors": (DecisionError("acme:4", "eval_type_error", "no", "acme.ward:4:1"),)},
    ],
    ids=lambda other: next(iter(other)),
)
def test_no_part_is_taken_from_another_decision(other: dict[str, object]) -> None:
    writer = DecisionWriter()
    before = writer.answer("1", _PLAIN, want_facts=False)
    changed = writer.answer("1", replace(_PLAIN, **other), want_facts=False)  # type: ignore[arg-type]
    assert changed == DecisionWriter().answer("1", replace(_PLAIN, **other), want_facts=False)  # type: ignore[arg-type]
    assert _read(changed) != _read(before)
    assert writer.answer("1", _PLAIN, want_facts=False) == before


def test_a_failure_holds_no_decision() -> None:
    response = _read(failed("7", Unanswered("no_policy", "none")))
    assert response.WhichOneof("outcome") == "failure"
    assert (response.request_id, response.failure.message) == ("7", "none")
