"""The access request: who asks for what, defined once.

`AccessRequest` and its subclasses are what a caller sends, and what tools and tests build. The documents
are what a policy sees: the same, with the time and the facts of the kind, and total: every field is always
there. On the hot path `doorward.decide.document` completes plain JSON by these definitions, without
building models.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from doorward.facts.postgres.model import SqlFacts

__all__ = [
    "DOCUMENTS",
    "REQUESTS",
    "AccessRequest",
    "Action",
    "HttpDocument",
    "HttpFacts",
    "Instant",
    "KubernetesDocument",
    "KubernetesFacts",
    "LlmDocument",
    "LlmFacts",
    "LlmMessage",
    "McpDocument",
    "McpFacts",
    "PostgresDocument",
    "PostgresOperation",
    "PostgresRequest",
    "Principal",
    "Resource",
    "Section",
    "Session",
    "SshDocument",
    "SshFacts",
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


class HttpFacts(Section):
    """Facts of kind `http`."""

    method: str = ""
    path: str = ""
    template: str = Field(default="", description="the path with its variables named: /users/{id}")
    operation: str = Field(default="", description="operationId of the API description")
    query: dict[str, list[str]] = {}
    headers: dict[str, str] = Field(default={}, description="by lower-case name")
    body: Any = None


class KubernetesFacts(Section):
    """Facts of kind `kubernetes`."""

    verb: str = Field(
        default="", description="get, list, watch, create, update, patch, delete, deletecollection"
    )
    group: str = Field(default="", description="API group, empty for core")
    resource: str = Field(default="", description="pods, secrets, …")
    subresource: str = Field(default="", description="exec, log, scale, …")
    namespace: str = ""
    name: str = ""


class LlmMessage(Section):
    """One message of a conversation with a model."""

    role: str = ""
    content: str = ""


class LlmFacts(Section):
    """Facts of kind `llm`."""

    model: str = ""
    messages: list[LlmMessage] = []
    tools: list[str] = []
    input_tokens: int = 0
    max_tokens: int = 0


class McpFacts(Section):
    """Facts of kind `mcp`."""

    method: str = Field(default="", description="tools/call, resources/read, …")
    tool: str = ""
    arguments: dict[str, Any] = {}


class SshFacts(Section):
    """Facts of kind `ssh`."""

    command: str = ""
    argv: list[str] = []
    subsystem: str = ""
    pty: bool = False
    path: str = Field(default="", description="the file that SFTP touches")


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


class HttpDocument(AccessRequest):
    """A request of kind `http` as a policy sees it."""

    time: Instant = Instant()
    http: HttpFacts = HttpFacts()


class KubernetesDocument(AccessRequest):
    """A request of kind `kubernetes` as a policy sees it."""

    time: Instant = Instant()
    kubernetes: KubernetesFacts = KubernetesFacts()


class LlmDocument(AccessRequest):
    """A request of kind `llm` as a policy sees it."""

    time: Instant = Instant()
    llm: LlmFacts = LlmFacts()


class McpDocument(AccessRequest):
    """A request of kind `mcp` as a policy sees it."""

    time: Instant = Instant()
    mcp: McpFacts = McpFacts()


class SshDocument(AccessRequest):
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
    kind: PostgresRequest if kind == "postgres" else AccessRequest for kind in DOCUMENTS
}
"""What a caller sends, by kind."""


def document_schemas() -> dict[str, dict[str, Any]]:
    """The JSON Schema of the document of each kind, by which policies are typed.

    Every field is `required`: the documents are total.
    """
    schemas = {kind: model.model_json_schema(mode="serialization") for kind, model in DOCUMENTS.items()}
    for schema in schemas.values():
        for part in (schema, *schema["$defs"].values()):
            if "properties" in part:
                part["required"] = list(part["properties"])
    return schemas
