"""The gateway's configuration: one YAML file, overridden by `DOORWARD_GATEWAY_…` variables; see `Config`.

config = load(Path("gateway.yaml"), os.environ)      # raises ConfigError with every problem and its place
"""

from __future__ import annotations

from doorward_gateway.config.load import load
from doorward_gateway.config.model import (
    ApprovalConfig,
    ClientTls,
    Config,
    ControlConfig,
    CredentialConfig,
    EngineConfig,
    IdentityConfig,
    Limits,
    PostgresListener,
    PostgresUpstream,
    RecordingConfig,
    Resource,
    ServerTls,
    StateConfig,
    UpstreamAccount,
)
from doorward_gateway.config.units import HostPort

__all__ = [
    "ApprovalConfig",
    "ClientTls",
    "Config",
    "ControlConfig",
    "CredentialConfig",
    "EngineConfig",
    "HostPort",
    "IdentityConfig",
    "Limits",
    "PostgresListener",
    "PostgresUpstream",
    "RecordingConfig",
    "Resource",
    "ServerTls",
    "StateConfig",
    "UpstreamAccount",
    "load",
]
