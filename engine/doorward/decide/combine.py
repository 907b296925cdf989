"""From what statements found to what is to be done.

The combination is commutative, associative and idempotent: it works on sets, maxima and minima only, so
the order of files, modules and statements never shows, nor does a statement that holds twice.

Errors restrict. A `block` whose condition failed fires; an `allow` whose condition failed does not; an
`approve` or `mask` whose condition failed applies, and where what it asks for depends on that condition, the
request is blocked.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from doorward.compile.findings import (
    ApprovePayload,
    CredentialPayload,
    Failed,
    Findings,
    MaskerSpec,
    MaskPayload,
    Payload,
    StatementInfo,
    Target,
)
from doorward.decide.decision import Approval, Credential, DecisionError, MaskMethod, Reason, Verdict

__all__ = [
    "NOTHING_ALLOWS",
    "NOTHING_GRANTS",
    "Gathered",
    "Masking",
    "approvals_of",
    "credential_of",
    "gather",
    "masker_strength",
    "verdict_of",
]

_STRENGTH: Final[dict[str, int]] = {
    method: rank
    for rank, method in enumerate(("partial", "format_preserving", "hash", "replace", "null", "redact"), 1)
}

_SENTENCES: Final = {
    "allow": "allowed by",
    "block": "blocked by",
    "mask": "masked by",
    "approve": "consent is required by",
    "credential": "the credential is granted by",
}

NOTHING_ALLOWS: Final = "no statement allows this"
"""The reason of a block where no `allow` held."""

NOTHING_GRANTS: Final = "no statement grants a credential"
"""The reason of a block where a credential is asked for and no `credential` held."""

_NOTHING_ALLOWS: Final = Reason("", "block", NOTHING_ALLOWS, "")


@dataclass(slots=True, order=True, unsafe_hash=True)
class Masking:
    """How one target is masked, and by whom. The greatest is the strongest; equals are told apart by name."""

    strength: tuple[int, int, str]
    reason: Reason

    @property
    def method(self) -> MaskMethod:
        """The masker's name."""
        return _METHODS[self.strength[0]]

    @property
    def keep_last(self) -> int:
        """For `partial`: how many characters stay readable."""
        return -self.strength[1]

    @property
    def replacement(self) -> str:
        """For `replace`: what stands instead."""
        return self.strength[2]


_METHODS: Final[dict[int, MaskMethod]] = {
    1: "partial",
    2: "format_preserving",
    3: "hash",
    4: "replace",
    5: "null",
    6: "redact",
}


@dataclass(slots=True)
class Gathered:
    """All that the statements asked for, not yet weighed: sets, and per target a maximum."""

    allows: set[Reason] = field(default_factory=set)
    blocks: set[Reason] = field(default_factory=set)
    approvals: set[Approval] = field(default_factory=set)
    consents: set[Reason] = field(default_factory=set)
    """The reasons of `approvals`."""
    masks: dict[Target, Masking] = field(default_factory=dict)
    credentials: set[CredentialPayload] = field(default_factory=set)
    others: set[Reason] = field(default_factory=set)
    """Reasons of masks and credentials: they take part, but do not make the verdict."""
    errors: set[DecisionError] = field(default_factory=set)


def masker_strength(masker: MaskerSpec) -> tuple[int, int, str]:
    """A key in order of strength: by method; of two `partial`s, the one that leaves less; then by text.

    A masker that is not known counts as `redact`.
    """
    rank = _STRENGTH.get(masker.name, 6)
    keep, replacement = 0, ""
    for argument in masker.args:
        if rank == 1 and type(argument) is int:
            keep = argument
        elif rank == 4 and type(argument) is str:
            replacement = argument
    return rank, -keep, replacement


def gather(findings: Findings, *, issuing: bool) -> Gathered:
    """Sort findings by what they ask for. `issuing`: the request is for a credential."""
    gathered = Gathered()
    for held in findings.held:
        _add(gathered, held.info, held.payload, "", issuing)
    for failed in findings.errors:
        _add_failed(gathered, failed, issuing)
    return gathered


def _add(gathered: Gathered, info: StatementInfo, payload: Payload, note: str, issuing: bool) -> None:
    text = payload.reason or f"{_SENTENCES[info.verb]} {info.place}"
    reason = Reason(info.id, info.verb, text + note, info.place)
    if info.verb == "allow":
        gathered.allows.add(reason)
    elif info.verb == "block":
        gathered.blocks.add(reason)
    elif isinstance(payload, ApprovePayload):
        if payload.groups:
            gathered.consents.add(reason)
            gathered.approvals.add(Approval(info.id, payload.groups, payload.within_ms or 0, reason.text))
        else:
            gathered.blocks.add(_refusal(reason, "nobody is named who could consent"))
    elif isinstance(payload, MaskPayload):
        gathered.others.add(reason)
        strength = masker_strength(payload.masker)
        for target in payload.targets:
            masking = Masking(strength, reason)
            known = gathered.masks.get(target)
            if known is None or known < masking:
                gathered.masks[target] = masking
    elif isinstance(payload, CredentialPayload) and issuing:
        gathered.others.add(reason)
        gathered.credentials.add(CredentialPayload(None, payload.ttl_ms, payload.single_use, payload.role))


def _add_failed(gathered: Gathered, failed: Failed, issuing: bool) -> None:
    error, info = failed.error, failed.info
    place = str(error.span) if error.span is not None else info.place if info is not None else ""
    gathered.errors.add(DecisionError(info.id if info is not None else "", error.code, error.message, place))
    if info is None:
        gathered.blocks.add(Reason("", "block", "the policies could not be evaluated", place))
    elif info.verb == "allow" or (info.verb == "credential" and not issuing):
        return
    elif info.complete and info.verb != "credential":
        _add(gathered, info, info.payload, " (its condition could not be evaluated)", issuing)
    else:
        text = info.payload.reason or f"{_SENTENCES[info.verb]} {info.place}"
        reason = Reason(info.id, info.verb, text, info.place)
        gathered.blocks.add(_refusal(reason, "its condition could not be evaluated"))


def _refusal(reason: Reason, why: str) -> Reason:
    return Reason(reason.id, "block", f"{reason.text}: {why}", reason.place)


def credential_of(gathered: Gathered) -> Credential | Reason:
    """What an issued credential may be, or why there is none: shortest ttl, single use if any says so."""
    if not gathered.credentials:
        return Reason("", "block", NOTHING_GRANTS, "")
    ttls = [c.ttl_ms for c in gathered.credentials if c.ttl_ms is not None]
    if not ttls:
        return Reason("", "block", "no statement says how long the credential may live", "")
    roles = sorted({c.role for c in gathered.credentials if c.role})
    if len(roles) > 1:
        named = ", ".join(f"`{role}`" for role in roles)
        return Reason("", "block", f"statements grant a credential for different roles: {named}", "")
    single_use = any(c.single_use for c in gathered.credentials)
    return Credential(min(ttls), single_use, roles[0] if roles else "")


def verdict_of(gathered: Gathered) -> tuple[Verdict, Iterable[Reason]]:
    """The most restrictive verdict that anything asked for, and its reasons; nothing allowed is a block."""
    if gathered.blocks:
        return "block", gathered.blocks
    if not gathered.allows:
        return "block", (_NOTHING_ALLOWS,)
    if gathered.approvals:
        return "approve", gathered.consents
    return "allow", gathered.allows


def approvals_of(gathered: Gathered) -> tuple[Approval, ...]:
    """The consents needed, sorted, all within the shortest wait that any of them names.

    A consent satisfies one requirement, by its `statement_id`; where one statement asks several groups apart,
    their names are part of it.
    """
    waits = [a.within_ms for a in gathered.approvals if a.within_ms]
    within = min(waits) if waits else 0
    groups_by_id: dict[str, set[tuple[str, ...]]] = {}
    for approval in gathered.approvals:
        groups_by_id.setdefault(approval.statement_id, set()).add(approval.groups)
    merged: dict[tuple[str, tuple[str, ...]], str] = {}
    for approval in gathered.approvals:
        several = len(groups_by_id[approval.statement_id]) > 1
        name = f"{approval.statement_id}({','.join(approval.groups)})" if several else approval.statement_id
        known = merged.get((name, approval.groups))
        if known is None or approval.reason < known:
            merged[name, approval.groups] = approval.reason
    return tuple(Approval(name, groups, within, text) for (name, groups), text in sorted(merged.items()))
