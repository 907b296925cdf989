"""One request, one decision: complete the document, derive its facts, evaluate, combine."""

from __future__ import annotations

import hashlib
import itertools
import secrets
import time
from collections.abc import Iterable
from typing import Any, Final, Protocol

import orjson

from doorward.compile.findings import Failed, Findings
from doorward.decide.combine import (
    approvals_of,
    credential_of,
    gather,
    verdict_of,
)
from doorward.decide.decision import Credential, Decision, Mask, Reason
from doorward.decide.document import Clock, complete
from doorward.decide.masks import MaskResolver
from doorward.decide.request import DOCUMENTS
from doorward.facts.postgres import Analysis, AnalysisCache, Catalogue, Settings
from doorward.run.budget import Limits
from doorward.run.context import CallContext
from doorward.run.errors import EvaluationError

__all__ = ["Decider", "Evaluator", "operation_hash"]

_CONNECT: Final = "connect"
_ISSUE: Final = "issue_credential"
_WITHOUT_OPERATION: Final = frozenset({_CONNECT, _ISSUE})
"""Actions that come before any operation: there are no facts to derive and no answer to mask."""

_NO_CATALOGUE: Final = Catalogue.empty()


class Evaluator(Protocol):
    """The compiled policies, as far as a decision needs them."""

    def evaluate(self, kind: str, document: dict[str, Any], call: CallContext) -> Findings:
        """Which statements that govern `kind` hold for the total `document`, and which failed."""


class Decider:
    """Decides requests under one revision. Nothing of a request is kept; threads may share it."""

    __slots__ = ("_analyses", "_clock", "_evaluator", "_ids", "_limits", "_masks", "_prefix", "revision")

    def __init__(
        self, evaluator: Evaluator, revision: str, *, limits: Limits, analyses: AnalysisCache
    ) -> None:
        self.revision = revision
        self._evaluator = evaluator
        self._limits = limits
        self._analyses = analyses
        self._clock = Clock()
        self._masks = MaskResolver()
        # a counter behind a random prefix is as unique as a random number each time, and costs a tenth
        self._prefix = secrets.token_hex(8)
        self._ids = itertools.count(1)

    def decide(self, document: Any, catalogue: Catalogue | None, now_ns: int | None) -> Decision:
        """The decision on an access request document. Raises InvalidRequest, and nothing else."""
        now = time.time_ns() if now_ns is None else now_ns
        whole = complete(document, self._clock.instant(now))
        kind: str = whole["resource"]["kind"]
        action: str = whole["action"]["name"]
        analysis: Analysis | None = None
        refusals: list[Reason] = []
        if kind not in DOCUMENTS:
            refusals.append(_refusal(f"there is no kind of request `{kind[:100]}`"))
        elif action not in _WITHOUT_OPERATION:
            if kind == "postgres":
                analysis = self._analyse(whole["postgres"], catalogue or _NO_CATALOGUE)
                whole["sql"] = analysis.facts
                if analysis.facts["opaque"]:
                    why = analysis.facts["opaque_reason"]
                    refusals.append(_refusal(f"the statement cannot be analysed: {why}"))
            else:
                refusals.append(_refusal(f"requests of kind `{kind}` cannot be analysed"))
        findings = self._evaluate(kind, whole, now)
        return self._conclude(whole, findings, analysis, catalogue or _NO_CATALOGUE, refusals)

    def _analyse(self, operation: dict[str, Any], catalogue: Catalogue) -> Analysis:
        settings = Settings(
            search_path=tuple(operation["search_path"]),
            user=operation["user"],
            database=operation["database"],
            standard_conforming_strings=operation["standard_conforming_strings"],
            prepared=operation["prepared"],
            cursors=operation["cursors"],
            parameters=tuple(operation["parameters"]),
        )
        return self._analyses.analyse(operation["statement"], catalogue, settings)

    def _evaluate(self, kind: str, whole: dict[str, Any], now: int) -> Findings:
        try:
            return self._evaluator.evaluate(kind, whole, CallContext(now_ns=now, limits=self._limits))
        except EvaluationError as error:
            failure = error
        except RecursionError:
            failure = EvaluationError("the evaluation went too deep")
        except Exception as error:  # whatever went wrong, the request is blocked rather than lost
            failure = EvaluationError(f"{type(error).__name__}: {error}")
        findings = Findings()
        findings.errors.append(Failed(None, failure))
        return findings

    def _conclude(
        self,
        whole: dict[str, Any],
        findings: Findings,
        analysis: Analysis | None,
        catalogue: Catalogue,
        refusals: Iterable[Reason],
    ) -> Decision:
        issuing = whole["action"]["name"] == _ISSUE
        gathered = gather(findings, issuing=issuing)
        gathered.blocks.update(refusals)
        masks: tuple[Mask, ...] = ()
        if gathered.masks and analysis is not None:
            masks, unmaskable = self._masks.resolve(gathered.masks, analysis, catalogue)
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
        determining = gathered.allows | gathered.blocks | gathered.consents | gathered.others
        return Decision(
            decision_id=f"{self._prefix}-{next(self._ids):x}",
            revision=self.revision,
            verdict=verdict,
            reasons=tuple(sorted(reasons)),
            determining=tuple(sorted(determining)),
            masks=() if blocked else masks,
            approvals=() if blocked else approvals_of(gathered),
            credential=None if blocked else credential,
            errors=tuple(sorted(gathered.errors)),
            operation_hash=operation_hash(whole) if verdict == "approve" else "",
            cacheable=False,
            facts={"sql": analysis.facts} if analysis is not None else {},
        )


def _refusal(text: str) -> Reason:
    return Reason("", "block", text, "")


def operation_hash(document: dict[str, Any]) -> str:
    """What a consent is bound to: who asks, of what, and the operation with all that gives it its meaning."""
    resource, principal = document["resource"], document["principal"]
    bound = {
        "action": document["action"]["name"],
        "principal": [principal["issuer"], principal["kind"], principal["id"]],
        "resource": [resource["kind"], resource["name"], resource["environment"]],
        "operation": document.get(resource["kind"]),
    }
    return hashlib.sha256(orjson.dumps(bound, option=orjson.OPT_SORT_KEYS)).hexdigest()
