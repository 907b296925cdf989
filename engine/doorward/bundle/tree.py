"""Policies in a directory, in one file, or in a bundle.

A tree is read as OPA reads one: every `.rego` and `.ward` file is a module; every `.json`, `.yaml` and
`.yml` file is data at the path of its directory (`acme/roles.yaml` is merged into `data.acme`). Names
that start with a dot are passed over.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NoReturn

from doorward.bundle.bundle import is_bundle, read_bundle
from doorward.bundle.data import data_error
from doorward.bundle.policy_set import DATA, MODULES, PolicySet, policies_of
from doorward.bundle.signatures import Verification
from doorward_dsl.diagnostics import PolicyError
from doorward_dsl.source import Source

__all__ = ["fingerprint", "git_commit", "read_files", "read_policies"]

_MAX_FILES: Final = 100_000


def read_policies(root: Path, verification: Verification | None = None) -> PolicySet:
    """The policy set in a directory, of one file, or of a bundle, which is any file named `.tar.gz` or `.tgz`.

    With `verification` only a bundle is taken, signed as it says. Raises PolicyError for what cannot be read as text
    or data, BundleError for a bundle that is none, SignatureError for what is not signed, and OSError for what cannot
    be read at all.
    """
    if verification is not None or (is_bundle(root) and not root.is_dir()):
        return read_bundle(root.read_bytes(), verification).policies
    return policies_of(((name, path.read_bytes()) for name, path in sorted(_files(root))), git_commit(root))


def read_files(root: Path) -> dict[str, bytes]:
    """The modules and data files of a directory, or the one file, by name. Raises PolicyError, OSError."""
    return {name: path.read_bytes() for name, path in sorted(_files(root))}


def fingerprint(root: Path) -> frozenset[tuple[str, int, int, int]]:
    """What a look at the tree shows without reading it:

    It differs when a file was changed, added or removed.
    """
    found = set()
    for name, path in _files(root):
        try:
            status = path.stat()
        except OSError:
            continue  # gone between listing and looking: the next look will show
        found.add((name, status.st_ino, status.st_mtime_ns, status.st_size))
    return frozenset(found)


def _files(root: Path) -> Iterator[tuple[str, Path]]:
    """Names, relative and with `/`, and paths of all files that matter.

    Links are followed, but never in a circle.
    """
    if not root.is_dir():
        yield root.name, root
        return
    count = 0
    seen: set[tuple[int, int]] = set()
    for folder, folders, names in os.walk(root, onerror=_refuse, followlinks=True):
        status = Path(folder).stat()
        if (status.st_dev, status.st_ino) in seen:
            folders.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in names:
            path = Path(folder, name)
            if name.startswith(".") or path.suffix not in MODULES | DATA:
                continue
            count += 1
            if count > _MAX_FILES:
                raise PolicyError(
                    [data_error(Source(str(root), ""), f"there are more than {_MAX_FILES} files")]
                )
            yield path.relative_to(root).as_posix(), path


def _refuse(error: OSError) -> NoReturn:
    raise error  # a folder that cannot be read may hold what blocks: policies are loaded whole or not at all


def git_commit(root: Path) -> str:
    """The commit that a path is at, with `-dirty` where it differs; empty where there is none."""
    folder = root if root.is_dir() else root.parent
    command = ["git", "-C", str(folder), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        ran = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired):
        return ""  # no git: the content hash alone names the revision
    return ran.stdout.strip() if ran.returncode == 0 else ""
