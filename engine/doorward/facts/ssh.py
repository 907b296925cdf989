"""SSH: what a session, a command or a file transfer asks for.

A command is text for a shell on the other side. It is taken apart only where every shell takes it apart alike: words,
quotes, and `;`, `&&`, `||`, `|` between commands. Whatever a shell would expand, substitute or redirect makes it opaque:
what would run cannot be said from here.
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from typing import Any, Final

from pydantic import Field

from doorward.facts.reading import Facts, Opaque, Reading

__all__ = ["SshFacts", "SshRequest", "analyse"]

_MAX_COMMAND: Final = 64 * 1024
_BETWEEN: Final = ("&&", "||", ";", "|")
_EXPANDED: Final = frozenset("$`(){}<>&!*?[]~#^\n\r\\\0=")
"""What means something to one shell or another outside quotes."""

_RESERVED: Final = frozenset(
    {"if", "then", "else", "elif", "fi", "for", "while", "until", "do", "done", "case", "esac", "in"}
    | {"select", "function", "time", "coproc"}
)
"""Words before which or after which a command stands that is no command's argument."""

_REQUESTS: Final = frozenset({"shell", "exec", "subsystem", "sftp", "scp", "forward", "agent", "x11"})


class SshRequest(Facts):
    """The raw operation of kind `ssh`, as the gateway took it from the wire."""

    request: str = Field(default="", description="shell, exec, subsystem, sftp, scp, forward, agent or x11")
    command: str = Field(default="", description="of exec, as it was sent")
    subsystem: str = ""
    pty: bool = False
    operation: str = Field(default="", description="of sftp and scp: read, write, list, remove, rename, …")
    path: str = Field(default="", description="of sftp and scp; of forward, host:port")


class SshFacts(Facts):
    """The `ssh` part of a request document."""

    request: str = Field(default="", description="shell, exec, subsystem, sftp, scp, forward, agent or x11")
    command: str = ""
    argv: list[str] = Field(default=[], description="the words of a single command; empty for several")
    commands: list[list[str]] = Field(default=[], description="the words of every command, in order")
    programs: list[str] = Field(default=[], description="the first word of every command, without its folder")
    subsystem: str = ""
    pty: bool = False
    operation: str = Field(default="", description="of sftp and scp: read, write, list, remove, rename, …")
    path: str = Field(default="", description="the file that is touched")


def analyse(request: Mapping[str, Any]) -> Reading:
    """The `ssh` facts of an `SshRequest` as plain values."""
    try:
        return Reading({"ssh": _facts(request)})
    except Opaque as why:
        return Reading({}, str(why))


def _facts(request: Mapping[str, Any]) -> dict[str, Any]:
    if request["request"] not in _REQUESTS:
        raise Opaque(f"`{request['request'][:100]}` is no request of SSH that is known")
    commands = _commands(request["command"]) if request["request"] == "exec" else []
    path = request["path"]
    if request["request"] in ("sftp", "scp"):
        if "\0" in path or ".." in path.split("/"):
            raise Opaque("the path goes up, and links decide where to")
        path = posixpath.normpath(path) if path else ""
    return {
        "request": request["request"],
        "command": request["command"],
        "argv": commands[0] if len(commands) == 1 else [],
        "commands": commands,
        "programs": [posixpath.basename(argv[0]) for argv in commands],
        "subsystem": request["subsystem"],
        "pty": request["pty"],
        "operation": request["operation"],
        "path": path,
    }


def _commands(text: str) -> list[list[str]]:
    """The words of every command of a line. Raises Opaque."""
    if len(text) > _MAX_COMMAND:
        raise Opaque(f"the command is longer than {_MAX_COMMAND} characters")
    commands: list[list[str]] = [[]]
    word: list[str] | None = None  # the word so far; None between words
    at = 0
    while at < len(text):
        character = text[at]
        between = next((mark for mark in _BETWEEN if text.startswith(mark, at)), None)
        if character in "'\"":
            end = _closing(text, at)
            word = word or []
            word.append(text[at + 1 : end])
            at = end + 1
        elif character in " \t" or between is not None:
            if word is not None:
                commands[-1].append("".join(word))
                word = None
            if between is not None:
                commands.append([])
            at += len(between or character)
        elif character in _EXPANDED and not (character == "=" and commands[-1] and word):
            raise Opaque(f"the command holds {character!r}, which shells do not take as it is")
        else:
            word = word or []
            word.append(character)
            at += 1
    if word is not None:
        commands[-1].append("".join(word))
    if not commands[-1] and len(commands) > 1 and text.rstrip(" \t").endswith(";"):
        commands.pop()
    if not all(commands):
        raise Opaque("the command is empty, or half of one")
    reserved = next((argv[0] for argv in commands if argv[0] in _RESERVED), None)
    if reserved is not None:
        raise Opaque(f"the command holds `{reserved}`, which is part of a shell's own language")
    return commands


def _closing(text: str, at: int) -> int:
    """The place of the quote that closes the one at `at`."""
    end = text.find(text[at], at + 1)
    if end < 0:
        raise Opaque("a quote in the command is not closed")
    if text[at] == '"' and any(mark in text[at + 1 : end] for mark in "$`\\!"):
        raise Opaque("the command holds a quoted text that a shell expands")
    return end
