"""What the service counts, for Prometheus.

Decisions are counted on the event loop, a batch at a time, in plain lists: what is asked for rarely, the text of it all, is made
when it is asked for. Everything else is a metric of prometheus-client's in `Metrics.registry`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from importlib.metadata import version
from typing import Any, Final, TypeAlias

from prometheus_client import GC_COLLECTOR, CollectorRegistry, ProcessCollector
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)

from doorward.serve.decision_log.log import DecisionLog
from doorward.serve.decision_log.metrics import collected
from doorward.serve.point import Code, Made
from doorward.serve.policies.revisions import Revisions
from doorward.serve.policies.shadow.observer import Shadow

__all__ = ["Metrics"]

_FINEST: Final = 10
_COARSEST: Final = 30
"""Buckets of time end at powers of two nanoseconds: from 1 µs (2**10) to 1 s (2**30)."""

_TOOK: Final = 65
_CELL: Final = [0] * 66
"""What is kept of decisions that are alike: how many took less than 2**n nanoseconds and no less than half of that, then
how long all of them took.
"""

_LARGEST: Final = 13
"""Buckets of sizes of batches end at powers of two, up to 4096 (2**12)."""

_MOST_CELLS: Final = 1000
"""Kinds are what requests say, and callers may be many: beyond so many combinations both count as `other`."""

_LONGEST_KIND: Final = 64

_Cell: TypeAlias = "tuple[str, str, str]"


class Metrics:
    """Counts what was decided, and tells of it. For one event loop."""

    def __init__(self, revisions: Revisions) -> None:
        self.registry: Final = CollectorRegistry(auto_describe=False)
        self.calls: Counter[tuple[str, str]] = Counter()
        """Calls that have ended, by method and status."""
        self.under_way = 0
        """Calls and streams under way."""
        self.unanswered: Mapping[Code, int] = {}
        """Requests without a decision, by code."""
        self.shadow: Shadow | None = None
        self.log: DecisionLog | None = None
        self._revisions = revisions
        self._cells: dict[_Cell, list[int]] = {}
        self._sizes = [0] * (_LARGEST + 1)
        self._asked = 0
        self._errors: Counter[str] = Counter()
        ProcessCollector(registry=self.registry)
        self.registry.register(GC_COLLECTOR)
        self.registry.register(self)

    def saw(self, batch: Sequence[Made]) -> None:
        """Count a batch."""
        if not batch:
            return
        cells = self._cells
        self._sizes[min((len(batch) - 1).bit_length(), _LARGEST)] += 1
        self._asked += len(batch)
        for made in batch:
            decision, question, took = made.decision, made.question, made.took_ns
            try:
                cell = cells[decision.verdict, question.document["resource"]["kind"], question.caller]
            except (KeyError, TypeError):  # the first of these, or a request that does not say
                cell = self._cell(decision.verdict, question.document, question.caller)
            cell[took.bit_length()] += 1
            cell[_TOOK] += took
            if decision.errors:
                self._errors.update(error.code for error in decision.errors)

    def _cell(self, verdict: str, document: Any, caller: str) -> list[int]:
        resource = document.get("resource") if type(document) is dict else None
        kind = resource.get("kind", "") if type(resource) is dict else ""
        if type(kind) is not str or len(kind) > _LONGEST_KIND:
            kind = "other"
        key = (verdict, kind, caller)
        if key not in self._cells and len(self._cells) >= _MOST_CELLS:
            key = (verdict, "other", "other")
        return self._cells.setdefault(key, _CELL.copy())

    def collect(self) -> Iterator[Metric]:
        """What prometheus-client asks for."""
        info = InfoMetricFamily("doorward_build", "Which Doorward this is.")
        info.add_metric((), {"version": version("doorward")})
        yield info
        yield from self._decisions()
        yield _counter(
            "doorward_evaluation_errors", "What failed in evaluations, by code.", "code", self._errors
        )
        yield _counter(
            "doorward_unanswered",
            "Requests without a decision, which are blocks, by code.",
            "code",
            self.unanswered,
        )
        calls = CounterMetricFamily(
            "doorward_calls", "Calls that have ended, by method and status.", labels=("method", "status")
        )
        for labels, count in sorted(self.calls.items()):
            calls.add_metric(labels, count)
        yield calls
        yield GaugeMetricFamily("doorward_calls_under_way", "Calls and streams under way.", self.under_way)
        yield from self._policies()
        if self.shadow is not None:
            yield from _of_shadow(self.shadow)
        if self.log is not None:
            yield from collected(self.log)

    def _policies(self) -> Iterator[Metric]:
        yield _counter(
            "doorward_policy_fetches",
            "Questions to the source of the policies, by outcome.",
            "outcome",
            self._revisions.outcomes,
        )
        yield GaugeMetricFamily(
            "doorward_policies_answered_timestamp_seconds",
            "When the source of the policies last answered.",
            self._revisions.answered_at,
        )
        yield GaugeMetricFamily(
            "doorward_policies_rejected",
            "1 while the newest policies are not in force; of several worker processes, for how many that is so.",
            float(bool(self._revisions.rejected)),
        )
        revision = GaugeMetricFamily(
            "doorward_revision",
            "1 for the revision in force; of several worker processes, how many have it.",
            labels=("revision",),
        )
        loaded = GaugeMetricFamily(
            "doorward_policies_loaded_timestamp_seconds", "When the revision in force was loaded."
        )
        in_force = self._revisions.in_force
        if in_force is not None:
            revision.add_metric((in_force.engine.revision,), 1)
            loaded.add_metric((), datetime.fromisoformat(in_force.loaded_at).timestamp())
        yield revision
        yield loaded

    def _decisions(self) -> Iterator[Metric]:
        counts = CounterMetricFamily(
            "doorward_decisions",
            "Decisions, by verdict, kind of resource and caller.",
            labels=("verdict", "kind", "caller"),
        )
        kinds: dict[str, list[int]] = {}
        for (verdict, kind, caller), cell in self._cells.items():
            counts.add_metric((verdict, kind, caller), sum(cell[:_TOOK]))
            total = kinds.setdefault(kind, _CELL.copy())
            for at, count in enumerate(cell):
                total[at] += count
        yield counts
        times = HistogramMetricFamily(
            "doorward_decision_seconds",
            "How long deciding took, by kind of resource: reading the request, its facts, and the policies.",
            labels=("kind",),
        )
        for kind, cell in kinds.items():
            times.add_metric((kind,), _buckets(cell[:_TOOK], _FINEST, _COARSEST, 1e-9), cell[_TOOK] / 1e9)
        yield times
        sizes = HistogramMetricFamily(
            "doorward_batch_decisions", "How many requests came together, in one call or message."
        )
        sizes.add_metric((), _buckets(self._sizes, 0, _LARGEST - 1, 1), self._asked)
        yield sizes


def _buckets(counts: Sequence[int], first: int, last: int, unit: float) -> list[tuple[str, float]]:
    """Cumulated counts up to each power of two."""
    ends = [*((at, repr(2.0**at * unit)) for at in range(first, last + 1)), (len(counts) - 1, "+Inf")]
    return [(end, sum(counts[: at + 1])) for at, end in ends]


def _counter(name: str, told: str, label: str, counts: Mapping[Any, int]) -> CounterMetricFamily:
    family = CounterMetricFamily(name, told, labels=(label,))
    for value, count in sorted(counts.items()):
        family.add_metric((value,), count)
    return family


def _of_shadow(shadow: Shadow) -> Iterator[Metric]:
    report = shadow.report
    yield _counter(
        "doorward_shadow_requests",
        "Requests that the shadow policies were to be tried on, by what became of that.",
        "outcome",
        {
            "alike": report.alike,
            "differing": report.differing,
            "failed": report.failed,
            "passed_over": shadow.passed_over,
        },
    )
    yield _counter(
        "doorward_shadow_differences",
        "Requests that the shadow policies decide otherwise, by what differs.",
        "in",
        report.kinds,
    )
    revision = GaugeMetricFamily(
        "doorward_shadow_revision", "1 for the revision that is tried.", labels=("revision",)
    )
    if report.revision:
        revision.add_metric((report.revision,), 1.0)
    yield revision
    yield GaugeMetricFamily(
        "doorward_shadow_rejected",
        "1 while the newest shadow policies are not tried.",
        float(bool(report.rejected)),
    )
