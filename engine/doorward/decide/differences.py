"""What differs between two decisions on one request."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, get_args

from doorward.decide.decision import Decision, Mask, Reason

__all__ = ["KINDS", "Difference", "Kind", "differences"]

Kind: TypeAlias = Literal["loses", "gains", "masks", "approvals", "credential", "errors"]
"""`loses`, `gains`: the verdict is more restrictive, or less; the others: what stands beside it has moved."""

KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
"""All of them."""

_RANK: Final = {"allow": 0, "approve": 1, "block": 2}


@dataclass(frozen=True, slots=True, order=True)
class Difference:
    """One thing that differs. Equal ones of several requests are one group."""

    kind: Kind
    what: str
    """In words: `allow → block`, `customers.ssn: partial(4) → hash`."""
    because: tuple[str, ...] = ()
    """The statements that brought it about, `+` where they decide now, `-` where they did and do no longer: verb, reason
    and file. Of a request that is not allowed any more because nothing allows it, those that did.
    """


def differences(old: Decision, new: Decision) -> list[Difference]:
    """What differs in what a gateway does, by kind; empty where only reasons do.

    Under a block there is nothing else to compare.
    """
    if old.verdict != new.verdict:
        kind: Kind = "loses" if _RANK[new.verdict] > _RANK[old.verdict] else "gains"
        found = [Difference(kind, f"{old.verdict} → {new.verdict}", _because(kind, old, new))]
    else:
        found = []
    if "block" not in (old.verdict, new.verdict):
        found += _masks(old, new)
        found += _approvals(old, new) if old.verdict == new.verdict else []
    if old.credential != new.credential and old.credential is not None and new.credential is not None:
        found += _credential(old, new)
    if old.errors != new.errors and [e.code for e in old.errors] != [e.code for e in new.errors]:
        found += _errors(old, new)
    return found


def _because(kind: Kind, old: Decision, new: Decision) -> tuple[str, ...]:
    """The statements that restrict now, or did before; where none does but nothing allows, those that allow."""
    before, after = _told(old.reasons), _told(new.reasons)
    restricting, allowing = (new, old) if kind == "loses" else (old, new)
    cause = restricting if any(reason.id for reason in restricting.reasons) else allowing
    lines = [f"+ {text}" for text in sorted(after - before)] if cause is new else []
    lines += [f"- {text}" for text in sorted(before - after)] if cause is old else []
    return tuple(lines[:_MOST])


_MOST: Final = 6


def _told(reasons: Iterable[Reason]) -> set[str]:
    """Statements by what they say and the file they stand in: lines move, and move nothing."""
    return {
        f'{reason.verb} "{_without_place(reason)}"' + (f" ({_file(reason)})" if reason.place else "")
        for reason in reasons
    }


def _without_place(reason: Reason) -> str:
    return reason.text.replace(reason.place, _file(reason)) if reason.place else reason.text


def _file(reason: Reason) -> str:
    return reason.place.rsplit(":", 2)[0]


def _masks(old: Decision, new: Decision) -> list[Difference]:
    # a mask that only says by which origins its column would be known touches nothing of this answer
    before, after = (
        {mask.target: mask for mask in masks if mask.outputs or not mask.origins}
        for masks in (old.masks, new.masks)
    )
    found = []
    for target in sorted(before.keys() | after.keys()):
        was, now = before.get(target), after.get(target)
        if was is None or now is None or _method(was) != _method(now):
            found.append(Difference("masks", f"{target}: {_method(was)} → {_method(now)}"))
        elif was.outputs != now.outputs:
            found.append(Difference("masks", f"{target}: in other places of the answer"))
    return found


def _method(mask: Mask | None) -> str:
    if mask is None:
        return "not masked"
    if mask.method == "partial":
        return f"partial({mask.keep_last})"
    return f'replace("{mask.replacement}")' if mask.method == "replace" else mask.method


def _approvals(old: Decision, new: Decision) -> list[Difference]:
    before = {(one.groups, one.within_ms) for one in old.approvals}
    after = {(one.groups, one.within_ms) for one in new.approvals}
    if before == after:
        return []
    return [Difference("approvals", f"{_consents(before)} → {_consents(after)}")]


def _consents(wanted: Iterable[tuple[tuple[str, ...], int]]) -> str:
    texts = [
        f"{' or '.join(groups)}{f' within {ms / 1000:g} s' if ms else ''}" for groups, ms in sorted(wanted)
    ]
    return ", ".join(texts) or "nobody"


def _credential(old: Decision, new: Decision) -> list[Difference]:
    was, now = old.credential, new.credential
    if was is None or now is None:
        return []
    found = []
    if was.ttl_ms != now.ttl_ms:
        found.append(Difference("credential", f"lives {was.ttl_ms / 1000:g} s → {now.ttl_ms / 1000:g} s"))
    if was.single_use != now.single_use:
        found.append(Difference("credential", f"{_use(was.single_use)} → {_use(now.single_use)}"))
    if was.role != now.role:
        found.append(
            Difference("credential", f"as {was.role or 'the default'} → as {now.role or 'the default'}")
        )
    return found


def _use(single: bool) -> str:
    return "single use" if single else "any number of uses"


def _errors(old: Decision, new: Decision) -> list[Difference]:
    before = {f"{error.code}: {error.message}"[:160] for error in old.errors}
    after = {f"{error.code}: {error.message}"[:160] for error in new.errors}
    found = [Difference("errors", f"new: {text}") for text in sorted(after - before)]
    return found + [Difference("errors", f"gone: {text}") for text in sorted(before - after)]
