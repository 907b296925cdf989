"""The document that an export is asked with: what policies saw when a decision was made."""

from __future__ import annotations

from typing import Any, Final

from doorward.decide.decision import Decision
from doorward.decide.document import Clock, complete
from doorward.engine import Engine
from doorward.engine.kinds import kinds_of

__all__ = ["whole_document"]

_UNREADABLE: Final = "the request cannot be analysed: "


def whole_document(engine: Engine, request: Any, decision: Decision, now_ns: int) -> dict[str, Any]:
    """The complete document of a request that `engine` decided at an instant: every field, the time, and the facts.

    A request that can be read in more than one way is blocked whatever the policies say; why, stands in `unreadable`.
    Raises InvalidRequest.
    """
    whole = complete(request, Clock().instant(now_ns), kinds_of(engine.policies)) | decision.facts
    for reason in decision.determining:
        if not reason.id and reason.text.startswith(_UNREADABLE):
            whole["unreadable"] = reason.text.removeprefix(_UNREADABLE)
    return whole
