"""Writes the files of `template/`: those of `shared/`, and for every kind of request those of `kinds/KIND/`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Final

from doorward_dsl.diagnostics import DoorwardError

__all__ = ["KINDS", "NotEmpty", "Scaffold", "files_of", "scaffold"]

_TEMPLATE: Final = Path(__file__).with_name("template")

_HIDDEN: Final = frozenset({"gitignore", "github", "gitlab-ci.yml", "pre-commit-config.yaml"})
"""First parts of names that get a dot in front: with it, git and CI would take the templates for this repository's own."""

_ABOUT: Final[Mapping[str, str]] = {
    "postgres": "tables: who reads and writes them, what is masked, which writes wait",
    "http": "APIs: who calls which, what is masked in answers",
    "kubernetes": "clusters: namespaces, entering containers, secrets",
    "llm": "models: which are asked, with which tools, within which limits",
    "mcp": "MCP servers: which tools are called, which wait for a person",
    "ssh": "hosts: programs, shells, files",
}

KINDS: Final = tuple(_ABOUT)
"""The kinds of request that there are examples for."""


class NotEmpty(DoorwardError):
    """There is something in the directory already. The message names the directory."""


@dataclass(frozen=True, slots=True)
class Scaffold:
    """What was made: names below the directory, sorted."""

    written: tuple[str, ...]
    kept: tuple[str, ...]
    """Files that were there already, and are as they were."""


def files_of(kinds: Sequence[str]) -> dict[str, str]:
    """The text of every file of a repository, by name, whose examples govern these of `KINDS`."""
    words = {
        "@VERSION@": version("doorward"),
        "@KIND@": kinds[0],
        "@KINDS@": "\n".join(f"| `policies/{kind}/` | {_ABOUT[kind]} |" for kind in kinds),
        "@CATALOGUE@": " --catalogue policies/schema.sql" if "postgres" in kinds else "",
    }
    files: dict[str, str] = {}
    for root in (_TEMPLATE / "shared", *(_TEMPLATE / "kinds" / kind for kind in kinds)):
        for path in sorted(root.rglob("*")):
            if not path.is_file():
                continue
            name = path.relative_to(root)
            dot = "." if name.parts[0] in _HIDDEN else ""
            text = path.read_text(encoding="utf-8")
            for word, meaning in words.items():
                text = text.replace(word, meaning)
            files[f"{dot}{name.as_posix()}"] = text
    return dict(sorted(files.items()))


def scaffold(directory: Path, kinds: Sequence[str] = ("postgres",), *, force: bool = False) -> Scaffold:
    """Write the files of a repository into a directory, which is made if it is not there.

    What is there already is never touched; without `force` the directory may hold nothing but `.git`. Raises NotEmpty,
    OSError.
    """
    if not force and directory.is_dir() and any(entry.name != ".git" for entry in directory.iterdir()):
        raise NotEmpty(f"`{directory}` is not empty: --force adds to it what is missing, and changes nothing")
    written, kept = [], []
    for name, text in files_of(kinds).items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with path.open("x", encoding="utf-8", newline="\n") as file:
                file.write(text)
            written.append(name)
        except FileExistsError:
            kept.append(name)
    return Scaffold(tuple(written), tuple(kept))
