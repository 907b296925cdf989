"""What the decision log counts, for Prometheus."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from doorward.serve.decision_log.log import DecisionLog

__all__ = ["collected"]


def collected(log: DecisionLog) -> Iterator[Metric]:
    """The metrics of a log, as it is now."""
    counts = log.counts
    decisions = CounterMetricFamily(
        "doorward_decision_log_decisions", "Decisions, by what became of them in the log.", labels=("became",)
    )
    for became, count in (
        ("kept", counts.kept),
        ("dropped", counts.dropped),
        ("blocked", counts.blocked),
        ("dropped_by_rule", counts.dropped_by_rule),
    ):
        decisions.add_metric((became,), count)
    yield decisions
    redacted = CounterMetricFamily(
        "doorward_decision_log_redacted",
        "Decisions that were written without something: as asked, or without their request because masks failed.",
        labels=("why",),
    )
    redacted.add_metric(("masked",), counts.redacted)
    redacted.add_metric(("mask_failed",), counts.redaction_failed)
    yield redacted
    for name, told, count in (
        ("bytes", "Bytes written.", counts.bytes),
        ("failures", "Writes that failed.", counts.failures),
        ("rotations", "Files that were full.", counts.rotations),
    ):
        yield CounterMetricFamily(f"doorward_decision_log_{name}", told, value=count)
    yield GaugeMetricFamily(
        "doorward_decision_log_waiting", "Decisions that wait to be written.", value=log.waiting
    )
    yield GaugeMetricFamily(
        "doorward_decision_log_failing", "1 while the log cannot be written.", value=int(bool(log.problem))
    )
    lines = CounterMetricFamily(
        "doorward_decision_log_sink_lines",
        "Lines, by sink and what became of them.",
        labels=("sink", "became"),
    )
    failures = CounterMetricFamily(
        "doorward_decision_log_sink_failures", "Attempts to send that failed.", labels=("sink",)
    )
    missed = CounterMetricFamily(
        "doorward_decision_log_sink_missed",
        "Times that files were given up before a sink had taken them.",
        labels=("sink",),
    )
    behind = GaugeMetricFamily(
        "doorward_decision_log_sink_behind_bytes",
        "Bytes of the file in use that a sink has still to take.",
        labels=("sink",),
    )
    for name, sink in counts.sinks.items():
        lines.add_metric((name, "sent"), sink.sent)
        lines.add_metric((name, "refused"), sink.refused)
        failures.add_metric((name,), sink.failures)
        missed.add_metric((name,), sink.missed)
        behind.add_metric((name,), sink.behind_bytes)
    if counts.sinks:
        yield from (lines, failures, missed, behind)
