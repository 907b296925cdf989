"""How the service answers Envoy."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from doorward.serve.configuration.section import Section

__all__ = ["EnvoySettings", "HeaderIdentity", "Identity", "JwtIdentity", "PeerIdentity"]

_HeaderName: TypeAlias = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")]
_Kind: TypeAlias = Literal["", "human", "service", "agent", "ci"]


class JwtIdentity(Section):
    """The claims of the token that Envoy's `jwt_authn` has verified and put into its metadata."""

    source: Literal["jwt"] = "jwt"
    namespace: str = "envoy.filters.http.jwt_authn"
    """Of the metadata; Envoy sends it only where `metadata_context_namespaces` names it."""
    payload: str = "jwt_payload"
    """The name in that namespace, as `payload_in_metadata` gives it."""
    id_claim: str = "sub"
    groups_claim: str = "groups"
    """A list of texts, or one text."""
    kind: _Kind = ""
    """Of every principal, unless a claim says so."""
    kind_claim: str = ""
    """Empty where no claim says so."""


class PeerIdentity(Section):
    """The certificate that the caller of Envoy showed: its URI, else its DNS name, else its subject.

    Only as good as Envoy's `validation_context`: one that Envoy does not verify says nothing.
    """

    source: Literal["mtls"] = "mtls"
    kind: _Kind = "service"
    issuer: str = ""
    """Who vouched for it, as policies are to see it."""


class HeaderIdentity(Section):
    """Headers, where something before Envoy sets them and takes away what callers send under these names."""

    source: Literal["headers"] = "headers"
    id: _HeaderName
    groups: _HeaderName | None = None
    """Several are separated by commas."""
    kind: _Kind = ""
    issuer: str = ""


Identity: TypeAlias = Annotated[JwtIdentity | PeerIdentity | HeaderIdentity, Field(discriminator="source")]


class EnvoySettings(Section):
    """What is to be taken from where, and what the upstreams behind Envoy can do."""

    identity: Identity | None = None
    """Where the principal comes from; without it there is none, and its `id` is empty. Headers are never believed
    unless they are named here.
    """
    resource: str = ""
    """Name of the resource where a route does not say `resource.name` in its `context_extensions`."""
    environment: str = ""
    """Environment of it where a route does not say `resource.environment`."""
    upstream_masks: bool = False
    """Upstreams carry out what stands in `x-doorward-obligations`. Unless they do, an answer that would have to be
    masked is refused, for Envoy cannot change it.
    """
    consent_help: str = ""
    """How consent is asked for, told to whoever needs one: Envoy cannot wait for it."""
