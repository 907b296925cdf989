"""A session on a terminal, with history and completion, or on a pipe."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING

from doorward.author.repl.completion import suggestions
from doorward.author.repl.entry import is_complete
from doorward.author.repl.session import Session

if TYPE_CHECKING:
    from prompt_toolkit import PromptSession

__all__ = ["history_file", "on_pipe", "on_terminal"]


def on_pipe(session: Session, lines: Iterable[str], out: IO[str], errors: IO[str]) -> bool:
    """Take entries from lines, without a prompt. Whether all of them went well."""
    well = True
    for entry in _entries(lines):
        reply = session.feed(entry)
        if reply.text:
            print(reply.text, file=errors if reply.failed else out, flush=True)
        well = well and not reply.failed
        if reply.ends:
            break
    return well


def _entries(lines: Iterable[str]) -> Iterator[str]:
    entry = ""
    for line in lines:
        entry += line if line.endswith("\n") else line + "\n"
        if is_complete(entry):
            yield entry
            entry = ""
    if entry.strip():
        yield entry


def on_terminal(
    session: Session, say: Callable[[str], None], prompt: PromptSession[str] | None = None
) -> None:
    """Take entries until Ctrl-D or `:quit`. Ctrl-C drops the line, or ends an evaluation that takes too long.

    Needs prompt_toolkit. `say` shows a reply.
    """
    asked = _prompt(session) if prompt is None else prompt
    while True:
        try:
            entry = asked.prompt("> ")
        except KeyboardInterrupt:
            continue
        except EOFError:
            return
        try:
            reply = session.feed(entry)
        except KeyboardInterrupt:
            say("interrupted")
            continue
        if reply.text:
            say(reply.text)
        if reply.ends:
            return


def _prompt(session: Session) -> PromptSession[str]:
    from prompt_toolkit import PromptSession
    from prompt_toolkit.history import FileHistory, History, InMemoryHistory

    from doorward.author.repl.keys import bindings, completer

    file = history_file()
    history: History = InMemoryHistory() if file is None else FileHistory(str(file))
    return PromptSession(
        history=history,
        completer=completer(lambda before: suggestions(session, before)),
        complete_while_typing=False,
        multiline=True,
        key_bindings=bindings(is_complete),
        prompt_continuation="… ",
        enable_history_search=True,
    )


def history_file() -> Path | None:
    """Where entries are remembered: below XDG_STATE_HOME, for its owner alone. None where nothing can be written."""
    state = os.environ.get("XDG_STATE_HOME")
    file = (Path(state) if state else Path.home() / ".local" / "state") / "doorward" / "repl_history"
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        file.touch(mode=0o600)
    except (OSError, RuntimeError):
        return None
    return file
