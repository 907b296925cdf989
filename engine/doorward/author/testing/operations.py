"""What a test says happens, as the gateway would hand it over: the raw operation of each kind, from a short text or an object.

| kind         | text                                                                                              |
| ------------ | ------------------------------------------------------------------------------------------------- |
| `postgres`   | SQL, as one message                                                                               |
| `http`       | `GET /users/7?full=1`, then header lines, an empty line and the body, as many as there are        |
| `kubernetes` | `get pods/web-0 -n shop`, `create pods/web-0/exec -n shop`, `list deployments.apps`; or as `http` |
| `llm`        | `model: what it is asked`; or as `http`                                                           |
| `mcp`        | `tool {"argument": 1}`, `resources/read file:///x`, `tools/list`; or as `http`                    |
| `ssh`        | the command                                                                                       |

The facts are worked out of it by the same analyser that serves decisions.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import quote

__all__ = ["ACTIONS", "OperationError", "operation_of"]

ACTIONS: Final[Mapping[str, str]] = {
    "postgres": "query",
    "http": "call",
    "kubernetes": "call",
    "llm": "call",
    "mcp": "call",
    "ssh": "exec",
}
"""The action of a request of a kind where a test names none."""

_REQUEST_LINE: Final = re.compile(r"([A-Z]+) (\S+)(?: HTTP/[\d.]+)?")
_HEADER: Final = re.compile(r"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):\s*(.*)")
_MODEL: Final = re.compile(r"([\w./@-]+(?::[\w.-]+)?):\s+(.*)", re.DOTALL)
_CORE: Final = "/api/v1"
_METHODS: Final = {
    "get": "GET",
    "list": "GET",
    "watch": "GET",
    "create": "POST",
    "update": "PUT",
    "patch": "PATCH",
    "delete": "DELETE",
    "deletecollection": "DELETE",
}


class OperationError(ValueError):
    """The text or the object does not say what happens."""


def operation_of(kind: str, action: str, operation: Any) -> dict[str, Any]:
    """The raw operation of a kind, as its section of a request has it. `operation` is text, an object, or None.

    Raises OperationError.
    """
    if operation is None and (kind != "ssh" or action in ("connect", "issue_credential")):
        return {}
    if isinstance(operation, str):
        read = _OF_TEXT.get(kind)
        if read is None:
            raise OperationError(f"requests of kind `{kind}` are given as an object, not as a text")
        return read(action, operation)
    if not isinstance(operation, dict | None):
        raise OperationError("what happens is a text or an object")
    made = _OF_OBJECT.get(kind)
    given = operation or {}
    return given if made is None else made(action, given)


# --- text ---


def _sql(action: str, text: str) -> dict[str, Any]:
    return {"statement": text}


def _http(action: str, text: str) -> dict[str, Any]:
    head, _, body = text.strip("\n").partition("\n\n")
    first, *lines = [line.strip() for line in head.strip().splitlines()] or [""]
    line = _REQUEST_LINE.fullmatch(first)
    if line is None:
        raise OperationError(f"`{first[:60]}` is no request: write `GET /path`")
    headers: dict[str, list[str]] = {}
    for written in lines:
        header = _HEADER.fullmatch(written)
        if header is None:
            raise OperationError(
                f"`{written[:60]}` is no header: write `name: value`, and an empty line before the body"
            )
        headers.setdefault(header[1], []).append(header[2])
    return _http_object(action, {"method": line[1], "target": line[2], "headers": headers, "body": body})


def _kubernetes(action: str, text: str) -> dict[str, Any]:
    if _REQUEST_LINE.match(text.strip()):
        return _http(action, text)
    words = shlex.split(text)
    namespace = ""
    for flag in ("-n", "--namespace"):
        if flag in words and words.index(flag) + 1 < len(words):
            at = words.index(flag)
            namespace = words[at + 1]
            del words[at : at + 2]
    if len(words) != 2 or words[0] not in _METHODS:
        verbs = ", ".join(f"`{verb}`" for verb in _METHODS)
        raise OperationError(f"write `get pods/web-0 -n shop`; the verbs are {verbs}")
    verb, (what, *path) = words[0], words[1].split("/")
    resource, _, group = what.partition(".")
    root = f"/apis/{group}/v1" if group else _CORE
    within = f"/namespaces/{quote(namespace)}" if namespace else ""
    target = "/".join([f"{root}{within}", quote(resource), *map(quote, path)])
    if verb == "watch":
        target += "?watch=true"
    if verb in ("get", "update", "patch", "delete") and not path:
        raise OperationError(f"`{verb}` is about one object: write `{verb} {what}/name`")
    return {"method": _METHODS[verb], "target": target}


def _llm(action: str, text: str) -> dict[str, Any]:
    if _REQUEST_LINE.match(text.strip()):
        return _http(action, text)
    said = _MODEL.fullmatch(text.strip())
    if said is None:
        raise OperationError("write `model: what it is asked`, or give the body as an object")
    return _llm_object(action, {"model": said[1], "messages": [{"role": "user", "content": said[2]}]})


def _mcp(action: str, text: str) -> dict[str, Any]:
    if _REQUEST_LINE.match(text.strip()):
        return _http(action, text)
    name, _, rest = text.strip().partition(" ")
    rest = rest.strip()
    if "/" not in name:
        return _mcp_object(
            action, {"method": "tools/call", "params": {"name": name, "arguments": _arguments(rest)}}
        )
    if name in ("tools/call", "prompts/get"):
        name_of, _, arguments = rest.partition(" ")
        params: dict[str, Any] = {"name": name_of, "arguments": _arguments(arguments.strip())}
    elif name.startswith("resources/") and rest:
        params = {"uri": rest}
    else:
        params = _arguments(rest)
    return _mcp_object(action, {"method": name, "params": params})


def _arguments(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text) if text else {}
    except ValueError as error:
        raise OperationError(f"the arguments are not JSON: {error}") from None
    if not isinstance(value, dict):
        raise OperationError("the arguments are not an object")
    return value


def _ssh(action: str, text: str) -> dict[str, Any]:
    if action in ("sftp", "scp"):
        operation, _, path = text.strip().partition(" ")
        return {"request": action, "operation": operation, "path": path.strip()}
    if action == "subsystem":
        return {"request": action, "subsystem": text.strip()}
    if action == "forward":
        return {"request": action, "path": text.strip()}
    return {"request": "exec", "command": text}


# --- objects ---


def _http_object(action: str, given: dict[str, Any]) -> dict[str, Any]:
    """An operation whose headers may be plain texts, and whose body may be a document."""
    made = dict(given)
    headers = given.get("headers")
    if isinstance(headers, dict):
        made["headers"] = {
            name: [value] if isinstance(value, str) else value for name, value in headers.items()
        }
    body = given.get("body")
    if "body" in given and not isinstance(body, str):
        made["body"] = "" if body is None else json.dumps(body)
        if body is not None and not any(name.lower() == "content-type" for name in made.get("headers", {})):
            made["headers"] = {**made.get("headers", {}), "content-type": ["application/json"]}
    return made


def _llm_object(action: str, given: dict[str, Any]) -> dict[str, Any]:
    if "target" in given:
        return _http_object(action, given)
    return _http_object(action, {"method": "POST", "target": "/v1/chat/completions", "body": given})


def _mcp_object(action: str, given: dict[str, Any]) -> dict[str, Any]:
    if "target" in given:
        return _http_object(action, given)
    message = {"jsonrpc": "2.0", "id": 1, **given}
    return _http_object(action, {"method": "POST", "target": "/mcp", "body": message})


def _ssh_object(action: str, given: dict[str, Any]) -> dict[str, Any]:
    return {"request": action, **given} if action != "exec" or given else {"request": "exec"}


_OF_TEXT: Final[Mapping[str, Callable[[str, str], dict[str, Any]]]] = {
    "postgres": _sql,
    "http": _http,
    "kubernetes": _kubernetes,
    "llm": _llm,
    "mcp": _mcp,
    "ssh": _ssh,
}
_OF_OBJECT: Final[Mapping[str, Callable[[str, dict[str, Any]], dict[str, Any]]]] = {
    "http": _http_object,
    "kubernetes": _http_object,
    "llm": _llm_object,
    "mcp": _mcp_object,
    "ssh": _ssh_object,
}
