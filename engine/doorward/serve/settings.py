"""How the service is configured."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from doorward.serve.configuration.section import (
    Address,
    ConfigFile,
    ConfigPath,
    Section,
    Words,
    is_loopback,
)
from doorward.serve.decision_log.settings import DecisionLogSettings
from doorward.serve.envoy.settings import EnvoySettings
from doorward.serve.http.settings import HttpSettings
from doorward.serve.operations.settings import CallerSettings, LimitSettings, TelemetrySettings
from doorward.serve.policies.settings import PolicySettings, ShadowSettings

__all__ = ["ServeSettings"]

_CallerName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._@/-]{0,126}$")]


class ServeSettings(Section):
    """All that `doorward serve` can be told, by file, variables and flags: see `configuration`."""

    policies: PolicySettings
    """Where policies come from: a directory of policies and data, one file, or a URL; or a section that says more."""
    state: ConfigPath | None = None
    """A folder in which the last good policies are kept, for a start without their source."""
    shadow: ShadowSettings | None = None
    """Policies that are tried beside those in force, on real requests, and answer nobody."""
    listen: Annotated[tuple[Address, ...], Words] = Field(default=("127.0.0.1:8181",), min_length=1)
    """gRPC addresses: `host:port` (port 0: any free one) or `unix:/path`."""
    http: HttpSettings = HttpSettings()
    """HTTP addresses, for AuthZEN, the OPA-compatible API, health and metrics; or a section that says more."""
    envoy: EnvoySettings = EnvoySettings()
    """How Envoy's external authorization is answered."""
    decision_log: DecisionLogSettings | None = None
    """Where decisions are logged, `….jsonl` or `stdout`; or a section that says more."""
    workers: int = Field(default=1, ge=1, le=256)
    """Processes that answer on these addresses."""
    strict: bool = False
    """Warnings about policies are errors."""
    capabilities: ConfigFile | None = None
    """A capabilities document: what policies may use, and the hosts they may reach. Read once."""
    tls_cert: ConfigFile | None = None
    """PEM certificate chain of the service; read again when it changes, as are the two below."""
    tls_key: ConfigFile | None = None
    """PEM private key of the service."""
    tls_client_ca: ConfigFile | None = None
    """PEM authorities; a caller must then show a certificate of one of them."""
    callers: dict[_CallerName, CallerSettings] = Field(default_factory=dict)
    """Who may call, by name, and for what."""
    allow_anonymous: bool = False
    """Answer whoever reaches an address that is not this machine's own."""
    allow_plaintext: bool = False
    """Take bearer tokens without TLS on an address that is not this machine's own, as behind a proxy that does TLS."""
    max_message_bytes: int = Field(default=32 << 20, ge=1 << 10, le=1 << 30)
    """Largest message taken, catalogues included."""
    max_concurrent: int = Field(default=1024, ge=1)
    """Calls and streams under way at once; more are answered RESOURCE_EXHAUSTED."""
    max_waiting: int = Field(default=32, ge=1, le=1024)
    """Decisions made at once that may wait for another host, where capabilities grant policies the network."""
    limits: LimitSettings = LimitSettings()
    evaluation_ms: int = Field(default=250, ge=1)
    """Wall time of one evaluation, beyond which it is a block."""
    evaluation_steps: int = Field(default=2_000_000, ge=1)
    """Steps of one evaluation, beyond which it is a block."""
    drain_seconds: float = Field(default=0.0, ge=0, le=600)
    """How long calls are still taken when told to stop, while health says not to send any more."""
    grace_seconds: float = Field(default=2.0, ge=0)
    """How long calls under way may go on after that."""
    telemetry: TelemetrySettings = TelemetrySettings()

    @model_validator(mode="after")
    def _tls_is_whole(self) -> ServeSettings:
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ValueError("`tls_cert` and `tls_key` go together")
        if self.tls_client_ca is not None and self.tls_cert is None:
            raise ValueError("`tls_client_ca` needs `tls_cert` and `tls_key`")
        return self

    @model_validator(mode="after")
    def _callers_can_be_told_apart(self) -> ServeSettings:
        certificates: dict[str, str] = {}
        for name, caller in self.callers.items():
            if caller.certificate and self.tls_client_ca is None:
                raise ValueError(f"caller `{name}` shows a certificate, which needs `tls_client_ca`")
            if caller.certificate and not caller.has_token:
                other = certificates.setdefault(caller.certificate, name)
                if other != name:
                    raise ValueError(f"callers `{other}` and `{name}` have the same certificate and no token")
        return self

    @model_validator(mode="after")
    def _strangers_stay_outside(self) -> ServeSettings:
        for address in (*self.listen, *self.http.listen):
            if is_loopback(address):
                continue
            if not self.callers and self.tls_client_ca is None and not self.allow_anonymous:
                raise ValueError(
                    f"`{address}` would answer anybody who can reach it: name `callers`, or `tls_client_ca`, "
                    "or say `allow_anonymous: true`"
                )
            tokens = any(caller.has_token for caller in self.callers.values())
            if tokens and self.tls_cert is None and not self.allow_plaintext:
                raise ValueError(
                    f"tokens would come to `{address}` in the clear: give `tls_cert` and `tls_key`, "
                    "or say `allow_plaintext: true` where something before it does TLS"
                )
        return self

    @model_validator(mode="after")
    def _workers_can_share(self) -> ServeSettings:
        if self.workers > 1:
            for address in (*self.listen, *self.http.listen, *self.telemetry.metrics):
                if address.startswith("unix:"):
                    raise ValueError(f"`{address}` cannot be shared: a socket file takes `workers: 1`")
        return self
