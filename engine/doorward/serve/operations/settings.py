"""The settings of operations: who may call, how much of what is taken, and what is told of it."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import AfterValidator, Field, PlainSerializer, model_validator

from doorward.serve.configuration.section import Address, ConfigFile, Section, Words

__all__ = [
    "CallerSettings",
    "LimitSettings",
    "Method",
    "ResourceScope",
    "TelemetrySettings",
    "TraceSettings",
]

Method: TypeAlias = Literal["decide", "explain", "query", "describe", "revision", "metrics"]
"""What can be asked of the service, whichever way: the OPA-compatible API is `query`, ext_authz and AuthZEN are `decide`."""

_Glob = Annotated[str, Field(min_length=1, max_length=256)]


def _digest(value: str) -> str:
    if len(value) != 64 or not set(value) <= set("0123456789abcdefABCDEF"):
        raise ValueError("must be the SHA-256 of a token: 64 hexadecimal digits")
    return value.lower()


_Digest = Annotated[
    str, AfterValidator(_digest), PlainSerializer(lambda value: f"{value[:8]}…", when_used="json")
]


class ResourceScope(Section):
    """Resources that a caller may ask about. `*` stands for any characters; a key that is absent for any value."""

    kind: _Glob = "*"
    name: _Glob = "*"
    environment: _Glob = "*"


class CallerSettings(Section):
    """One caller: how it is known, and what it may ask."""

    token_file: ConfigFile | None = None
    """Its bearer token; every line of the file is one, so that a token can be replaced without a gap. Read again on change."""
    token_sha256: Annotated[tuple[_Digest, ...], Words] = ()
    """The same by SHA-256, in hexadecimal, where the service need not hold the token."""
    certificate: str = Field(default="", max_length=1024)
    """A name in its client certificate: a DNS name, URI, e-mail or IP address, or the common name where there is none of
    these. With a token as well, the caller has to show both.
    """
    may: Annotated[frozenset[Method], Words] = Field(
        default=frozenset(("decide", "describe", "revision")), min_length=1
    )
    resources: tuple[ResourceScope, ...] = Field(default=(ResourceScope(),), min_length=1)
    """What it may ask about: any one of these."""
    rate: float | None = Field(default=None, gt=0)
    """Decisions a second, in place of `limits.rate`."""
    calls: int | None = Field(default=None, ge=1)
    """Calls and streams under way, in place of `limits.calls`."""

    @property
    def has_token(self) -> bool:
        """Whether it is known by a token."""
        return self.token_file is not None or bool(self.token_sha256)

    @model_validator(mode="after")
    def _can_be_known(self) -> CallerSettings:
        if not self.has_token and not self.certificate:
            raise ValueError("cannot be known: give it `token_file`, `token_sha256` or `certificate`")
        if "query" in self.may and self.resources != (ResourceScope(),):
            raise ValueError("may `query`, which `resources` cannot bound: leave one of them out")
        return self


class LimitSettings(Section):
    """What one worker process takes of one caller at most; of all together where callers need not say who they are."""

    rate: float | None = Field(default=None, gt=0)
    """Decisions a second; a second's worth may come at once."""
    calls: int | None = Field(default=None, ge=1)
    """Calls and streams under way."""
    streams_per_connection: int = Field(default=1000, ge=1, le=1 << 20)
    """Calls and streams under way on one connection; a client holds back further ones by itself."""


class TraceSettings(Section):
    """Where traces are sent by OTLP; needs the extra `doorward[otel]`."""

    endpoint: str = Field(pattern=r"^https?://[^\s/@]+/?$")
    """Of a collector that speaks OTLP over gRPC: `http://127.0.0.1:4317`."""
    ratio: float = Field(default=0.0, ge=0, le=1)
    """The part of calls without a trace of their caller's that begin one here. Whether others are kept, their caller decides."""


class TelemetrySettings(Section):
    """What the service tells of itself."""

    metrics: Annotated[tuple[Address, ...], Words] = ()
    """Addresses of plain HTTP that answer `/metrics`, `/livez` and `/readyz` to whoever asks, and nothing else."""
    traces: TraceSettings | None = None
