"""`docs/tutorial.md` is true: its commands, run one after the other in an empty directory, print what the page shows.

`python tests/house/test_tutorial.py` writes what they print into the page.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

PAGE = Path(__file__).resolve().parents[2] / "docs/tutorial.md"

BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
HEREDOC = re.compile(r"<<'(\w+)'")
MARK = "\x1eend of a command\x1e"

VARYING = (
    (re.compile(r"\b\d+(?:\.\d+)? (?:µs|ms|s)\b"), "TIME"),
    (re.compile(r"\b[0-9a-f]{7,64}\b"), "HASH"),
    (re.compile(r"\b\d+ bytes\b"), "SIZE"),
    (re.compile(r"^slowest:\n(?: +TIME .*\n)+", re.MULTILINE), ""),
)
"""What is another each time, and what stands for it."""


@dataclass(frozen=True, slots=True)
class Step:
    """One command of the page, and what it prints there."""

    command: str
    shown: str


def steps(page: str) -> list[Step]:
    """The commands of a page; a command goes on to the end of its here-document."""
    found = []
    for block in BLOCK.findall(page):
        lines = block.splitlines(keepends=True)
        while lines:
            first = lines.pop(0)
            assert first.startswith("$ "), f"output without a command: {first}"
            command = [first[2:]]
            document = HEREDOC.search(first)
            while document is not None and command[-1].rstrip("\n") != document[1]:
                command.append(lines.pop(0))
            shown = []
            while lines and not lines[0].startswith("$ "):
                shown.append(lines.pop(0))
            found.append(Step("".join(command), "".join(shown)))
    return found


def printed(commands: list[str], directory: Path) -> list[str]:
    """What each of some commands prints, in one shell, in a directory that is home to nothing else."""
    environment = {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]),
        "HOME": str(directory),
        "LC_ALL": "C.UTF-8",
        "COLUMNS": "100",
        "PYTHONUNBUFFERED": "1",  # what is wrong and what was done come in the order in which they were said
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        **{
            f"GIT_{who}_{what}": "ana@example.org"
            for who in ("AUTHOR", "COMMITTER")
            for what in ("NAME", "EMAIL")
        },
    }
    script = "".join(f"{command}\nprintf '{MARK}'\n" for command in commands)
    ran = subprocess.run(
        ["bash"],
        input=script,
        cwd=directory,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
        check=False,
    )
    return ran.stdout.split(MARK)[:-1]


def comparable(text: str) -> str:
    """A text without what varies, and without the blanks at line ends that editors take away."""
    text = re.sub(r"[ \t]+$", "", text, flags=re.MULTILINE)
    for pattern, word in VARYING:
        text = pattern.sub(word, text)
    return text.rstrip("\n")


def test_the_tutorial_shows_what_happens(tmp_path: Path) -> None:
    told = steps(PAGE.read_text())
    assert len(told) > 10
    seen = printed([step.command for step in told], tmp_path)
    assert [comparable(text) for text in seen] == [comparable(step.shown) for step in told]


def test_commands_are_told_from_what_they_print(tmp_path: Path) -> None:
    page = "```console\n$ cat <<'END' > x\n$ y\nEND\n$ cat x\n$ echo took 3 ms\ntook 71.2 ms\n```\n"
    assert steps(page) == [
        Step("cat <<'END' > x\n$ y\nEND\n", ""),
        Step("cat x\n", ""),
        Step("echo took 3 ms\n", "took 71.2 ms\n"),
    ]
    seen = printed([*(step.command for step in steps(page)), "cd /; pwd", "pwd", "echo wrong >&2"], tmp_path)
    assert seen == ["", "$ y\n", "took 3 ms\n", "/\n", "/\n", "wrong\n"]


def test_what_varies_is_not_compared_and_all_else_is() -> None:
    assert comparable("took 3 ms at 0123abc") == comparable("took 71.2 ms at fedcba987")
    assert comparable("2 passed in 3 ms") != comparable("3 passed in 3 ms")


def rewritten(page: str, directory: Path) -> str:
    """The page with what its commands print now."""
    outputs = iter(printed([step.command for step in steps(page)], directory))

    def block(match: re.Match[str]) -> str:
        inner = ""
        for step in steps(match[0]):
            said = re.sub(r"^slowest:\n(?: +.* m?s .*\n)+|[ \t]+$", "", next(outputs), flags=re.MULTILINE)
            inner += f"$ {step.command}{said}" + ("\n" if said and not said.endswith("\n") else "")
        return f"```console\n{inner}```"

    return BLOCK.sub(block, page)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as empty:
        PAGE.write_text(rewritten(PAGE.read_text(), Path(empty)))
