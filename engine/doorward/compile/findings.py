"""What the fused decision function reports: which statements held, with what, and which failed.

Nothing here decides: combining findings into one decision is `doorward.decide`'s work.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from doorward.run.errors import EvaluationError
from doorward_dsl.program import Verb
from doorward_dsl.source import Span

__all__ = [
    "AllowPayload",
    "ApprovePayload",
    "BlockPayload",
    "CredentialPayload",
    "Failed",
    "Findings",
    "Held",
    "MaskPayload",
    "MaskerSpec",
    "Payload",
    "StatementInfo",
    "Target",
    "TargetKind",
]

TargetKind = Literal["field", "json_path", "content"]


@dataclass(frozen=True, slots=True, order=True)
class Target:
    """What a mask covers. `text` is as the policy writes it.

    `field`: `"customers.ssn"`, `"*.email"`; `json_path`: `"$.user.email"`; `content`: the detector's name,
    `"card_number"`.
    """

    kind: TargetKind
    text: str


@dataclass(frozen=True, slots=True, order=True)
class MaskerSpec:
    """A masker and its literal arguments: `MaskerSpec("partial", (4,))`."""

    name: str
    args: tuple[str | int, ...] = ()


@dataclass(frozen=True, slots=True)
class AllowPayload:
    """`reason` is None where the statement gives none; the same holds for every payload."""

    reason: str | None


@dataclass(frozen=True, slots=True)
class BlockPayload:
    """A block and why."""

    reason: str | None


@dataclass(frozen=True, slots=True)
class MaskPayload:
    """`targets` to cover with `masker`."""

    reason: str | None
    targets: tuple[Target, ...]
    masker: MaskerSpec


@dataclass(frozen=True, slots=True)
class ApprovePayload:
    """Consent needed from a member of any of `groups` (sorted) within `within_ms`, None for the gateway's
    default."""

    reason: str | None
    groups: tuple[str, ...]
    within_ms: int | None


@dataclass(frozen=True, slots=True)
class CredentialPayload:
    """How long a credential may live (`ttl_ms`, None for no limit of its own), and as which upstream
    `role`."""

    reason: str | None
    ttl_ms: int | None
    single_use: bool
    role: str | None


Payload: TypeAlias = AllowPayload | BlockPayload | MaskPayload | ApprovePayload | CredentialPayload


@dataclass(frozen=True, slots=True, eq=False)
class StatementInfo:
    """One statement, or one governed Rego rule, as far as it is known before any request.

    `payload` holds the parts that do not depend on the request. Where `complete` is false some part does (a
    target, a
    group, a role; not the reason), so that an errored statement's payload may say too little: whoever
    combines must then block.
    """

    id: str
    verb: Verb
    kinds: tuple[str, ...]
    """Sorted; `("*",)` for all."""
    span: Span
    payload: Payload
    complete: bool
    governed_rule: bool
    """A plain Rego rule that takes part by annotation, rather than a Ward statement."""

    @property
    def place(self) -> str:
        """`file:line:column`."""
        return str(self.span)


@dataclass(frozen=True, slots=True)
class Held:
    """A statement that held. One statement may hold several times with different payloads."""

    info: StatementInfo
    payload: Payload


@dataclass(frozen=True, slots=True)
class Failed:
    """A statement that could not be evaluated. `info` is None when the evaluation as a whole stopped (its
    budget)."""

    info: StatementInfo | None
    error: EvaluationError


class Findings:
    """The outcome of one evaluation. The order within the lists means nothing."""

    __slots__ = ("errors", "held")

    def __init__(self) -> None:
        self.held: list[Held] = []
        self.errors: list[Failed] = []

    def __repr__(self) -> str:
        return f"Findings(held={self.held!r}, errors={self.errors!r})"
