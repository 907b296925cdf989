"""Traces that join the caller's, sent by OpenTelemetry (the extra `doorward[otel]`).

A span stands for what was decided together for one trace: a call, or those requests of a message that belong to it. Whether
a trace is kept, the caller has decided; where it is not, nothing is made.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Sequence
from importlib.metadata import version
from typing import Final

from doorward.serve.operations.settings import TraceSettings
from doorward.serve.point import Made

__all__ = ["Traces", "TracesUnavailable"]

_KEPT: Final = re.compile(r"(?!ff)[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f][13579bdf](-.*)?")
"""A `traceparent` whose trace is kept. See https://www.w3.org/TR/trace-context/."""

_TIMEOUT: Final = 5
"""Seconds for one export; spans that cannot be sent are dropped."""


class TracesUnavailable(Exception):
    """Traces cannot be sent; the message is one sentence."""


class Traces:
    """Makes spans of what was decided. Raises TracesUnavailable where OpenTelemetry is not installed."""

    def __init__(self, settings: TraceSettings) -> None:
        try:
            from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
            from opentelemetry.sdk.resources import Resource
            from opentelemetry.sdk.trace import TracerProvider
            from opentelemetry.sdk.trace.export import BatchSpanProcessor
            from opentelemetry.trace import SpanKind
            from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
        except ImportError:
            raise TracesUnavailable("traces need OpenTelemetry: install `doorward[otel]`") from None
        resource = Resource.create({"service.name": "doorward", "service.version": version("doorward")})
        exporter = OTLPSpanExporter(
            endpoint=settings.endpoint, insecure=settings.endpoint.startswith("http://"), timeout=_TIMEOUT
        )
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("doorward", version("doorward"))
        self._extract = TraceContextTextMapPropagator().extract
        self._kind = SpanKind.SERVER
        self._ratio = settings.ratio

    def saw(self, batch: Sequence[Made]) -> None:
        """Make the spans of a batch."""
        kept: dict[str, list[Made]] = {}
        for made in batch:
            trace = made.question.trace
            if _KEPT.fullmatch(trace) if trace else self._ratio > 0:
                kept.setdefault(trace, []).append(made)
        for trace, together in kept.items():
            if trace or random.random() < self._ratio:  # noqa: S311 - no secret
                self._span(trace, together)

    def _span(self, trace: str, together: Sequence[Made]) -> None:
        first, last = together[0], together[-1]
        verdicts = Counter(made.decision.verdict for made in together)
        span = self._tracer.start_span(
            "doorward.decide",
            context=self._extract({"traceparent": trace}),
            kind=self._kind,
            start_time=first.now_ns,
            attributes={
                "doorward.revision": first.decision.revision,
                "doorward.caller": first.question.caller,
                "doorward.decisions": len(together),
                **{f"doorward.verdicts.{verdict}": count for verdict, count in verdicts.items()},
                **({} if len(together) > 1 else _of_one(first)),
            },
        )
        span.end(end_time=last.now_ns + last.took_ns)

    def close(self) -> None:
        """Send what is left. Takes as long as one export."""
        self._provider.shutdown()


def _of_one(made: Made) -> dict[str, str]:
    """What is told of a decision that stands alone."""
    resource = made.question.document.get("resource") or {}
    return {
        "doorward.decision_id": made.decision.decision_id,
        "doorward.verdict": made.decision.verdict,
        "doorward.resource.kind": str(resource.get("kind", ""))[:64],
    }
