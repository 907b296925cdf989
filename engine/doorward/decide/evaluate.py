"""One request, one decision: complete the document, derive its facts, evaluate, combine."""

from __future__ import annotations

import hashlib
import itertools
import secrets
import time
from collections.abc import Iterable, Mapping
from typing import Any, Final, Protocol

import orjson

from doorward.compile.findings import Failed, Findings
from doorward.decide.conclude import Conclusions
from doorward.decide.decision import Decision, Reason
from doorward.decide.document import KINDS, Clock, Kind, complete
from doorward.facts import Reader, Reading
from doorward.facts.postgres import Analysis, AnalysisCache, Catalogue, Settings
from doorward.run.budget import Limits
from doorward.run.context import CallContext
from doorward.run.effects import NOTHING_GRANTED, Effect, Grants
from doorward.run.errors import EvaluationError

__all__ = ["Decider", "Evaluator", "operation_hash"]

_CONNECT: Final = "connect"
_ISSUE: Final = "issue_credential"
_WITHOUT_OPERATION: Final = frozenset({_CONNECT, _ISSUE})
"""Actions that come before any operation: there are no facts to derive and no answer to mask."""

_NO_CATALOGUE: Final = Catalogue.empty()
_REMEMBERED: Final = 1024


class Evaluator(Protocol):
    """The compiled policies, as far as a decision needs them."""

    def evaluate(self, kind: str, document: dict[str, Any], call: CallContext) -> Findings:
        """Which statements that govern `kind` hold for the total `document`, and which failed."""

    def is_timeless(self, kind: str) -> bool:
        """Whether none of them can read the time that stands in a document."""


class Decider:
    """Decides requests under one revision. Nothing of a request is kept; threads may share it."""

    __slots__ = (
        "_analyses",
        "_clock",
        "_conclusions",
        "_evaluator",
        "_grants",
        "_ids",
        "_kinds",
        "_limits",
        "_plain_settings",
        "_prefix",
        "revision",
    )

    def __init__(
        self,
        evaluator: Evaluator,
        revision: str,
        *,
        limits: Limits,
        analyses: AnalysisCache,
        grants: Grants = NOTHING_GRANTED,
        kinds: Mapping[str, Kind] = KINDS,
    ) -> None:
        self.revision = revision
        self._kinds = kinds
        self._evaluator = evaluator
        self._limits = limits
        self._analyses = analyses
        self._grants = grants
        self._clock = Clock()
        self._conclusions = Conclusions()
        self._plain_settings: dict[tuple[Any, ...], Settings] = {}
        # a counter behind a random prefix is as unique as a random number each time, and costs a tenth
        self._prefix = secrets.token_hex(8)
        self._ids = itertools.count(1)

    def decide(
        self,
        document: Any,
        catalogue: Catalogue | None,
        now_ns: int | None,
        replaying: Iterable[Effect] | None = None,
    ) -> Decision:
        """The decision on an access request document. Raises InvalidRequest, and nothing else."""
        now = time.time_ns() if now_ns is None else now_ns
        whole = complete(document, self._clock.instant(now), self._kinds)
        kind: str = whole["resource"]["kind"]
        action: str = whole["action"]["name"]
        if catalogue is None:
            catalogue = _NO_CATALOGUE
        analysis: Analysis | None = None
        refusal: Reason | None = None
        facts: dict[str, Any] = {}
        known = self._kinds.get(kind)
        if known is None:
            refusal = _refusal(f"there is no kind of request `{kind[:100]}`")
        elif action not in _WITHOUT_OPERATION:
            if kind == "postgres":
                analysis = self._analyse(whole["postgres"], catalogue)
                facts = {"sql": analysis.facts}
                if analysis.facts["opaque"]:
                    refusal = _refusal(f"the statement cannot be analysed: {analysis.facts['opaque_reason']}")
            elif known.reader is not None:
                reading = _read(known.reader, whole[known.operation])
                facts = reading.facts
                if reading.opaque:
                    refusal = _refusal(f"the request cannot be analysed: {reading.opaque}")
            whole.update(facts)
        call = CallContext(now, self._limits, grants=self._grants)
        if replaying is not None:
            call.replay(replaying)
        findings = self._evaluate(kind, whole, call)
        found = self._conclusions.of(
            findings,
            refusal,
            analysis,
            catalogue,
            issuing=action == _ISSUE,
            answering=known is not None and kind != "postgres" and action not in _WITHOUT_OPERATION,
        )
        recorded = call.recorded
        # What asked for neither the time nor anything of the world would find the same again at any other instant.
        cacheable = (
            found.verdict != "approve"
            and not found.errors
            and found.credential is None
            and not recorded
            and not call.asked_time
            and self._evaluator.is_timeless(kind)
        )
        # By position, which costs a third of what naming them does.
        return Decision(
            f"{self._prefix}-{next(self._ids):x}",
            self.revision,
            found.verdict,
            found.reasons,
            found.determining,
            found.masks,
            found.approvals,
            found.credential,
            found.errors,
            operation_hash(whole, known) if found.verdict == "approve" else "",
            cacheable,
            facts,
            recorded,
        )

    def _analyse(self, operation: dict[str, Any], catalogue: Catalogue) -> Analysis:
        return self._analyses.analyse(operation["statement"], catalogue, self._settings(operation))

    def _settings(self, operation: dict[str, Any]) -> Settings:
        search_path = tuple(operation["search_path"])
        user, database = operation["user"], operation["database"]
        conforming = operation["standard_conforming_strings"]
        prepared, cursors, parameters = operation["prepared"], operation["cursors"], operation["parameters"]
        if prepared or cursors or parameters:
            return Settings(search_path, user, database, conforming, prepared, cursors, tuple(parameters))
        key = (search_path, user, database, conforming)
        settings = self._plain_settings.get(key)
        if settings is None:
            if len(self._plain_settings) >= _REMEMBERED:
                self._plain_settings.clear()
            settings = self._plain_settings[key] = Settings(search_path, user, database, conforming)
        return settings

    def _evaluate(self, kind: str, whole: dict[str, Any], call: CallContext) -> Findings:
        try:
            return self._evaluator.evaluate(kind, whole, call)
        except EvaluationError as error:
            failure = error
        except RecursionError:
            failure = EvaluationError("the evaluation went too deep")
        except Exception as error:  # whatever went wrong, the request is blocked rather than lost
            failure = EvaluationError(f"{type(error).__name__}: {error}")
        findings = Findings()
        findings.errors.append(Failed(None, failure))
        return findings


def _read(reader: Reader, operation: dict[str, Any]) -> Reading:
    """The facts of an operation of a kind that needs no catalogue."""
    try:
        return reader(operation)
    except Exception as error:  # a fault of ours: what is not understood is blocked, never let through
        return Reading({}, f"{type(error).__name__}: {error}")


def _refusal(text: str) -> Reason:
    return Reason("", "block", text, "")


def operation_hash(document: dict[str, Any], kind: Kind | None) -> str:
    """What a consent is bound to: who asks, of what, and the operation with all that gives it its meaning."""
    resource, principal = document["resource"], document["principal"]
    bound = {
        "action": document["action"]["name"],
        "principal": [principal["issuer"], principal["kind"], principal["id"]],
        "resource": [resource["kind"], resource["name"], resource["environment"]],
        "operation": None if kind is None else document.get(kind.operation),
    }
    return hashlib.sha256(orjson.dumps(bound, option=orjson.OPT_SORT_KEYS)).hexdigest()
