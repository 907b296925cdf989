"""A request of HTTP, as it stood on the wire, and what it says."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from doorward.facts.reading import Facts

__all__ = ["HttpFacts", "HttpRequest"]


class HttpRequest(Facts):
    """The raw operation of the kinds that travel by HTTP, as the gateway took it from the wire."""

    method: str = ""
    target: str = Field(default="", description="as in the request line: /users/7?full=1")
    headers: dict[str, list[str]] = Field(default={}, description="by name, every value that was sent")
    body: str = Field(default="", description="as text; empty where the gateway does not hand it over")
    body_base64: str = Field(default="", description="instead of `body`, for what is not UTF-8")


class HttpFacts(Facts):
    """The `http` part of a request document."""

    method: str = ""
    scheme: str = Field(default="", description="of an absolute target, else empty")
    host: str = Field(default="", description="in lower case, with its port where one is named")
    path: str = Field(default="", description="percent-decoded, without the query")
    segments: list[str] = Field(default=[], description="the path's parts between slashes, decoded")
    query: dict[str, list[str]] = Field(default={}, description="every value by name, decoded")
    headers: dict[str, str] = Field(
        default={}, description="by lower-case name; several values joined by `, `"
    )
    content_type: str = Field(default="", description="media type in lower case, without parameters")
    body: Any = Field(
        default=None, description="of JSON what it says, of a form its values by name, else null"
    )
    body_bytes: int = Field(default=0, description="length of the body that was handed over")
