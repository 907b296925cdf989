"""The session as it is used: typed into a terminal, or fed through a pipe."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest
from prompt_toolkit import PromptSession
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput

from doorward.author.repl import Session, on_terminal, suggestions
from doorward.author.repl.entry import is_complete
from doorward.author.repl.keys import bindings, completer
from doorward.author.repl.terminal import history_file


def typed(*keys: str) -> list[str]:
    """What a session says to keys typed at a prompt."""
    session = Session()
    replies: list[str] = []
    with create_pipe_input() as pipe:
        prompt: PromptSession[str] = PromptSession(
            input=pipe,
            output=DummyOutput(),
            multiline=True,
            key_bindings=bindings(is_complete),
            completer=completer(lambda before: suggestions(session, before)),
        )
        pipe.send_text("".join(keys))
        on_terminal(session, replies.append, prompt)
    return replies


CTRL_C, CTRL_D, ENTER, TAB = "\x03", "\x04", "\r", "\t"


def test_entries_are_answered_until_the_end() -> None:
    assert typed("x := 2", ENTER, "x + 1", ENTER, CTRL_D) == ["defined x", "3"]


def test_enter_goes_on_where_something_is_open() -> None:
    assert typed("x if {", ENTER, "1 > 0", ENTER, "}", ENTER, "x", ENTER, ":quit", ENTER) == [
        "defined x",
        "true",
    ]


def test_ctrl_c_drops_the_line() -> None:
    assert typed("1 + ", CTRL_C, "2", ENTER, CTRL_D) == ["2"]


def test_on_a_pipe_there_is_no_prompt(tmp_path: Path) -> None:
    (tmp_path / "p.rego").write_text("package p\n\nx := 1\n")
    entries = "data.p.x\ny if {\n  data.p.x == 1\n}\ny\n"
    ran = subprocess.run(
        [sys.executable, "-m", "doorward", "repl", "p.rego"],
        input=entries, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "1\ndefined y\ntrue\n", "")
    ran = subprocess.run(
        [sys.executable, "-m", "doorward", "repl"],
        input="1 +\n\n2\n", cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (ran.returncode, ran.stdout) == (1, "2\n")
    assert "rego_parse_error" in ran.stderr


def test_without_prompt_toolkit_the_extra_is_named(tmp_path: Path) -> None:
    """On a terminal; a pipe does without."""
    code = (
        "import sys; sys.modules['prompt_toolkit'] = None\n"
        "from doorward.cli.main import main; sys.argv = ['doorward', 'repl']; main()"
    )
    shown, status = on_a_terminal([sys.executable, "-c", code], [], tmp_path)
    assert "doorward[author]" in shown
    assert status == 3
    ran = subprocess.run(
        [sys.executable, "-c", code], input="1\n", capture_output=True, text=True, timeout=60, check=False
    )
    assert (ran.returncode, ran.stdout) == (0, "1\n")


def test_a_real_terminal_prompts_completes_and_remembers(tmp_path: Path) -> None:
    steps = [
        (">", "20 + 22" + ENTER),
        ("42", ""),
        (">", "sprint" + TAB),
        ("sprintf", '("<%d>", [7])' + ENTER),
        ('"<7>"', ""),
        (">", CTRL_D),
    ]
    shown, status = on_a_terminal([sys.executable, "-m", "doorward", "repl"], steps, tmp_path)
    assert "Ctrl-D leaves" in shown
    assert status == 0
    history = tmp_path / "doorward" / "repl_history"
    assert "+20 + 22" in history.read_text()
    assert history.stat().st_mode & 0o077 == 0


def test_history_needs_no_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    assert history_file() is None


def on_a_terminal(command: list[str], steps: list[tuple[str, str]], state: Path) -> tuple[str, int]:
    """What a command shows on a pseudo-terminal, and its exit status.

    A step is what to wait for, and what is typed then.
    """
    leader, follower = pty.openpty()
    termios.tcsetwinsize(follower, (24, 100))
    environment = {**os.environ, "XDG_STATE_HOME": str(state), "TERM": "xterm"}
    with subprocess.Popen(
        command, stdin=follower, stdout=follower, stderr=follower, env=environment
    ) as process:
        os.close(follower)
        shown, seen, left = "", 0, list(steps)
        deadline = time.monotonic() + 90
        try:
            while time.monotonic() < deadline:
                while left and left[0][0] in shown[seen:]:
                    seen = shown.index(left[0][0], seen) + len(left[0][0])
                    os.write(leader, left.pop(0)[1].encode())
                if not select.select([leader], [], [], 1)[0]:
                    continue
                try:
                    some = os.read(leader, 65536)
                except OSError:  # the other end is gone
                    break
                if b"\x1b[6n" in some:
                    os.write(leader, b"\x1b[1;1R")  # where the cursor is, as prompt_toolkit asks
                shown += some.decode(errors="replace")
            return shown, process.wait(timeout=30)
        finally:
            process.kill()
            os.close(leader)
