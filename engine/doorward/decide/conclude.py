"""From findings to everything of a decision but its name: verdict, reasons, obligations."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Final

from doorward.compile.findings import Findings
from doorward.decide.combine import approvals_of, credential_of, gather, verdict_of
from doorward.decide.decision import Approval, Credential, DecisionError, Mask, Reason, Verdict
from doorward.decide.masks import MaskResolver, masks_of_documents
from doorward.facts.postgres import Analysis, Catalogue

__all__ = ["Conclusion", "Conclusions", "conclude"]

_REMEMBERED: Final = 4096


@dataclass(slots=True)
class Conclusion:
    """What follows from findings, for any request that has them; see `Decision` for the fields."""

    verdict: Verdict
    reasons: tuple[Reason, ...]
    determining: tuple[Reason, ...]
    masks: tuple[Mask, ...]
    approvals: tuple[Approval, ...]
    credential: Credential | None
    errors: tuple[DecisionError, ...]


def conclude(
    findings: Findings,
    refusal: Reason | None,
    analysis: Analysis | None,
    catalogue: Catalogue,
    resolver: MaskResolver,
    *,
    issuing: bool,
    answering: bool,
) -> Conclusion:
    """Weigh what was found. `refusal` is a block by the engine itself; `issuing` asks for a credential.

    Masks are resolved to columns by `analysis`; without one they go to the gateway as they are where `answering`, that is
    where the operation has an answer at all, and else there is nothing to mask.
    """
    gathered = gather(findings, issuing=issuing)
    if refusal is not None:
        gathered.blocks.add(refusal)
    masks: tuple[Mask, ...] = ()
    if gathered.masks and analysis is not None:
        masks, unmaskable = resolver.resolve(gathered.masks, analysis, catalogue)
        gathered.blocks |= unmaskable
    elif gathered.masks and answering:
        masks, unmaskable = masks_of_documents(gathered.masks)
        gathered.blocks |= unmaskable
    credential: Credential | None = None
    if issuing:
        granted = credential_of(gathered)
        if isinstance(granted, Reason):
            gathered.blocks.add(granted)
        else:
            credential = granted
    verdict, reasons = verdict_of(gathered)
    blocked = verdict == "block"
    return Conclusion(
        verdict=verdict,
        reasons=tuple(sorted(reasons)),
        determining=tuple(sorted(gathered.allows | gathered.blocks | gathered.consents | gathered.others)),
        masks=() if blocked else masks,
        approvals=() if blocked else approvals_of(gathered),
        credential=None if blocked else credential,
        errors=tuple(sorted(gathered.errors)),
    )


class Conclusions:
    """Remembers conclusions: a service meets the same few findings on the same few statements over and over.

    A conclusion is remembered only where nothing of the request is in it: every statement that held says what it
    always says, none failed, and the engine's own refusal and the analysis, if any, are the very same. Threads may share it.
    """

    __slots__ = ("_known", "_resolver")

    def __init__(self) -> None:
        self._resolver = MaskResolver()
        # what the key tells apart by identity is kept alive beside the conclusion
        self._known: dict[Hashable, tuple[Conclusion, Analysis | None, Catalogue]] = {}

    def of(
        self,
        findings: Findings,
        refusal: Reason | None,
        analysis: Analysis | None,
        catalogue: Catalogue,
        *,
        issuing: bool,
        answering: bool,
    ) -> Conclusion:
        """`conclude`, remembered."""

        infos = set()
        plain = not findings.errors
        for held in findings.held:
            if held.payload is not held.info.payload:
                plain = False
            infos.add(held.info)
        key = (frozenset(infos), refusal, id(analysis), id(catalogue), issuing, answering)
        known = self._known.get(key) if plain else None
        if known is not None:
            return known[0]
        conclusion = conclude(
            findings, refusal, analysis, catalogue, self._resolver, issuing=issuing, answering=answering
        )
        if not plain:
            return conclusion
        if len(self._known) >= _REMEMBERED:
            self._known.clear()
        self._known[key] = (conclusion, analysis, catalogue)
        return conclusion
