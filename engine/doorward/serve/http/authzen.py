"""AuthZEN's Authorization API 1.0: what it says, as access requests of ours, and decisions as it says them.

| AuthZEN | access request |
| --- | --- |
| `subject.type`, `subject.id` | `principal.kind` (`user` is `human`), `principal.id` |
| `subject.properties` | `principal.groups`, `.issuer`, `.authenticated_at`; whatever else there is: `principal.claims` |
| `action.name` | `action.name` |
| `resource.type`, `resource.id` | `resource.kind`, `resource.name` |
| `resource.properties` | `resource.environment`, `.labels`; whatever else there is: the operation |
| `action.properties` | the operation |
| `context` | `session`, by the names of its fields; `time` is dropped; whatever else there is: the operation |

The operation is the section of the kind (`http_request`, `postgres`, or that of a kind which the policies declare). So
nothing that was said is lost: what the kind does not know is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

from doorward.decide.decision import Decision
from doorward.decide.request import OPERATIONS, Session
from doorward.serve.point import Unanswered

__all__ = [
    "METADATA",
    "MOST_EVALUATIONS",
    "Action",
    "Answer",
    "Evaluation",
    "Evaluations",
    "EvaluationsAnswer",
    "Include",
    "Options",
    "Resource",
    "Subject",
    "answer_of",
    "document_of",
    "metadata",
    "refusal",
]

MOST_EVALUATIONS: Final = 1000
"""Evaluations in one request."""

METADATA: Final = "/.well-known/authzen-configuration"
"""Where the metadata is."""

Include: TypeAlias = Literal["reasons", "obligations"]
"""What a decision may come with, where it is asked for."""


class _Part(BaseModel):
    """Part of a request; what the specification does not name is let be, as later versions may."""

    model_config = ConfigDict(extra="allow", frozen=True, strict=True)


class Subject(_Part):
    """Who asks."""

    type: str
    id: str
    properties: dict[str, Any] = {}


class Action(_Part):
    """What is to be done."""

    name: str
    properties: dict[str, Any] = {}


class Resource(_Part):
    """What it is to be done to."""

    type: str
    id: str
    properties: dict[str, Any] = {}


class Options(_Part):
    """How a request is to be answered."""

    evaluations_semantic: Literal["execute_all", "deny_on_first_deny", "permit_on_first_permit"] = (
        "execute_all"
    )
    include: Annotated[tuple[Include, ...], Field(strict=False)] = Field(
        default=(),
        description="Ours: what the context of the answer is to hold. Who does not ask for `obligations` is not "
        "permitted what has any.",
    )


class Evaluation(_Part):
    """One access evaluation."""

    subject: Subject
    action: Action
    resource: Resource
    context: dict[str, Any] = {}
    options: Options = Options()


class Evaluations(_Part):
    """Many access evaluations; what stands beside them is what each of them has that does not say otherwise."""

    subject: Subject | None = None
    action: Action | None = None
    resource: Resource | None = None
    context: dict[str, Any] | None = None
    options: Options = Options()
    evaluations: Annotated[tuple[dict[str, Any], ...], Field(strict=False)] = Field(
        default=(), max_length=MOST_EVALUATIONS
    )


class Answer(BaseModel):
    """One decision. Whatever is not permitted is not, for which `context` has reasons where they are asked for."""

    decision: bool
    context: dict[str, Any] = {}


class EvaluationsAnswer(BaseModel):
    """Decisions in the order of the evaluations, up to where the semantic ends them."""

    evaluations: list[Answer]


_KINDS: Final[Mapping[str, str]] = {
    "user": "human",
    "human": "human",
    "service": "service",
    "agent": "agent",
    "ci": "ci",
}
_PRINCIPAL: Final = ("groups", "issuer", "authenticated_at")
_RESOURCE: Final = ("environment", "labels")
_SESSION: Final = tuple(Session.model_fields)
_DROPPED: Final = "time"
"""The engine has a clock of its own, and no caller's."""


def document_of(evaluation: Evaluation) -> dict[str, Any]:
    """The access request. Raises Unanswered for what means nothing here."""
    subject, resource = evaluation.subject, evaluation.resource
    kind = _KINDS.get(subject.type)
    if kind is None:  # policies about one kind of principal must not be passed by being called another
        raise Unanswered("invalid_request", f"there is no kind of principal `{subject.type[:100]}`")
    principal, claims = _apart(subject.properties, _PRINCIPAL)
    placed, of_resource = _apart(resource.properties, _RESOURCE)
    session, of_context = _apart(evaluation.context, _SESSION)
    of_context.pop(_DROPPED, None)
    document: dict[str, Any] = {
        "principal": {"id": subject.id, "kind": kind, "claims": claims, **principal},
        "action": {"name": evaluation.action.name},
        "resource": {"kind": resource.type, "name": resource.id, **placed},
        "session": session,
    }
    operation = _together(evaluation.action.properties, of_resource, of_context)
    if operation:
        # a kind that the policies declare has its section under its own name; so would one that nobody knows
        section = OPERATIONS.get(resource.type, resource.type)
        if section in document:
            raise Unanswered("invalid_request", f"there is no kind of request `{section}`")
        document[section] = operation
    return document


def _apart(given: Mapping[str, Any], names: tuple[str, ...]) -> tuple[dict[str, Any], dict[str, Any]]:
    """What is under these names, and the rest."""
    return (
        {name: given[name] for name in names if name in given},
        {name: value for name, value in given.items() if name not in names},
    )


def _together(*parts: Mapping[str, Any]) -> dict[str, Any]:
    whole: dict[str, Any] = {}
    for part in parts:
        twice = whole.keys() & part.keys()
        if twice:
            raise Unanswered("invalid_request", f"`{min(twice)[:100]}` is said twice of the operation")
        whole.update(part)
    return whole


def answer_of(decision: Decision, include: tuple[Include, ...]) -> dict[str, Any]:
    """A decision as `Answer`. Permitted is what is allowed, and whose obligations the caller has asked for."""
    bound = bool(decision.masks) or decision.credential is not None
    told = "obligations" in include
    context: dict[str, Any] = {"decision_id": decision.decision_id}
    whole = decision.to_dict() if include else {}
    if "reasons" in include:
        context["verdict"] = decision.verdict
        context["reasons"] = whole["reasons"]
        if bound and not told:
            context["unmet"] = "there are obligations, which `options.include` does not ask for"
    if told:
        context["obligations"] = {part: whole[part] for part in ("masks", "approvals", "credential")}
    return {"decision": decision.verdict == "allow" and (told or not bound), "context": context}


def refusal(status: int, message: str) -> dict[str, Any]:
    """The `Answer` to what cannot be decided."""
    return {"decision": False, "context": {"error": {"status": status, "message": message}}}


def metadata(base: str) -> dict[str, str]:
    """What callers find under `METADATA`, of a service that is at `base`. Search is not offered, so it is not named."""
    return {
        "policy_decision_point": base,
        "access_evaluation_endpoint": f"{base}/access/v1/evaluation",
        "access_evaluations_endpoint": f"{base}/access/v1/evaluations",
    }
