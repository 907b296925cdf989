"""How the service answers over HTTP."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from doorward.serve.configuration.section import Address, Section, Words

__all__ = ["HttpSettings"]


class HttpSettings(Section):
    """Where HTTP is served, and what holds for all of its addresses. These may stand alone."""

    stands_for: ClassVar[str] = "listen"

    listen: Annotated[tuple[Address, ...], Words] = ()
    """HTTP addresses: `host:port` or `unix:/path`; none, no HTTP."""
    public_url: str = Field(default="", pattern=r"^(https?://[A-Za-z0-9.\-\[\]:_]+(/[A-Za-z0-9._~/-]*)?)?$")
    """Where callers find the service, for AuthZEN's metadata; empty: the address that they asked."""
    header_seconds: float = Field(default=10.0, gt=0, le=600)
    """How long the head of a request may take to arrive."""
    body_seconds: float = Field(default=10.0, gt=0, le=600)
    """How long its body may take, and the answer to be fetched."""
    idle_seconds: float = Field(default=75.0, gt=0, le=3600)
    """How long a connection is kept while nothing is asked on it."""
