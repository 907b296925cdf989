"""What of a decision is written: without secrets, as masks ask for, or not at all."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from doorward.decide.decision import Decision
from doorward.serve.decision_log.counts import Counts
from doorward.serve.decision_log.encoding import encode
from doorward.serve.decision_log.pointers import (
    MISSING,
    format_pointer,
    value_at,
    with_value,
    without,
)
from doorward.serve.decision_log.rules import Change, LogRules, MaskFailed
from doorward.serve.decision_log.secrets import REDACTED, Hidden
from doorward.serve.point import Made

__all__ = ["Redactor", "Shown", "bare"]

_SHARED: Final = frozenset(("principal", "action", "resource", "session"))
"""Sections of a request that are no operation: no facts are made of them."""

_TELLING: Final = 4
"""A shorter text is too common to be looked for elsewhere."""


@dataclass(slots=True)
class Shown:
    """What is written of one decision."""

    request: Any
    """MISSING where nothing of it is."""
    decision: Decision | dict[str, Any]
    facts: dict[str, Any]
    """Of a decision that is not a dict."""
    erased: list[str] = field(default_factory=list)
    masked: list[str] = field(default_factory=list)
    failed: str = ""
    """Why masks could not be followed."""


class Redactor:
    """Takes out of decisions what is not to be written."""

    def __init__(self, counts: Counts) -> None:
        self._counts = counts

    def shown(
        self, made: Made, event: dict[str, Any], hidden: Hidden | None, rules: LogRules | MaskFailed | None
    ) -> Shown | None:
        """What is written; None for a decision that a rule drops. `event` is the rest of its line, `hidden` what is left
        without known secrets, where there are some.
        """
        decision = made.decision
        shown = Shown(made.question.document, decision, decision.facts)
        values: list[str] = []
        if hidden is not None:
            shown = Shown(hidden.request, decision, hidden.facts, masked=hidden.places)
            values = hidden.values
        if rules is not None:
            if isinstance(rules, MaskFailed):
                return self._bare(made, str(rules))
            document = decision.to_dict()
            document["facts"] = shown.facts
            whole = {**event, "request": shown.request, "decision": document}
            if _scrub(whole, values):
                shown.masked.append("/decision")
            if rules.drops(whole):
                self._counts.dropped_by_rule += 1
                return None
            try:
                changes = rules.changes(whole)
            except MaskFailed as failed:
                return self._bare(made, str(failed))
            if changes:
                values += _apply(changes, whole, shown)
                shown.request, shown.decision = whole.get("request", MISSING), whole["decision"]
        if values:
            self._scrub(shown, values)
        if shown.masked or shown.erased:
            self._counts.redacted += 1
        return shown

    def _bare(self, made: Made, why: str) -> Shown:
        self._counts.redaction_failed += 1
        return bare(made, why)

    @staticmethod
    def _scrub(shown: Shown, values: list[str]) -> None:
        """Take what was hidden out of the texts of the decision too: a reason may quote it."""
        decision = shown.decision
        if isinstance(decision, Decision):
            texts = (decision.reasons, decision.determining, decision.errors, decision.effects, shown.facts)
            written = encode(texts)
            if not any(encode(value)[1:-1] in written for value in values if len(value) >= _TELLING):
                return
            decision = {**decision.to_dict(), "facts": shown.facts}
        whole = {"decision": decision}
        if _scrub(whole, values) and "/decision" not in shown.masked:
            shown.masked.append("/decision")
        shown.decision = whole["decision"]


def bare(made: Made, why: str) -> Shown:
    """A decision with nothing that its caller sent: what was decided, by which statements."""
    document = made.decision.to_dict()
    for part in ("reasons", "determining"):
        document[part] = [{**reason, "text": ""} for reason in document[part]]
    document["errors"] = [{**error, "message": ""} for error in document["errors"]]
    document["masks"] = [{**mask, "reason": ""} for mask in document["masks"]]
    document["approvals"] = [{**approval, "reason": ""} for approval in document["approvals"]]
    document["facts"] = {}
    document["effects"] = []
    return Shown(
        MISSING, document, {}, erased=["/request", "/decision/facts", "/decision/effects"], failed=why
    )


def _apply(changes: list[Change], whole: dict[str, Any], shown: Shown) -> list[str]:
    """Follow masks; gives the texts that were taken out of the request."""
    values: list[str] = []
    of_operation = False
    for change in changes:
        before = value_at(whole, change.place)
        root = change.place[0]
        if change.erase:
            if before is MISSING:
                continue
            if len(change.place) == 1:
                whole[root] = MISSING if root == "request" else {}
            else:
                whole[root] = without(whole[root], change.place[1:])
            shown.erased.append(format_pointer(change.place))
        else:
            changed = with_value(whole, change.place, change.value)
            if changed is whole:
                continue
            whole.update(changed)
            shown.masked.append(format_pointer(change.place))
        if root == "request":
            of_operation |= len(change.place) == 1 or change.place[1] not in _SHARED
            _collect(before, values)
    decision = whole["decision"]
    # facts repeat the operation in other words, in which a value could not be found again
    if of_operation and type(decision) is dict and decision.get("facts"):
        whole["decision"] = {**decision, "facts": {}}
        shown.erased.append("/decision/facts")
    return values


def _collect(value: Any, into: list[str]) -> None:
    if type(value) is str:
        into.append(value)
    elif type(value) is dict:
        for member in value.values():
            _collect(member, into)
    elif type(value) is list:
        for item in value:
            _collect(item, into)


def _scrub(whole: dict[str, Any], values: list[str]) -> bool:
    """Write over what was hidden wherever a text of `whole["decision"]` holds it; says whether one did."""
    telling = sorted({value for value in values if len(value) >= _TELLING}, key=len, reverse=True)
    if not telling:
        return False
    found = False

    def clean(value: Any) -> Any:
        nonlocal found
        if type(value) is str:
            for secret in telling:
                if secret in value:
                    found, value = True, value.replace(secret, REDACTED)
            return value
        if type(value) is dict:
            return {clean(name): clean(member) for name, member in value.items()}
        if type(value) is list:
            return [clean(item) for item in value]
        return value

    whole["decision"] = clean(whole["decision"])
    return found
