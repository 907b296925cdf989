"""What an enforcement point makes of a decision: only a clean allow is one."""

from __future__ import annotations

import pytest

from doorward_gateway.client import Decision
from doorward_proto.v1 import decision_pb2 as pb

ALLOW = pb.VERDICT_ALLOW
MASK = pb.Mask(target="customers.ssn")
APPROVAL = pb.Approval(groups=["dba"])


def test_a_clean_allow_is_true() -> None:
    decision = Decision(pb.Decision(verdict=ALLOW))
    assert decision
    assert decision.allowed
    assert decision.verdict == "allow"


@pytest.mark.parametrize(
    ("message", "verdict"),
    [
        (pb.Decision(), "block"),
        (pb.Decision(verdict=pb.VERDICT_BLOCK), "block"),
        (pb.Decision(verdict=pb.VERDICT_APPROVE), "approve"),
        (pb.Decision(verdict=pb.VERDICT_APPROVE, approvals=[APPROVAL]), "approve"),
        (pb.Decision.FromString(b"\x18\x63"), "block"),  # a verdict from the future
        (pb.Decision(verdict=ALLOW, masks=[MASK]), "allow"),
        (pb.Decision(verdict=ALLOW, approvals=[APPROVAL]), "allow"),
        (pb.Decision(verdict=ALLOW, credential=pb.Credential()), "allow"),
    ],
)
def test_whatever_else_is_not(message: pb.Decision, verdict: str) -> None:
    decision = Decision(message)
    assert not decision
    assert not decision.allowed
    assert decision.verdict == verdict


def test_who_carries_something_out_says_so() -> None:
    masked = Decision(pb.Decision(verdict=ALLOW, masks=[MASK]))
    assert masked.allows(masks=True)
    assert not masked.allows(credential=True)
    granted = Decision(pb.Decision(verdict=ALLOW, credential=pb.Credential(single_use=True)))
    assert granted.allows(credential=True)
    assert not granted.allows(masks=True)
    both = Decision(pb.Decision(verdict=ALLOW, masks=[MASK], credential=pb.Credential()))
    assert both.allows(masks=True, credential=True)
    assert not both.allows(masks=True)


def test_consent_is_nothing_that_a_caller_can_carry_out() -> None:
    for message in (
        pb.Decision(verdict=pb.VERDICT_APPROVE),
        pb.Decision(verdict=ALLOW, approvals=[APPROVAL]),
    ):
        assert not Decision(message).allows(masks=True, credential=True)


def test_it_says_why() -> None:
    reasons = [pb.Reason(text=f"reason {number}") for number in range(9)]
    decision = Decision(pb.Decision(decision_id="d1", verdict=pb.VERDICT_BLOCK, reasons=reasons))
    assert decision.reason == "reason 0; reason 1; reason 2; reason 3; reason 4"
    assert repr(decision).startswith("<block d1: reason 0;")
