"""Policies in a directory, in one file, or in a bundle.

A tree is read as OPA reads one: every `.rego` and `.ward` file is a module; every `.json`, `.yaml` and
`.yml` file is data at the path of its directory (`acme/roles.yaml` is merged into `data.acme`), but for those that
declare a kind of request or describe data. Names that start with a dot are passed over.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final, TypeAlias

from doorward.bundle.bundle import is_bundle, read_bundle
from doorward.bundle.data import data_error
from doorward.bundle.policy_set import DATA, MODULES, PolicySet, policies_of
from doorward.bundle.signatures import Verification
from doorward_dsl.diagnostics import PolicyError
from doorward_dsl.source import Source

__all__ = ["TreeCache", "fingerprint", "git_commit", "read_files", "read_policies"]

_MAX_FILES: Final = 100_000

_SUFFIXES: Final = tuple(MODULES | DATA)

_SETTLED_NS: Final = 2_000_000_000
"""What was written this shortly before it was read may be written again without a trace in its times."""


Look: TypeAlias = tuple[str, int, int, int, int]
"""What a file shows without being read: its name, its number, its size, and when it and what is told of it changed."""


class TreeCache:
    """Remembers the files of a tree as they were last read. For one reader at a time."""

    __slots__ = ("_contents", "seen", "sources")

    def __init__(self) -> None:
        self._contents: dict[Look, bytes] = {}
        self.sources: dict[str, tuple[bytes, Source]] = {}
        """The modules, with the bytes they were made of."""
        self.seen: frozenset[Look] = frozenset()
        """The `fingerprint` of what was last read: whether it is still there is to be asked afterwards."""

    def read(self, root: Path) -> list[tuple[str, bytes]]:
        """The modules and data files of a directory, or the one file, in order of name.

        What looks as it did is not opened again. Raises PolicyError for too many of them, OSError.
        """
        known = self._contents.get
        latest: dict[Look, bytes] = {}
        contents: list[tuple[str, bytes]] = []
        looks: list[Look] = []
        settled = time.time_ns() - _SETTLED_NS
        for name, path in sorted(_files(root)):
            look = _look(name, path)
            content = known(look)
            if content is None:
                content = _content(path)
            if look[3] < settled and look[4] < settled:
                latest[look] = content
            looks.append(look)
            contents.append((name, content))
        self._contents = latest
        before = self.sources
        self.sources = {name: before[name] for name, *_ in latest if name in before}
        self.seen = frozenset(looks)
        return contents


def read_policies(
    root: Path, verification: Verification | None = None, *, known: TreeCache | None = None
) -> PolicySet:
    """The policy set in a directory, of one file, or of a bundle, which is any file named `.tar.gz` or `.tgz`.

    With `verification` only a bundle is taken, signed as it says. `known` has the files of a directory as they were when
    it was last read. Raises PolicyError for what cannot be read as text
    or data, BundleError for a bundle that is none, SignatureError for what is not signed, and OSError for what cannot
    be read at all.
    """
    if verification is not None or (is_bundle(root) and not root.is_dir()):
        return read_bundle(root.read_bytes(), verification).policies
    known = TreeCache() if known is None else known
    return policies_of(known.read(root), git_commit(root), known.sources)


def read_files(root: Path) -> dict[str, bytes]:
    """The modules and data files of a directory, or the one file, by name. Raises PolicyError, OSError."""
    return {name: _content(path) for name, path in sorted(_files(root))}


def _content(path: str) -> bytes:
    with open(path, "rb") as file:  # noqa: PTH123
        return file.read()


def fingerprint(root: Path) -> frozenset[Look]:
    """What a look at the tree shows without reading it:

    It differs when a file was changed, added or removed.
    """
    found = set()
    for name, path in _files(root):
        try:
            found.add(_look(name, path))
        except OSError:
            continue  # gone between listing and looking: the next look will show
    return frozenset(found)


def _look(name: str, path: str) -> Look:
    status = os.stat(path)  # noqa: PTH116 - thousands of files
    return name, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _files(root: Path) -> Iterator[tuple[str, str]]:
    """Names, relative and with `/`, and paths of all files that matter.

    Links are followed, but never in a circle.
    """
    if not root.is_dir():
        yield root.name, str(root)
        return
    count = 0
    seen: set[tuple[int, int]] = set()
    waiting = [("", str(root))]
    while waiting:
        within, folder = waiting.pop()
        status = os.stat(folder)  # noqa: PTH116 - thousands of files
        if (status.st_dev, status.st_ino) in seen:
            continue
        seen.add((status.st_dev, status.st_ino))
        with os.scandir(folder) as entries:
            # A folder that cannot be read may hold what blocks: policies are loaded whole or not at all.
            for entry in entries:
                name = entry.name
                if name.startswith("."):
                    continue
                if _is_folder(entry):
                    waiting.append((f"{within}{name}/", entry.path))
                elif name.endswith(_SUFFIXES):
                    count += 1
                    if count > _MAX_FILES:
                        raise PolicyError(
                            [data_error(Source(str(root), ""), f"there are more than {_MAX_FILES} files")]
                        )
                    yield f"{within}{name}", entry.path


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False  # whoever reads it hears of it


def git_commit(root: Path) -> str:
    """The commit that a path is at, with `-dirty` where it differs; empty where there is none."""
    folder = root if root.is_dir() else root.parent
    command = ["git", "-C", str(folder), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        ran = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired):
        return ""  # no git: the content hash alone names the revision
    return ran.stdout.strip() if ran.returncode == 0 else ""
