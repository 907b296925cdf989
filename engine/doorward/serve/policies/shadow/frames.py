"""What the service and the process of its shadow say to each other.

Down the pipe come frames: four bytes of length and a pickle, from the service to a process that it has started itself.
Up come lines of JSON.
"""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from doorward.decide.decision import Decision
from doorward.run.budget import Limits
from doorward.serve.point import Made
from doorward.serve.policies.settings import PolicySettings
from doorward_dsl.capabilities import Capabilities

__all__ = [
    "LENGTH",
    "MOST_CATALOGUES",
    "Described",
    "Frame",
    "Report",
    "Shown",
    "Told",
    "decided",
    "frame",
    "shown",
]

LENGTH: Final = 4
"""Bytes of a frame's length, in network order."""

MOST_CATALOGUES: Final = 64
"""Catalogues that the process remembers: both sides forget all of them when there would be more."""


@dataclass(frozen=True, slots=True)
class Told:
    """The first frame: what to decide by."""

    policies: PolicySettings
    strict: bool
    limits: Limits
    capabilities: Capabilities | None


@dataclass(frozen=True, slots=True)
class Described:
    """A catalogue, before the first request that is read against it."""

    hash: str
    document: str
    """JSON."""


Shown: TypeAlias = tuple[Any, str, int, tuple[Any, ...]]
"""A request that was decided: its document, the hash of its catalogue, the instant in nanoseconds, and the parts of the
decision but for its facts.
"""

Frame: TypeAlias = Told | Described | Sequence[Shown]


def frame(content: Frame) -> bytes:
    """The bytes of a frame."""
    packed = pickle.dumps(content, pickle.HIGHEST_PROTOCOL)
    return len(packed).to_bytes(LENGTH, "big") + packed


def shown(made: Made) -> Shown:
    """As it travels. Tuples, for they are packed in a third of the time of what has named fields."""
    decision = made.decision
    return (
        made.question.document,
        "" if made.catalogue is None else made.catalogue.hash,
        made.now_ns,
        (
            decision.decision_id,
            decision.revision,
            decision.verdict,
            decision.reasons,
            decision.determining,
            decision.masks,
            decision.approvals,
            decision.credential,
            decision.errors,
            decision.operation_hash,
            decision.cacheable,
            {},
            decision.effects,
        ),
    )


def decided(parts: tuple[Any, ...]) -> Decision:
    """The decision again."""
    return Decision(*parts)


@dataclass(slots=True)
class Report:
    """What a process has found since it was started, and by which policies."""

    alike: int = 0
    differing: int = 0
    failed: int = 0
    """Requests that could not be decided by the shadow: it has no policies yet, or none that take them."""
    kinds: dict[str, int] = field(default_factory=dict)
    """Of those that differ: in what. One request may differ in several ways."""
    revision: str = ""
    rejected: str = ""
    """Why its newest policies are not tried."""
