"""What of a decision is written: without secrets, as masks ask for, or not at all."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

import orjson

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
    decision: bytes | dict[str, Any]
    """As JSON, or what is to be."""
    erased: list[str] = field(default_factory=list)
    masked: list[str] = field(default_factory=list)
    failed: str = ""
    """Why masks could not be followed."""


class Redactor:
    """Takes out of decisions what is not to be written."""

    def __init__(self, counts: Counts) -> None:
        self._counts = counts

    def shown(
        self,
        made: Made,
        head: bytes,
        written: bytes,
        hidden: Hidden | None,
        rules: LogRules | MaskFailed | None,
    ) -> Shown | None:
        """What is written; None for a decision that a rule drops.

        `head` is the line up to the request, `written` the decision as JSON; `hidden` is what is left without known secrets,
        where there are some.
        """
        request, facts = made.question.document, made.decision.facts
        values, masked = list[str](), list[str]()
        if hidden is not None:
            request, facts, values, masked = hidden.request, hidden.facts, hidden.values, hidden.places
        shown = Shown(request, written, masked=masked)
        _scrub(shown, values, facts)
        if isinstance(rules, MaskFailed):
            return self._bare(made, str(rules))
        if rules is not None:
            decision = shown.decision
            whole = orjson.loads(head + b"}")
            whole["request"] = request
            whole["decision"] = _read(decision, facts) if isinstance(decision, bytes) else decision
            if rules.drops(whole):
                self._counts.dropped_by_rule += 1
                return None
            try:
                changes = rules.changes(whole)
            except MaskFailed as failed:
                return self._bare(made, str(failed))
            before = len(masked)
            values = _apply(changes, whole, shown)
            if shown.erased or len(shown.masked) > before:
                shown.request, shown.decision = whole["request"], whole["decision"]
            _scrub(shown, values, facts)
        if shown.masked or shown.erased:
            self._counts.redacted += 1
        return shown

    def _bare(self, made: Made, why: str) -> Shown:
        self._counts.redaction_failed += 1
        return bare(made, why)


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
    return Shown(MISSING, document, erased=["/request", "/decision/facts", "/decision/effects"], failed=why)


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


def _read(written: bytes, facts: dict[str, Any]) -> dict[str, Any]:
    """The decision as written; facts as they are, for in them alone are numbers that a fast parser would make inexact."""
    decision: dict[str, Any] = orjson.loads(written)
    decision["facts"] = facts
    return decision


def _scrub(shown: Shown, values: list[str], facts: dict[str, Any]) -> None:
    """Write over what was taken out of the request wherever a text of the decision holds it: a reason may quote it."""
    telling = sorted({value for value in values if len(value) >= _TELLING}, key=len, reverse=True)
    if not telling:
        return
    if isinstance(shown.decision, bytes):
        written = shown.decision
        if not any(encode(value)[1:-1] in written for value in telling):
            return
        shown.decision = _read(written, facts)
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

    shown.decision = clean(shown.decision)
    if found and "/decision" not in shown.masked:
        shown.masked.append("/decision")
