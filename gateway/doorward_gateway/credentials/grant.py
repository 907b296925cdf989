"""What a gateway credential stands for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from doorward_gateway.attribution import Attribution
from doorward_gateway.clock import rfc3339

__all__ = ["Grant", "Issued"]


@dataclass(frozen=True, slots=True)
class Grant:
    """Access of one principal to one resource, for one purpose and a short time.

    `credential_id` is public and names it in lists and records; `principal` is the principal document of the
    identity it was issued to; `role` is the upstream role, empty for the resource's default.
    """

    credential_id: str
    principal: Mapping[str, Any]
    resource: str
    attribution: Attribution
    role: str
    single_use: bool
    issued_at_ns: int
    expires_at_ns: int

    def document(self) -> dict[str, Any]:
        """What lists and records show of it; nothing in it lets anyone in."""
        return {
            "id": self.credential_id,
            "principal": dict(self.principal),
            "resource": self.resource,
            "attribution": self.attribution.document(),
            "role": self.role,
            "single_use": self.single_use,
            "issued_at": rfc3339(self.issued_at_ns),
            "expires_at": rfc3339(self.expires_at_ns),
        }


@dataclass(frozen=True, slots=True)
class Issued:
    """A fresh credential: the `secret`, shown to the caller once and kept nowhere, and what it stands for."""

    secret: str = field(repr=False)
    grant: Grant
