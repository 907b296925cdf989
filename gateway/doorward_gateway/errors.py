"""What can go wrong in the gateway, in one tree. Every one of them means: the operation is refused.

GatewayError
├── ConfigError            the configuration cannot be used; lists every problem with its place
├── IdentityRefused        the caller could not be named
├── IdentityUnavailable    whether the caller is who it says cannot be found out
├── CredentialRefused      a gateway credential is not good for this use; `reason` says why
├── ApprovalRefused        an approval cannot be given, used or found; `reason` says why
├── StateUnavailable       the state store cannot be read or written
└── RecordingUnavailable   what happens could not be written down
"""

from __future__ import annotations

from typing import Literal

__all__ = [
    "ApprovalRefusal",
    "ApprovalRefused",
    "ConfigError",
    "CredentialRefusal",
    "CredentialRefused",
    "GatewayError",
    "IdentityRefused",
    "IdentityUnavailable",
    "RecordingUnavailable",
    "StateUnavailable",
]

CredentialRefusal = Literal["unknown", "expired", "used", "revoked", "wrong resource", "wrong purpose"]
"""Why a credential was refused. For the record; a caller on the wire is told only that it is not valid."""

ApprovalRefusal = Literal[
    "unknown",
    "not waiting",
    "expired",
    "own request",
    "not a person",
    "wrong group",
    "not approved",
    "wrong operation",
]
"""Why an approval could not be given or used."""


class GatewayError(Exception):
    """Any error of the gateway's own. `message` is one sentence in lower case, fit for the user."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class ConfigError(GatewayError):
    """The configuration cannot be used. `problems` are whole sentences, each with file, line and key path."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class IdentityRefused(GatewayError):
    """The token names nobody, or nobody any longer."""


class IdentityUnavailable(GatewayError):
    """The identity provider cannot be reached, or says nothing that can be used."""


class CredentialRefused(GatewayError):
    """A gateway credential is not good for this use."""

    def __init__(self, reason: CredentialRefusal, message: str) -> None:
        super().__init__(message)
        self.reason: CredentialRefusal = reason


class ApprovalRefused(GatewayError):
    """An approval could not be given, used or found."""

    def __init__(self, reason: ApprovalRefusal, message: str) -> None:
        super().__init__(message)
        self.reason: ApprovalRefusal = reason


class StateUnavailable(GatewayError):
    """The state store cannot be read or written: disk, permissions, a lock held too long."""


class RecordingUnavailable(GatewayError):
    """A record could not be made durable; what it describes must not happen."""
