"""What a running engine keeps in memory: with many rules, and with much data."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench.measure import Contestant, Question, Settings, absent
from bench.programs import OPA, REGORUS, Program

__all__ = ["questions"]

_FILES = 1_000
_RULES = 100
"""In each file: a hundred thousand in all."""
_MEGABYTES = 100
_QUERY = "data.acme.f7.allow"
_INPUT = {"user": "u7", "name": "host-7-7"}
_OURS = """
import json, sys
from doorward import Engine
root, query, given = sys.argv[1:]
value = Engine.from_path(root).prepare(query).value
print(value(json.loads(given)), flush=True)
sys.stdin.read()
"""


@contextmanager
def questions(settings: Settings) -> Iterator[Sequence[Question]]:
    """Resident memory of a process of its own, once it has loaded everything and answered."""
    with tempfile.TemporaryDirectory(prefix="doorward-bench-") as directory:
        rules, data = Path(directory) / "rules", Path(directory) / "data"
        files = _FILES // 10 if settings.quick else _FILES
        megabytes = _MEGABYTES // 10 if settings.quick else _MEGABYTES
        _write_rules(rules, files)
        _write_data(data, megabytes)
        note = "resident memory of a process of its own, after loading from files and one query"
        yield [
            Question(
                f"memory, {files * _RULES:,} rules in {files:,} files",
                "MB",
                _contestants(rules),
                note,
                seconds=60,
                warm_up=False,
            ),
            Question(f"memory, {megabytes} MB of data", "MB", _contestants(data), note, 60, warm_up=False),
        ]


def _write_rules(root: Path, files: int) -> None:
    root.mkdir()
    for number in range(files):
        lines = [f"package acme.f{number}", "default allow := false"]
        lines += [
            f'allow if {{ input.name == "host-{number}-{n}"; input.user == "u{n}" }}' for n in range(_RULES)
        ]
        (root / f"f{number}.rego").write_text("\n".join(lines) + "\n")


def _write_data(root: Path, megabytes: int) -> None:
    root.mkdir()
    people, size, number = {}, 0, 0
    while size < megabytes * 1_000_000:
        person = {
            "name": f"Person {number}",
            "email": f"person{number}@example.org",
            "groups": [f"group-{number % 97}", f"team-{number % 1013}"],
            "manager": f"u{number // 9}",
            "cleared": number % 3 == 0,
            "level": number % 5,
        }
        people[f"u{number}"] = person
        size += len(json.dumps(person, separators=(",", ":"))) + len(f"u{number}") + 4
        number += 1
    (root / "data.json").write_text(json.dumps({"people": people}, separators=(",", ":")))
    (root / "f7.rego").write_text(
        'package acme.f7\n\ndefault allow := false\n\nallow if "group-7" in data.people[input.user].groups\n'
    )


def _contestants(root: Path) -> list[Contestant]:
    paths = sorted(str(path) for path in root.iterdir())
    found = [Contestant("doorward", _ours(root))]
    for name, peer, path, tool in (("OPA", "opa", OPA, "go"), ("regorus", "regorus", REGORUS, "cargo")):
        if path.exists():
            found.append(Contestant(name, _theirs(path, paths), peer=peer))
        else:
            found.append(absent(name, peer, f"not built: `make bench` builds it with `{tool}`"))
    return found


def _ours(root: Path) -> Callable[[], float]:
    def one_round() -> float:
        command = [sys.executable, "-c", _OURS, str(root), _QUERY, json.dumps(_INPUT)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            try:
                assert process.stdout is not None
                if process.stdout.readline().strip() != "True":
                    raise RuntimeError("doorward gives another answer")
                return _resident(process.pid)
            finally:
                process.kill()

    return one_round


def _theirs(path: Path, paths: Sequence[str]) -> Callable[[], float]:
    def one_round() -> float:
        program = Program(path)
        try:
            said = program.ask("prepare", paths=list(paths), query=_QUERY, inputs=[_INPUT])
            if said["answers"] != [True]:
                raise RuntimeError(f"{path.name} gives another answer")
            program.ask("settle")
            return _resident(program.pid)
        finally:
            program.close()

    return one_round


def _resident(pid: int) -> float:
    """Megabytes that the process keeps in memory, as `ps` says."""
    said = subprocess.run(["ps", "-o", "rss=", "-p", str(pid)], capture_output=True, text=True, check=True)
    return int(said.stdout) * 1024 / 1e6
