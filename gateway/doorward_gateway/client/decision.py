"""A decision as an enforcement point should meet it: what is not clearly an allow reads as a block."""

from __future__ import annotations

from typing import Literal, TypeAlias

from doorward_proto.v1 import decision_pb2 as pb

__all__ = ["Decision", "Verdict"]

Verdict: TypeAlias = Literal["block", "approve", "allow"]


class Decision:
    """The answer to one access request. True in a condition if, and only if, it is `allowed`.

    `message` is all of it, as `decision.proto` describes it; it is the caller's own.
    """

    __slots__ = ("message",)

    def __init__(self, message: pb.Decision) -> None:
        self.message = message

    @property
    def allowed(self) -> bool:
        """Whether the operation may go ahead as it is: allowed, and nothing has to be done for it.

        Not so where columns have to be masked, where a person has to consent, and where a credential is granted within
        limits: who can do such a thing asks `allows`.
        """
        return self.allows()

    def allows(self, *, masks: bool = False, credential: bool = False) -> bool:
        """Whether the operation may go ahead, for a caller who carries out what is said here to be carried out: the
        `masks` on its answer, the limits of its `credential`.

        Consent is nothing that a caller can carry out: when it was given, the request is decided again.
        """
        message = self.message
        return (
            message.verdict == pb.VERDICT_ALLOW
            and not message.approvals
            and (masks or not message.masks)
            and (credential or not message.HasField("credential"))
        )

    @property
    def verdict(self) -> Verdict:
        """The verdict, without regard to what has to be done under it. One that is unset or unknown is a block."""
        verdict = self.message.verdict
        if verdict == pb.VERDICT_ALLOW:
            return "allow"
        return "approve" if verdict == pb.VERDICT_APPROVE else "block"

    @property
    def reason(self) -> str:
        """Why, in words for the person who asked: the reasons of the verdict, the first five of them."""
        return "; ".join(one.text for one in self.message.reasons[:5])

    def __bool__(self) -> bool:
        return self.allows()

    def __repr__(self) -> str:
        return f"<{self.verdict} {self.message.decision_id}: {self.reason}>"
