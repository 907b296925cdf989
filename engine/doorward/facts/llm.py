"""Model endpoints: which model is asked, with what, and which tools it may call.

Understood are the request bodies of the chat, responses, completions and embeddings endpoints that most servers speak, of
the messages endpoint, and of `generateContent`, where the model stands in the path.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from pydantic import Field

from doorward.facts.http import read_request
from doorward.facts.reading import Facts, Opaque, Reading

__all__ = ["LlmFacts", "LlmMessage", "analyse"]

_CHARACTERS_A_TOKEN: Final = 4
_IN_PATH: Final = re.compile(
    r"/models/([^/:]+):(generateContent|streamGenerateContent|countTokens|embedContent)$"
)
_DEPLOYED: Final = re.compile(r"/(?:deployments|engines)/([^/]+)/")
"""Paths that name the model themselves; servers with such paths do not look for it in the body."""
_LIMITS: Final = ("max_tokens", "max_completion_tokens", "max_output_tokens")


class LlmMessage(Facts):
    """One message of a conversation with a model."""

    role: str = ""
    content: str = Field(default="", description="its text; parts of a message are joined by line ends")


class LlmFacts(Facts):
    """The `llm` part of a request document."""

    api: str = Field(default="", description="chat, responses, messages, completions, embeddings or generate")
    model: str = ""
    messages: list[LlmMessage] = Field(default=[], description="instructions and prompts too, in their order")
    tools: list[str] = Field(
        default=[], description="names of the functions and tools that the model may call"
    )
    attachments: int = Field(default=0, description="parts that are not text: images, files, sound")
    input_tokens: int = Field(default=0, description="estimate: a token for every four characters of text")
    max_tokens: int = Field(default=0, description="of the answer; 0 where the caller sets no limit")
    stream: bool = False


def analyse(request: Mapping[str, Any]) -> Reading:
    """The `http` and `llm` facts of an `HttpRequest` as plain values."""
    try:
        http = read_request(request)
        return Reading({"http": http, "llm": _facts(http)})
    except Opaque as why:
        return Reading({}, str(why))


def _facts(http: Mapping[str, Any]) -> dict[str, Any]:
    facts = LlmFacts().model_dump()
    body = http["body"]
    if http["method"] in ("GET", "HEAD") and not http["body_bytes"]:
        return facts  # a list of models and the like
    if not isinstance(body, dict):
        raise Opaque("the body is not a JSON object")
    reader = _Reader()
    facts["api"], facts["model"] = _api(http["path"], body)
    facts["messages"] = list(reader.messages(body))
    facts["tools"] = sorted({*reader.tools(body)})
    facts["attachments"] = reader.attachments
    characters = sum(len(message["content"]) for message in facts["messages"])
    facts["input_tokens"] = -(-characters // _CHARACTERS_A_TOKEN)
    config = body.get("generationConfig")
    limits = [body[name] for name in _LIMITS if body.get(name) is not None]
    if isinstance(config, dict) and config.get("maxOutputTokens") is not None:
        limits.append(config["maxOutputTokens"])
    if any(type(limit) is not int or limit < 0 for limit in limits):
        raise Opaque("the limit of tokens is not a whole number")
    facts["max_tokens"] = max(limits, default=0)
    facts["stream"] = body.get("stream") is True or http["path"].endswith(":streamGenerateContent")
    return facts


def _api(path: str, body: Mapping[str, Any]) -> tuple[str, str]:
    in_path = _IN_PATH.search(path)
    if in_path is not None:
        return "generate", in_path[1]
    deployed = _DEPLOYED.search(path)
    model = body.get("model") if deployed is None else deployed[1]
    if deployed is not None and body.get("model") not in (None, model):
        raise Opaque("the path and the body name different models")
    if not isinstance(model, str) or not model:
        raise Opaque("the body names no model")
    if path.endswith("/messages"):
        return "messages", model
    if "messages" in body:
        return "chat", model
    if path.endswith("/embeddings"):
        return "embeddings", model
    if "input" in body:
        return "responses", model
    if "prompt" in body:
        return "completions", model
    raise Opaque("the body is of no endpoint that is known")


class _Reader:
    """Goes through a body; counts what is not text."""

    def __init__(self) -> None:
        self.attachments = 0

    def messages(self, body: Mapping[str, Any]) -> Iterator[dict[str, str]]:
        """Everything that the model is told, as messages."""
        for name in ("system", "instructions", "systemInstruction", "system_instruction"):
            if body.get(name) is not None:
                yield {"role": "system", "content": self._text(body[name])}
        for name in ("messages", "contents"):
            for message in _listed(body.get(name), name):
                yield self._message(message)
        for name in ("input", "prompt"):
            given = body.get(name)
            if isinstance(given, str):
                yield {"role": "user", "content": given}
            elif given is not None:
                for item in _listed(given, name):
                    yield {"role": "user", "content": item} if isinstance(item, str) else self._message(item)

    def _message(self, message: Any) -> dict[str, str]:
        if not isinstance(message, dict):
            raise Opaque("a message is not an object")
        role = message.get("role", "")
        content = message.get("content", message.get("parts", message.get("output")))
        return {"role": role if isinstance(role, str) else "", "content": self._text(content)}

    def _text(self, content: Any) -> str:
        if content is None:
            return ""
        if isinstance(content, str):
            return content
        parts = [content] if isinstance(content, dict) else _listed(content, "content")
        texts = []
        for part in parts:
            text = part if isinstance(part, str) else part.get("text") if isinstance(part, dict) else None
            if isinstance(text, str):
                texts.append(text)
            elif isinstance(part, dict) and ("parts" in part or "content" in part):
                texts.append(self._text(part.get("parts", part.get("content"))))
            elif isinstance(part, dict):
                self.attachments += 1
            else:
                raise Opaque("a part of a message is neither text nor an object")
        return "\n".join(texts)

    def tools(self, body: Mapping[str, Any]) -> Iterator[str]:
        """The names of the tools that are offered."""
        for tool in (*_listed(body.get("tools"), "tools"), *_listed(body.get("functions"), "functions")):
            if not isinstance(tool, dict):
                raise Opaque("a tool is not an object")
            declared = tool.get("functionDeclarations", tool.get("function_declarations"))
            for one in _listed(declared, "functionDeclarations") if declared is not None else (tool,):
                yield _tool_name(one)


def _tool_name(tool: Any) -> str:
    """The name of a function; of a tool that the server brings itself, its type."""
    if isinstance(tool, dict):
        inner = tool.get("function")
        for name in (
            inner.get("name") if isinstance(inner, dict) else None,
            tool.get("name"),
            tool.get("type"),
        ):
            if isinstance(name, str) and name:
                return name
        if len(tool) == 1:  # {"googleSearch": {}}
            return str(next(iter(tool)))
    raise Opaque("a tool has no name")


def _listed(value: Any, name: str) -> Iterable[Any]:
    if value is None:
        return ()
    if not isinstance(value, list):
        raise Opaque(f"`{name}` is not a list")
    return value
