"""Loading: from files to an engine that answers, by the number of files; and again after one of them changed, came or
went, or data changed."""

from __future__ import annotations

import gc
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench.measure import Contestant, Question
from bench.programs import opa_program
from doorward.engine import Engine, ModuleCache, TreeCache, read_policies

__all__ = ["questions"]

_SIZES = (100, 500, 1_000, 4_000)
_MODULE = """
package acme.svc{n}

import data.acme.common

# Who may do what to service {n}.
writers := {{"ops-{n}", "owner-{n}"}}

default allow := false

allow if {{
	input.resource.name == "svc-{n}"
	some role in input.principal.groups
	role in writers
}}

allow if {{
	input.resource.name == "svc-{n}-replica"
	input.action.name in {{"get", "list"}}
	common.internal
}}

deny contains msg if {{
	input.resource.name == "svc-{n}"
	not common.internal
	msg := sprintf("svc-{n} is closed to %s", [input.principal.id])
}}
"""
_WARD = """
package acme.svc{n}

governs ssh

import data.acme.common

# Who may do what to service {n}.
writers := {{"ops-{n}", "owner-{n}"}}

writer if {{
	some role in principal.groups
	role in writers
}}

allow "writers of service {n}" if {{
	resource.name == "svc-{n}"
	writer
}}

allow "everybody of ours reads the replica of service {n}" if {{
	resource.name == "svc-{n}-replica"
	common.internal
}}

block "service {n} is closed to strangers" if {{
	resource.name == "svc-{n}"
	not common.internal
}}
"""
_COMMON = 'package acme.common\n\ninternal if input.principal.kind == "human"\n'
_REQUEST = {"principal": {"kind": "human", "groups": ["ops-7"]}, "resource": {"kind": "ssh", "name": "svc-7"}}


@contextmanager
def questions() -> Iterator[Sequence[Question]]:
    """Rego and Ward files of some 25 lines each, in a directory."""
    with tempfile.TemporaryDirectory(prefix="doorward-bench-") as directory:
        yield [
            _loading(Path(directory) / "rego", ".rego", _MODULE),
            _loading(Path(directory) / "ward", ".ward", _WARD),
        ]


def _loading(root: Path, suffix: str, text: str) -> Question:
    contestants = []
    for size in _SIZES:
        tree = _tree(root / str(size), size, suffix, text)
        lines = sum(path.read_text().count("\n") for path in tree.iterdir())
        of = f"{size:,} files, {lines:,} lines"
        contestants.append(Contestant(f"doorward, {of}", _load(tree)))
        if size == _SIZES[-1]:
            revised = _Revised(tree, suffix, text)
            for what in (revised.changed, revised.added, revised.deleted, revised.other_data):
                name = what.__name__.replace("_", " ")
                contestants.append(Contestant(f"doorward, {of}, {name}", revised.after(what)))
            if suffix == ".rego":
                contestants.append(_opa(f"OPA, {of}", tree))
    note = "read, parse, check, compile, and answer once" + (
        "" if suffix == ".ward" else "; rules that no statement needs are compiled with the query"
    )
    return Question(f"load {suffix[1:].capitalize()} files", "ms", contestants, note)


def _tree(tree: Path, size: int, suffix: str, text: str) -> Path:
    tree.mkdir(parents=True)
    (tree / "common.rego").write_text(_COMMON)
    for number in range(size):
        (tree / f"svc{number}{suffix}").write_text(text.format(n=number).lstrip())
    return tree


def _answer(tree: Path, modules: ModuleCache | None = None, files: TreeCache | None = None) -> None:
    engine = Engine(read_policies(tree, known=files), modules=modules)
    if engine.statements:
        engine.decide(_REQUEST)
    elif engine.prepare("data.acme.svc7.allow").value(_REQUEST) is not True:
        raise RuntimeError("the loaded policies give another answer")


def _load(tree: Path) -> Callable[[], float]:
    def one_round() -> float:
        begin = time.perf_counter()
        _answer(tree)
        return (time.perf_counter() - begin) * 1000

    return one_round


class _Revised:
    """One revision after another of the same tree, as the service makes them: each change is to another file."""

    def __init__(self, tree: Path, suffix: str, text: str) -> None:
        self._tree = tree
        self._suffix = suffix
        self._text = text
        self._number = 10
        self._modules = ModuleCache()
        self._files = TreeCache()
        self._loaded = False

    def after(self, change: Callable[[Path], None]) -> Callable[[], float]:
        """From a change to the next answer."""

        def one_round() -> float:
            if not self._loaded:
                self._loaded = True
                _answer(self._tree, self._modules, self._files)
                gc.collect()
                gc.freeze()  # as the service does once it has loaded
            self._number += 17
            change(self._tree / f"svc{self._number % _SIZES[-1]}{self._suffix}")
            begin = time.perf_counter()
            _answer(self._tree, self._modules, self._files)
            return (time.perf_counter() - begin) * 1000

        return one_round

    def changed(self, file: Path) -> None:
        """One rule more in a file."""
        file.write_text(f"{self._content(file)}\n\nchange{self._number} := {self._number}\n")

    def added(self, file: Path) -> None:
        """A file that was not there."""
        self._content(self._tree / f"svc{_SIZES[-1] + self._number}{self._suffix}", write=True)

    def deleted(self, file: Path) -> None:
        """A file that is there no more."""
        file.unlink()

    def other_data(self, file: Path) -> None:
        """Another value in a data file."""
        (self._tree / "data.json").write_text(f'{{"limits": {{"daily": {self._number}}}}}')

    def _content(self, file: Path, *, write: bool = False) -> str:
        content = self._text.format(n=file.stem.removeprefix("svc")).lstrip()
        if write:
            file.write_text(content)
        return content


def _opa(name: str, tree: Path) -> Contestant:
    program = opa_program()
    if program is None:
        return Contestant(name, lambda: 0.0, absent="no `opa` on the PATH, and none built")
    command = [program, "eval", "--data", str(tree), "data.acme.svc7.allow"]

    def one_round() -> float:
        begin = time.perf_counter()
        subprocess.run(command, capture_output=True, check=True, timeout=300)
        return (time.perf_counter() - begin) * 1000

    return Contestant(name, one_round)
