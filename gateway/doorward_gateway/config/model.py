"""What a gateway's configuration holds. The whole of it, as an example:

    node: gateway-1                            # how this node is named in records; the host's name if absent

    postgres:
      listen: 127.0.0.1:6432
      tls: {certificate: server.crt, key: server.key}
      allow_plaintext: false                   # true only for a loopback address

    engine:
      target: 127.0.0.1:8181
      timeout: 2s                              # a decision that takes longer is a refusal
      tls: {ca: ca.crt, certificate: client.crt, key: client.key}      # absent: plaintext
      token_file: engine.token                 # bearer token, where the engine asks for one

    control: {listen: 127.0.0.1:6480, operators: [security]}
    state: {directory: state}                  # credentials and approvals
    recording: {directory: record, durable: true, segment_size: 64MiB, rows: 1000, value_size: 4KiB}
    # and: seal_every: 1s, seal_copies: [/mnt/witness/seals.jsonl], key: record.key (absent: in the state directory)
    credentials: {default_ttl: 5m, max_ttl: 8h}
    approvals: {max_wait: 1h}
    limits: {sessions: 1000, message_size: 64MiB, statement_size: 1MiB, startup_timeout: 10s}

    oidc:                                      # whose tokens name a caller
      - issuer: https://login.acme.example
        audience: doorward                     # what the tokens must be meant for
        kind: human                            # or service, agent, ci; kind_claim: a claim that says it
        id_claim: email                        # sub, if absent
        groups_claim: groups
        client_id: doorward-cli                # for `doorward login`; with scopes: [openid, profile, groups]
        skew: 30s
        ca: idp-ca.crt                         # absent: the system's authorities

    identities:                                # for trying things out only
      - {id: ada@acme.example, kind: human, groups: [analysts], token_file: ada.token}

    resources:
      warehouse:
        kind: postgres
        environment: prod
        labels: {team: data}
        upstream:
          host: 127.0.0.1
          port: 5432
          database: app
          user: app
          password_file: app.password
          tls: require                         # disable | prefer | require | verify
          ca: server-ca.crt                    # for verify
          roles:
            readonly: {user: app_ro, password_env: APP_RO_PASSWORD}
          admin: {user: doorward_admin, password_file: admin.password}   # lends each session a role of its own

Files are relative to the configuration file. A secret is never written in it: `…_file` names a file that
holds the secret, `…_env` an environment variable.
"""

from __future__ import annotations

import socket
from typing import Annotated, ClassVar, Literal

from pydantic import Field, SecretStr, field_validator, model_validator

from doorward_gateway.config.secret import ConfigFile, ConfigPath, HasSecret, Section
from doorward_gateway.config.units import Address, Bytes, HostPort, Milliseconds
from doorward_gateway.identity.issuer import is_safe_url
from doorward_gateway.identity.model import PrincipalKind

__all__ = [
    "ApprovalConfig",
    "ClientTls",
    "Config",
    "ControlConfig",
    "CredentialConfig",
    "EngineConfig",
    "IdentityConfig",
    "Limits",
    "OidcConfig",
    "PostgresListener",
    "PostgresUpstream",
    "RecordingConfig",
    "Resource",
    "ServerTls",
    "StateConfig",
    "UpstreamAccount",
]

_Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")]
_Text = Annotated[str, Field(min_length=1, max_length=256)]


class ServerTls(Section):
    """The certificate (chain) and key a listener shows, PEM files."""

    certificate: ConfigFile
    key: ConfigFile


class PostgresListener(Section):
    """Where PostgreSQL clients connect."""

    listen: Address = HostPort("127.0.0.1", 6432)
    tls: ServerTls | None = None
    allow_plaintext: bool = False

    @model_validator(mode="after")
    def _plaintext_stays_home(self) -> PostgresListener:
        if self.allow_plaintext and not self.listen.loopback:
            raise ValueError(
                "`allow_plaintext` needs a loopback address: a credential would travel in the clear"
            )
        if self.tls is None and not self.allow_plaintext:
            raise ValueError("needs `tls`, or `allow_plaintext: true` on a loopback address")
        return self


class ClientTls(Section):
    """PEM files: whom to trust (`ca`; absent: the system's) and the client certificate to show."""

    ca: ConfigFile | None = None
    certificate: ConfigFile | None = None
    key: ConfigFile | None = None

    @model_validator(mode="after")
    def _pair(self) -> ClientTls:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("`certificate` and `key` go together")
        return self


class EngineConfig(HasSecret):
    """The engine to ask, and how long to wait for its answer."""

    keeps: ClassVar[str] = "token"

    target: _Text
    timeout: Milliseconds = 2_000
    tls: ClientTls | None = None
    token: SecretStr | None = Field(default=None, exclude=True)


class ControlConfig(Section):
    """Where the control API listens: loopback only, it speaks plain HTTP.

    Members of `operators` see and end everybody's sessions; others their own.
    """

    listen: Address = HostPort("127.0.0.1", 6480)
    operators: tuple[_Text, ...] = ()

    @field_validator("listen")
    @classmethod
    def _loopback(cls, value: HostPort) -> HostPort:
        if not value.loopback:
            raise ValueError("the control API listens on a loopback address only")
        return value


class StateConfig(Section):
    """Where credentials and approvals are kept; nodes on one machine may share it."""

    directory: ConfigPath


class RecordingConfig(Section):
    """Where the record is written, whether it is forced to the disk, and how much of an answer it keeps.

    `rows` and `value_size` bound what is kept of one answer: rows, and bytes of one value. Records are sealed
    with `key` (a PEM file, made on first use) within `seal_every`; `seal_copies` are files that get every seal too.
    """

    directory: ConfigPath
    durable: bool = True
    segment_size: Bytes = Field(default=64 << 20, ge=4096)
    rows: int = Field(default=1000, ge=0, le=100_000)
    value_size: Bytes = Field(default=4096, ge=16, le=1 << 20)
    key: ConfigPath | None = None
    seal_every: Milliseconds = Field(default=1_000, ge=0, le=3_600_000)
    seal_copies: tuple[ConfigPath, ...] = ()


class CredentialConfig(Section):
    """The longest life of a credential, whatever a policy says, and the life where it says nothing."""

    default_ttl: Milliseconds = Field(default=5 * 60_000, ge=1_000)
    max_ttl: Milliseconds = Field(default=8 * 3_600_000, ge=1_000)


class ApprovalConfig(Section):
    """The longest an operation waits for consent, whatever a policy says."""

    max_wait: Milliseconds = Field(default=3_600_000, ge=1_000)


class Limits(Section):
    """What one node takes at most."""

    sessions: int = Field(default=1000, ge=1)
    message_size: Bytes = Field(default=64 << 20, ge=4096)
    statement_size: Bytes = Field(default=1 << 20, ge=1024)
    startup_timeout: Milliseconds = Field(default=10_000, ge=100)


class IdentityConfig(HasSecret):
    """A static identity, for trying things out only."""

    keeps: ClassVar[str] = "token"

    id: _Text
    kind: PrincipalKind
    groups: tuple[_Text, ...] = ()
    token: SecretStr = Field(exclude=True)


class OidcConfig(Section):
    """An issuer of tokens, and how they are read; see `identity.oidc`."""

    issuer: _Text
    audience: _Text
    kind: PrincipalKind = "human"
    kind_claim: str = ""
    id_claim: _Text = "sub"
    groups_claim: _Text = "groups"
    client_id: str = ""
    scopes: tuple[_Text, ...] = ("openid",)
    skew: Milliseconds = Field(default=30_000, ge=0, le=600_000)
    ca: ConfigFile | None = None

    @field_validator("issuer")
    @classmethod
    def _cannot_be_changed_on_the_way(cls, value: str) -> str:
        if not is_safe_url(value):
            raise ValueError("an issuer is an `https` URL, or one on a loopback address")
        return value


class UpstreamAccount(HasSecret):
    """An account of the backend."""

    user: _Text
    password: SecretStr | None = Field(default=None, exclude=True)


class PostgresUpstream(UpstreamAccount):
    """The PostgreSQL server behind a resource, its default account and the accounts that stand for roles.

    With an `admin` account, sessions do not log in as those accounts, but each as a fresh role that is a member of
    one; see `postgres.lending`. The default account is still what reads the catalogue.
    """

    host: _Text
    port: int = Field(default=5432, ge=1, le=65_535)
    database: _Text
    tls: Literal["disable", "prefer", "require", "verify"] = "prefer"
    ca: ConfigFile | None = None
    roles: dict[_Name, UpstreamAccount] = Field(default_factory=dict)
    admin: UpstreamAccount | None = None


class Resource(Section):
    """One thing that callers reach through the gateway, under the name it has in policies."""

    kind: Literal["postgres"]
    environment: str = ""
    labels: dict[str, str] = Field(default_factory=dict)
    upstream: PostgresUpstream


class Config(Section):
    """The whole configuration of one gateway node. Made by `load`; every path in it is absolute."""

    node: _Name = Field(default_factory=lambda: socket.gethostname()[:63])
    postgres: PostgresListener
    engine: EngineConfig
    control: ControlConfig = ControlConfig()
    state: StateConfig
    recording: RecordingConfig
    credentials: CredentialConfig = CredentialConfig()
    approvals: ApprovalConfig = ApprovalConfig()
    limits: Limits = Limits()
    oidc: tuple[OidcConfig, ...] = ()
    identities: tuple[IdentityConfig, ...] = ()
    resources: dict[_Name, Resource] = Field(min_length=1)

    @field_validator("oidc")
    @classmethod
    def _one_each(cls, value: tuple[OidcConfig, ...]) -> tuple[OidcConfig, ...]:
        issuers = [entry.issuer for entry in value]
        if len(set(issuers)) != len(issuers):
            raise ValueError("an issuer stands here twice")
        return value

    @field_validator("identities")
    @classmethod
    def _distinct(cls, value: tuple[IdentityConfig, ...]) -> tuple[IdentityConfig, ...]:
        tokens = [identity.token.get_secret_value() for identity in value]
        if len(set(tokens)) != len(tokens):
            raise ValueError("two identities have the same token")
        return value
