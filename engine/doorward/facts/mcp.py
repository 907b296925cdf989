"""MCP: the tool that a message calls, and with which arguments.

Source: the Model Context Protocol's streamable HTTP transport, one JSON-RPC message in the body of each POST.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from doorward.facts.http import read_request
from doorward.facts.reading import Facts, Opaque, Reading

__all__ = ["McpFacts", "analyse"]


class McpFacts(Facts):
    """The `mcp` part of a request document."""

    method: str = Field(
        default="", description="tools/call, resources/read, …; empty where there is no message"
    )
    notification: bool = Field(default=False, description="no answer is expected")
    answer: bool = Field(default=False, description="the message answers a request of the server")
    tool: str = Field(default="", description="of tools/call")
    arguments: dict[str, Any] = Field(default={}, description="of tools/call and prompts/get")
    resource: str = Field(default="", description="URI, of resources/read and the like")
    prompt: str = Field(default="", description="of prompts/get")


def analyse(request: Mapping[str, Any]) -> Reading:
    """The `http` and `mcp` facts of an `HttpRequest` as plain values."""
    try:
        http = read_request(request)
        return Reading({"http": http, "mcp": _facts(http)})
    except Opaque as why:
        return Reading({}, str(why))


def _facts(http: Mapping[str, Any]) -> dict[str, Any]:
    facts = McpFacts().model_dump()
    if http["method"] != "POST":
        return facts  # GET opens the stream of the server's messages, DELETE ends the session
    message = http["body"]
    if isinstance(message, list):
        raise Opaque("several messages in one body")
    if not isinstance(message, dict) or message.get("jsonrpc") != "2.0":
        raise Opaque("the body is not a message of JSON-RPC 2.0")
    if "method" not in message and ("result" in message or "error" in message):
        return {**facts, "answer": True}
    method, params = message.get("method"), message.get("params", {})
    if not isinstance(method, str) or not isinstance(params, dict):
        raise Opaque("the message names no method, or its parameters are not an object")
    facts["method"] = method
    facts["notification"] = "id" not in message
    if method in ("tools/call", "prompts/get"):
        facts["tool" if method == "tools/call" else "prompt"] = _text(params, "name")
        arguments = params.get("arguments", {})
        if arguments is not None and not isinstance(arguments, dict):
            raise Opaque("the arguments are not an object")
        facts["arguments"] = arguments or {}
    elif method in ("resources/read", "resources/subscribe", "resources/unsubscribe"):
        facts["resource"] = _text(params, "uri")
    return facts


def _text(params: Mapping[str, Any], name: str) -> str:
    value = params.get(name)
    if not isinstance(value, str) or not value:
        raise Opaque(f"the message has no `{name}`")
    return value
