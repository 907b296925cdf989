"""The settings of the decision log: where it is written, whether it must be, how much is kept, and where copies go."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, TypeAlias
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from doorward.serve.configuration.section import ConfigFile, ConfigPath, Section, Words, is_loopback

__all__ = ["STDOUT", "DecisionLogSettings", "OtlpSettings", "PostgresSettings", "RotationSettings"]

STDOUT: Final = "stdout"
"""In place of a file: the service's standard output."""

_SUFFIX: Final = ".jsonl"

_Name: TypeAlias = Annotated[str, Field(min_length=1, max_length=128), AfterValidator(str.lower)]


class RotationSettings(Section):
    """When a file of the log is full, and how long full ones are kept; each worker process has files of its own."""

    max_bytes: int = Field(default=128 << 20, ge=1 << 10, le=1 << 40)
    """A file is full that is as large as this."""
    max_seconds: float = Field(default=86_400.0, ge=1)
    """A file is full that is as old as this."""
    compress: bool = True
    """Full files are packed, with gzip."""
    keep_files: int = Field(default=32, ge=0)
    """So many full files are kept,"""
    keep_bytes: int = Field(default=8 << 30, ge=0)
    """of so many bytes together,"""
    keep_days: float = Field(default=90.0, ge=0)
    """none of them older than this."""


class OtlpSettings(Section):
    """A collector that is sent each decision as a log record by OTLP; needs the extra `doorward[otel]`."""

    endpoint: str = Field(pattern=r"^https?://[^\s/@?#]+(/[^\s@?#]*)?$")
    """`http://127.0.0.1:4317` for gRPC; with HTTP, records are posted to `/v1/logs` below it."""
    protocol: Literal["grpc", "http/protobuf"] = "grpc"
    ca: ConfigFile | None = None
    """PEM authorities of the collector, in place of the system's."""
    token_file: ConfigFile | None = None
    """A bearer token, read again for each connection."""
    timeout_seconds: float = Field(default=10.0, gt=0, le=600)

    @model_validator(mode="after")
    def _is_protected(self) -> OtlpSettings:
        parts = urlsplit(self.endpoint)
        if parts.scheme == "http" and self.token_file is not None and not is_loopback(f"{parts.hostname}:0"):
            raise ValueError("`token_file` would be sent in the clear: use `https://`")
        if self.protocol == "grpc" and parts.path.strip("/"):
            raise ValueError("`endpoint` of gRPC has no path")
        return self


class PostgresSettings(Section):
    """A PostgreSQL server that is given every line; needs the extra `doorward[postgres]`. `doorward log schema` prints the
    table.
    """

    conninfo: str = Field(min_length=1, max_length=4096)
    """As libpq takes it, `host=db dbname=audit user=doorward sslmode=verify-full`; without a password."""
    password_file: ConfigFile | None = None
    """Read again for each connection."""
    table: str = Field(
        default="doorward_decisions", pattern=r"^[a-z_][a-z0-9_]{0,62}(\.[a-z_][a-z0-9_]{0,62})?$"
    )
    timeout_seconds: float = Field(default=30.0, gt=0, le=600)
    """Of one connection attempt, and of one statement."""

    @model_validator(mode="after")
    def _holds_no_secret(self) -> PostgresSettings:
        parts = urlsplit(self.conninfo)
        if "password" in self.conninfo.lower() or (parts.scheme and parts.password is not None):
            raise ValueError(
                "a password does not belong into `conninfo`: give `password_file`, or PGPASSFILE"
            )
        return self


class DecisionLogSettings(Section):
    """The log of decisions. Where there is nothing else to say, the path may stand alone."""

    file: ConfigPath
    """The file that is written, `….jsonl`: of the first worker, others add their number. `stdout` for standard output."""
    required: bool = False
    """No decision is released before it is on the disk: one that cannot be kept is a block."""
    timeout_seconds: float = Field(default=5.0, gt=0, le=60)
    """How long a decision waits for the disk, where it is required to."""
    sync_seconds: float = Field(default=1.0, gt=0, le=3600)
    """How much the disk may be behind, where it is not required."""
    max_waiting_bytes: int = Field(default=64 << 20, ge=1 << 10)
    """Bytes of lines that may wait to be written; further decisions are dropped and counted, or blocks where the log is
    required.
    """
    rotation: RotationSettings = RotationSettings()
    redact_secrets: bool = True
    """Write no header, query parameter or password in SQL that is known to be a secret."""
    secret_names: Annotated[tuple[_Name, ...], Words] = ()
    """Further headers and query parameters that are."""
    otlp: OtlpSettings | None = None
    postgres: PostgresSettings | None = None

    @model_validator(mode="before")
    @classmethod
    def _may_stand_alone(cls, value: Any) -> Any:
        return value if isinstance(value, dict | DecisionLogSettings) else {"file": value}

    @model_validator(mode="after")
    def _fits_together(self) -> DecisionLogSettings:
        if self.to_stdout:
            if self.required:
                raise ValueError("`required` needs a file: who reads standard output may lose it")
            if self.otlp is not None or self.postgres is not None:
                raise ValueError("`otlp` and `postgres` are fed from a file, and need one")
        elif self.file.suffix != _SUFFIX:
            raise ValueError(f"`{self.file.name}` must end in `{_SUFFIX}`")
        return self

    @property
    def to_stdout(self) -> bool:
        """Whether it is written to standard output."""
        return self.file.name == STDOUT
