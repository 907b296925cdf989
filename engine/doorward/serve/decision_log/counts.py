"""What the decision log counts, for whoever shows it."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["Counts", "SinkCounts"]


@dataclass(slots=True)
class SinkCounts:
    """Of one sink, since the process began."""

    sent: int = 0
    """Lines that it has taken."""
    refused: int = 0
    """Lines that it will never take; they are in the file."""
    failures: int = 0
    """Attempts that failed."""
    missed: int = 0
    """Times that files were gone before it had taken them."""
    behind_bytes: int = 0
    """What of the file in use it has still to take."""


@dataclass(slots=True)
class Counts:
    """Of one worker process, since it began. Plain numbers; each is written by one thread only."""

    kept: int = 0
    """Decisions that were written."""
    bytes: int = 0
    dropped: int = 0
    """Decisions that were released and not written."""
    blocked: int = 0
    """Decisions that became blocks because they could not be kept."""
    dropped_by_rule: int = 0
    redacted: int = 0
    """Decisions that were written without something."""
    redaction_failed: int = 0
    """Decisions that were written without their request, because masks could not be followed."""
    failures: int = 0
    """Writes that failed."""
    rotations: int = 0
    sinks: dict[str, SinkCounts] = field(default_factory=dict)
    """By name: `otlp`, `postgres`."""
