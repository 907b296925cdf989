"""Peers that are libraries of other languages, each in a small program of its own: `bench/opa` in Go, `bench/regorus` and
`bench/cedar` in Rust.

A program takes one JSON object a line and answers with one: `hello` gives its versions; `prepare` compiles modules and a query,
parses inputs and gives the answer to each; `run` goes round the inputs for some time and gives the calls made and the
processor time they took. So no start of a process and no pipe is in a figure.
"""

from __future__ import annotations

import json
import select
import shutil
import subprocess
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

__all__ = ["CEDAR", "LOADGEN", "OPA", "REGORUS", "Program", "Refused", "cerbos", "opa_program", "version_of"]

_HERE = Path(__file__).parent
OPA = _HERE / "opa" / "target" / "bench-opa"
CEDAR = _HERE / "cedar" / "target" / "release" / "bench-cedar"
LOADGEN = _HERE / "loadgen" / "target" / "bench-loadgen"
REGORUS = _HERE / "regorus" / "target" / "release" / "bench-regorus"
_PATIENCE = 180


def opa_program() -> str | None:
    """OPA's own program: what `make bench` built, else the one on the PATH."""
    built = _HERE / "opa" / "target" / "opa"
    return str(built) if built.exists() else shutil.which("opa")


def cerbos() -> Path | None:
    """Cerbos' own program, where npm has installed it."""
    return next((_HERE / "cerbos" / "target" / "node_modules" / "@cerbos").glob("cerbos-*/cerbos-*"), None)


class Refused(RuntimeError):
    """The program says that it cannot; the message is its own."""


class Program:
    """One running program, which has prepared at most one query."""

    def __init__(self, path: Path) -> None:
        # in a session of its own, so that an interrupt from the keyboard ends the measuring, not the program under it
        self._process = subprocess.Popen(
            [path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
        )

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    def ask(self, do: str, **what: Any) -> dict[str, Any]:
        """Its answer. Raises Refused, or RuntimeError where it gives none."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(json.dumps({"do": do, **what}).encode() + b"\n")
        stdin.flush()
        ready, _, _ = select.select([stdout], [], [], _PATIENCE)
        line = stdout.readline() if ready else b""
        if not line:
            raise RuntimeError(f"`{self._process.args!r}` gave no answer to `{do}`")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise Refused(" ".join(answer["error"].split()))
        return answer

    def prepare(self, asked: Mapping[str, Any]) -> list[Any]:
        """Compiles what is asked, and gives the answer to each input; null where it is undefined."""
        answers: list[Any] = self.ask("prepare", **asked)["answers"]
        return answers

    def run(self, seconds: float) -> float:
        """Microseconds of processor time for one call."""
        done = self.ask("run", seconds=seconds)
        return float(done["seconds"]) / int(done["calls"]) * 1e6

    def close(self) -> None:
        """Ends it."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()


@cache
def version_of(path: Path) -> str:
    """What the program says of itself; empty where it is not built."""
    if not path.exists():
        return ""
    program = Program(path)
    try:
        said = program.ask("hello")
        return " ".join(filter(None, (said["version"].lstrip("v"), said["with"] and f"({said['with']})")))
    finally:
        program.close()
