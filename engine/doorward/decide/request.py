"""The access request: who asks for what, defined once.

`AccessRequest` and its subclasses are what a caller sends, and what tools and tests build. The documents
are what a policy sees: the same, with the time and the facts of the kind, and total: every field is always
there. On the hot path `doorward.decide.document` completes plain JSON by these definitions, without
building models.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from doorward.facts.http import HttpFacts, HttpRequest
from doorward.facts.kubernetes import KubernetesFacts
from doorward.facts.llm import LlmFacts
from doorward.facts.mcp import McpFacts
from doorward.facts.postgres.model import SqlFacts
from doorward.facts.ssh import SshFacts, SshRequest

__all__ = [
    "DOCUMENTS",
    "OPERATIONS",
    "REQUESTS",
    "AccessRequest",
    "Action",
    "HttpDocument",
    "HttpFamilyRequest",
    "Instant",
    "KubernetesDocument",
    "LlmDocument",
    "McpDocument",
    "PostgresDocument",
    "PostgresOperation",
    "PostgresRequest",
    "Principal",
    "Resource",
    "Section",
    "Session",
    "SshAccessRequest",
    "SshDocument",
    "document_schemas",
]


def _without_nulls(value: Any) -> Any:
    if value is None:
        return {}
    return {k: v for k, v in value.items() if v is not None} if isinstance(value, dict) else value


class Section(BaseModel):
    """Part of a request. A field that is missing or null has its empty value; an unknown one is refused.

    Refused, because a misspelt `resource.environment` that was merely ignored would quietly switch off the
    policies that ask for it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Principal(Section):
    """Who asks."""

    id: str = ""
    kind: Literal["", "human", "service", "agent", "ci"] = ""
    groups: list[str] = []
    issuer: str = Field(default="", description="who vouched for the identity, an URL for OIDC")
    claims: dict[str, Any] = Field(default={}, description="what the identity provider said, as it said it")
    authenticated_at: str = Field(default="", description="RFC 3339")


class Action(Section):
    """What is to be done, in general; the particulars are facts of the kind."""

    name: str = Field(default="", description="query, exec, read, write, call, connect, issue_credential, …")


class Resource(Section):
    """What it is to be done to."""

    kind: str = Field(default="", description="postgres, http, kubernetes, llm, mcp, ssh")
    name: str = ""
    environment: str = Field(default="", description="as the operator names it: prod, staging, …")
    labels: dict[str, str] = {}


class Session(Section):
    """In which session, and on whose behalf in a tree of reasoning steps."""

    id: str = ""
    started_at: str = Field(default="", description="RFC 3339")
    client_address: str = ""
    purpose: str = ""
    run: str = Field(default="", description="of an agent, like the four below")
    branch: str = ""
    step: str = ""
    parent_step: str = ""
    trace_id: str = ""


class Instant(Section):
    """The instant of the decision, in UTC: the only clock that a policy sees."""

    ns: int = Field(default=0, description="nanoseconds since 1970")
    rfc3339: str = ""
    date: str = Field(default="", description="2026-11-20")
    weekday: Literal["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"] = (
        "Thursday"
    )
    hour: int = 0
    minute: int = 0


class PostgresOperation(Section):
    """The raw operation of kind `postgres`, as the gateway took it from the wire."""

    statement: str = Field(default="", description="the text of the message, one statement or several")
    parameters: list[str | None] = Field(
        default=[], description="bound values as text; null where null or binary"
    )
    protocol: Literal["", "simple", "extended"] = ""
    search_path: list[str] = Field(default=["$user", "public"], description="of the session, unquoted")
    user: str = Field(default="", description="the upstream role that runs the statement")
    database: str = ""
    standard_conforming_strings: bool = True
    prepared: dict[str, str] = Field(
        default={}, description="text of the session's prepared statements by name"
    )
    cursors: dict[str, str] = Field(default={}, description="text of the session's open cursors by name")


_NO_NULLS: Final = BeforeValidator(_without_nulls)


class AccessRequest(BaseModel):
    """What a caller sends; for a kind with an operation of its own, a subclass of this."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    principal: Annotated[Principal, _NO_NULLS] = Principal()
    action: Annotated[Action, _NO_NULLS] = Action()
    resource: Annotated[Resource, _NO_NULLS] = Resource()
    session: Annotated[Session, _NO_NULLS] = Session()


class PostgresRequest(AccessRequest):
    """A request of kind `postgres`."""

    postgres: Annotated[PostgresOperation, _NO_NULLS] = PostgresOperation()


class PostgresDocument(PostgresRequest):
    """A request of kind `postgres` as a policy sees it."""

    time: Instant = Instant()
    sql: SqlFacts = SqlFacts()


class HttpFamilyRequest(AccessRequest):
    """A request of a kind that travels by HTTP."""

    http_request: Annotated[HttpRequest, _NO_NULLS] = HttpRequest()


class HttpDocument(HttpFamilyRequest):
    """A request of kind `http` as a policy sees it."""

    time: Instant = Instant()
    http: HttpFacts = HttpFacts()


class KubernetesDocument(HttpDocument):
    """A request of kind `kubernetes` as a policy sees it."""

    kubernetes: KubernetesFacts = KubernetesFacts()


class LlmDocument(HttpDocument):
    """A request of kind `llm` as a policy sees it."""

    llm: LlmFacts = LlmFacts()


class McpDocument(HttpDocument):
    """A request of kind `mcp` as a policy sees it."""

    mcp: McpFacts = McpFacts()


class SshAccessRequest(AccessRequest):
    """A request of kind `ssh`."""

    ssh_request: Annotated[SshRequest, _NO_NULLS] = SshRequest()


class SshDocument(SshAccessRequest):
    """A request of kind `ssh` as a policy sees it."""

    time: Instant = Instant()
    ssh: SshFacts = SshFacts()


DOCUMENTS: Final[Mapping[str, type[AccessRequest]]] = {
    "postgres": PostgresDocument,
    "http": HttpDocument,
    "kubernetes": KubernetesDocument,
    "llm": LlmDocument,
    "mcp": McpDocument,
    "ssh": SshDocument,
}
"""What a policy sees, by kind."""

REQUESTS: Final[Mapping[str, type[AccessRequest]]] = {
    "postgres": PostgresRequest,
    "http": HttpFamilyRequest,
    "kubernetes": HttpFamilyRequest,
    "llm": HttpFamilyRequest,
    "mcp": HttpFamilyRequest,
    "ssh": SshAccessRequest,
}
"""What a caller sends, by kind."""

OPERATIONS: Final[Mapping[str, str]] = {
    kind: next(iter(model.model_fields.keys() - AccessRequest.model_fields.keys()))
    for kind, model in REQUESTS.items()
}
"""The section that holds the raw operation, by kind."""


def document_schemas() -> dict[str, dict[str, Any]]:
    """The JSON Schema of the document of each kind, by which policies are typed.

    Every field is `required`: the documents are total. Made once, and shared by whoever asks: not to be changed.
    """
    return dict(_document_schemas())


@cache
def _document_schemas() -> dict[str, dict[str, Any]]:
    # a tenth of a second: more than it takes to compile a policy
    schemas = {kind: model.model_json_schema(mode="serialization") for kind, model in DOCUMENTS.items()}
    for schema in schemas.values():
        for part in (schema, *schema["$defs"].values()):
            if "properties" in part:
                part["required"] = list(part["properties"])
    return schemas
