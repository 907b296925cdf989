"""Who may ask for what over HTTP."""

from __future__ import annotations

from typing import Literal, Protocol, TypeAlias

from starlette.requests import Request

__all__ = ["Admission", "Asked", "anybody"]

Asked: TypeAlias = Literal["decide", "query", "metrics"]
"""What a request asks for: decisions, whatever policies and data say, or how the service does."""


class Admission(Protocol):
    """Looks at a request before its body is read."""

    def __call__(self, request: Request, asked: Asked) -> str:
        """The name of the caller, who is in `ASKING` from then on. Raises Problem with status 401, 403 or 429 for who may
        not ask.

        The connection is in `request.scope["state"]["transport"]`, for the certificate that its peer showed.
        """


def anybody(request: Request, asked: Asked) -> str:
    """Admits whoever asks."""
    return ""
