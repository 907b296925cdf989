"""What the engine answers: one verdict, and what has to be done to carry it out.

Plain slotted objects, made once per decision and treated as immutable. They are not frozen because a frozen
dataclass costs several times as much to make, and a decision is made for every statement on the wire.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

import orjson
from pydantic import TypeAdapter

from doorward.run.effects import Effect

__all__ = [
    "Approval",
    "Credential",
    "Decision",
    "DecisionError",
    "Mask",
    "MaskMethod",
    "Origin",
    "Output",
    "Reason",
    "Verdict",
    "decision_schema",
]

Verdict: TypeAlias = Literal["block", "approve", "allow"]

MaskMethod: TypeAlias = Literal["partial", "format_preserving", "hash", "replace", "null", "redact"]
"""In order of strength."""


@dataclass(slots=True, order=True, unsafe_hash=True)
class Reason:
    """One statement that took part. `text` is its reason, or a sentence made from its place."""

    id: str
    verb: str
    text: str
    place: str
    """`file:line:column`; empty where no statement but the engine itself decided."""


@dataclass(slots=True, order=True, unsafe_hash=True)
class DecisionError:
    """What could not be evaluated; `id` is the statement's, empty for the evaluation as a whole."""

    id: str
    code: str
    message: str
    place: str


@dataclass(slots=True, order=True, unsafe_hash=True)
class Output:
    """An output column of one statement of the operation, both counted from 0."""

    statement: int
    column: int
    whole: bool
    """The output is computed from the target in a way that cannot be masked value by value: redact it."""


@dataclass(slots=True, order=True, unsafe_hash=True)
class Origin:
    """A physical column as the server reports it."""

    table_oid: int
    column_number: int


@dataclass(slots=True)
class Mask:
    """An obligation on the answer. Each output and each origin stands in one mask only: the strongest."""

    target: str
    method: MaskMethod
    keep_last: int
    """For `partial`: how many characters stay readable."""
    replacement: str
    """For `replace`: what stands instead."""
    outputs: tuple[Output, ...]
    origins: tuple[Origin, ...]
    reason: str


@dataclass(slots=True, order=True, unsafe_hash=True)
class Approval:
    """A consent needed from a member of any of `groups` within `within_ms` (0: the gateway's own)."""

    statement_id: str
    groups: tuple[str, ...]
    within_ms: int
    reason: str


@dataclass(slots=True, order=True, unsafe_hash=True)
class Credential:
    """How long an issued credential may live, whether it serves once, and as which upstream role.

    An empty role is the resource's default.
    """

    ttl_ms: int
    single_use: bool
    role: str


@dataclass(slots=True)
class Decision:
    """The answer to one access request.

    Under `approve` the masks hold too, once every approval is met. Under `block` there are no obligations.
    """

    decision_id: str
    revision: str
    verdict: Verdict
    reasons: tuple[Reason, ...]
    """Of the verdict, in order of id."""
    determining: tuple[Reason, ...]
    """Every statement that took part, in order of id."""
    masks: tuple[Mask, ...]
    approvals: tuple[Approval, ...]
    credential: Credential | None
    """Only for the action `issue_credential`, and only when it is not blocked."""
    errors: tuple[DecisionError, ...]
    operation_hash: str
    """Under `approve`: what a consent is bound to."""
    cacheable: bool
    """Under this revision an equal request, read against the same catalogue, has the same decision at any time: nothing
    that took part in it reads the clock or anything of the world, or needs consent. Never true where anything failed."""
    facts: dict[str, Any]
    """What the engine made of the operation: `{"sql": {…}}`; empty where nothing was derived."""
    effects: tuple[Effect, ...] = ()
    """What non-deterministic built-ins answered, for an exact replay; empty unless such were granted."""

    def to_dict(self) -> dict[str, Any]:
        """The decision as JSON-ready data."""
        plain: dict[str, Any] = _ADAPTER.dump_python(self, mode="json")
        return plain

    def to_json(self) -> bytes:
        """The decision as UTF-8 JSON."""
        return orjson.dumps(self.to_dict())


_ADAPTER: Final = TypeAdapter(Decision)


def decision_schema() -> dict[str, Any]:
    """The JSON Schema of `Decision.to_dict()`."""
    return _ADAPTER.json_schema(mode="serialization")
