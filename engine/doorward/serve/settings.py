"""How the service is configured."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, model_validator

__all__ = ["ServeSettings"]


class ServeSettings(BaseModel):
    """All that `doorward serve` can be told;

    Every field is a flag and a `DOORWARD_…` variable of the command.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    policies: Path
    """A directory of policies and data, or one file."""
    listen: tuple[str, ...] = Field(default=("127.0.0.1:8181",), min_length=1)
    """gRPC addresses: `host:port` (port 0: any free one) or `unix:/path`."""
    strict: bool = False
    """Warnings about policies are errors."""
    capabilities: Path | None = None
    """A capabilities document: what policies may use, and the hosts they may reach. Read once."""
    tls_cert: Path | None = None
    """PEM certificate chain of the service."""
    tls_key: Path | None = None
    """PEM private key of the service."""
    tls_client_ca: Path | None = None
    """PEM authorities; a caller must then show a certificate of one of them."""
    max_message_bytes: int = Field(default=32 << 20, ge=1 << 10, le=1 << 30)
    """Largest message taken, catalogues included."""
    max_concurrent: int = Field(default=1024, ge=1)
    """Calls and streams under way at once; more are answered RESOURCE_EXHAUSTED."""
    max_waiting: int = Field(default=32, ge=1, le=1024)
    """Decisions made at once that may wait for another host, where capabilities grant policies the network."""
    evaluation_ms: int = Field(default=250, ge=1)
    """Wall time of one evaluation, beyond which it is a block."""
    evaluation_steps: int = Field(default=2_000_000, ge=1)
    """Steps of one evaluation, beyond which it is a block."""
    grace_seconds: float = Field(default=2.0, ge=0)
    """How long calls under way may go on when the service is told to stop."""

    @model_validator(mode="after")
    def _tls_is_whole(self) -> ServeSettings:
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ValueError("`tls-cert` and `tls-key` go together")
        if self.tls_client_ca is not None and self.tls_cert is None:
            raise ValueError("`tls-client-ca` needs `tls-cert` and `tls-key`")
        return self
