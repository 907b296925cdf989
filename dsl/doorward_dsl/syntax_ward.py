"""Ward's own statements in the syntax tree: see `doorward_dsl.syntax`, which is their face."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from doorward_dsl.source import Span
from doorward_dsl.syntax_terms import Annotations, Body, SomeIn, Term

__all__ = [
    "Allow",
    "Approve",
    "Block",
    "ContentTarget",
    "Credential",
    "ExpectCondition",
    "ExpectCredential",
    "ExpectDetermining",
    "ExpectError",
    "ExpectMask",
    "ExpectReason",
    "ExpectVerdict",
    "Expectation",
    "FieldTarget",
    "Given",
    "JsonPathTarget",
    "Mask",
    "MaskTarget",
    "Masker",
    "Statement",
    "TermTarget",
    "TestBlock",
    "TestStep",
    "When",
]


@dataclass(frozen=True, slots=True, eq=False)
class Masker:
    """`redact`, `null`, `partial(4)`, `hash`, `replace("x")`, `format_preserving`; `args` are the literals given."""

    name: str
    args: tuple[str | int, ...]
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class FieldTarget:
    """`table.column`, `*.column`, `schema.table.column`: the dotted parts, `*` allowed for any but the column."""

    parts: tuple[str, ...]
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class JsonPathTarget:
    """`$.user.email`, `$.items[*].card`: steps are keys, indices, or `"*"`."""

    steps: tuple[str | int, ...]
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class ContentTarget:
    """`content(card_number)`: whatever the named detector finds."""

    detector: str
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class TermTarget:
    """A variable or reference that the body binds: its value names the target as text, e.g. `"customers.ssn"`."""

    term: Term
    span: Span


MaskTarget: TypeAlias = FieldTarget | JsonPathTarget | ContentTarget | TermTarget


@dataclass(frozen=True, slots=True, eq=False)
class _Condition:
    """What all statements share: an optional reason, a condition (`if` body) and an exception (`unless` body).

    The statement holds when `when` does (or is absent) and `unless` is absent or has no answer.
    """

    reason: str | Term | None
    """Literal text, or a template string that may use the variables of the body."""
    when: Body | None
    unless: Body | None
    span: Span
    annotations: tuple[Annotations, ...] = field(default=(), kw_only=True)


@dataclass(frozen=True, slots=True, eq=False)
class Allow(_Condition):
    """`allow "reason" if …`."""


@dataclass(frozen=True, slots=True, eq=False)
class Block(_Condition):
    """`block "reason" if …`."""


@dataclass(frozen=True, slots=True, eq=False)
class Mask(_Condition):
    """`mask "reason" target, … with masker if …`."""

    targets: tuple[MaskTarget, ...] = ()
    masker: Masker | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Approve(_Condition):
    """`approve "reason" by "group", … within 15m if …`. Groups are terms; any one member of any group may consent.

    `within_ms` is None where the statement leaves the wait to the gateway's default.
    """

    groups: tuple[Term, ...] = ()
    within_ms: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Credential(_Condition):
    """`credential "reason" ttl 60s single_use as "role" if …`."""

    ttl_ms: int | None = None
    single_use: bool = False
    role: Term | None = None


Statement: TypeAlias = Allow | Block | Mask | Approve | Credential


# --- tests ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class Given:
    """`given principal.groups := ["dba"]`: a part of the request, of `data` or a function, and what it is in a test."""

    target: Term
    """A `Var` or a `Ref` whose head is one."""
    value: Term
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class When:
    """`when postgres `SQL``, `when postgres connect`: a request of a kind. `operation` is text, an object, or None."""

    kind: str
    kind_span: Span
    action: str | None
    operation: Term | None
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class ExpectVerdict:
    """`expect block "reason"`, `expect approve "reason" by "dba" within 15m`."""

    verdict: str
    """`allow`, `block` or `approve`."""
    reason: Term | None
    groups: tuple[Term, ...]
    within_ms: int | None
    negated: bool
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class ExpectMask:
    """`expect mask customers.ssn with partial(4)`, `expect no mask`."""

    targets: tuple[MaskTarget, ...]
    masker: Masker | None
    negated: bool
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class ExpectCredential:
    """`expect credential ttl 60s single_use as "reader"`, `expect no credential`; what is not said is not looked at."""

    ttl_ms: int | None
    single_use: bool
    role: Term | None
    negated: bool
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class ExpectReason:
    """`expect reason "text"`: a statement with this reason or id took part."""

    text: Term
    negated: bool
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class ExpectDetermining:
    """`expect determining "text", …`: the statements with these reasons or ids took part, and no others."""

    texts: tuple[Term, ...]
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class ExpectError:
    """`expect error "eval_builtin_error"`, `expect no error`: what could not be evaluated, by code or part of the message."""

    text: Term | None
    negated: bool
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class ExpectCondition:
    """`expect if { … }`: a body over `decision` and the fields of the request."""

    body: Body
    span: Span


Expectation: TypeAlias = (
    ExpectVerdict
    | ExpectMask
    | ExpectCredential
    | ExpectReason
    | ExpectDetermining
    | ExpectError
    | ExpectCondition
)
TestStep: TypeAlias = Given | When | Expectation


@dataclass(frozen=True, slots=True, eq=False)
class TestBlock:
    """`test "name" { … }`: read by the test runner only; no other stage looks inside.

    `steps` stand in the order of the text; `cases` are lines `some x in xs`, for each of whose answers the test runs.
    """

    __test__ = False

    name: str
    name_span: Span
    cases: tuple[SomeIn, ...]
    steps: tuple[TestStep, ...]
    span: Span
