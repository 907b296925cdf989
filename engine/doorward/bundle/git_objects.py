"""What a git repository holds, read from its objects: neither the index nor the work tree is looked at, and no hook or
filter runs.
"""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, MutableMapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Final

from doorward.bundle.policy_set import DATA, MODULES
from doorward_dsl.diagnostics import DoorwardError

__all__ = ["GitError", "resolved", "run_git", "tree_files"]

_SUFFIXES: Final = MODULES | DATA
_SECONDS: Final = 60
_LARGEST: Final = 64 << 20
_MAX_BYTES: Final = 1 << 30
"""Of all files together."""
_REGULAR: Final = frozenset({b"100644", b"100755"})


class GitError(DoorwardError):
    """Git is not there, took too long, or found something wrong; the message is one sentence."""


def resolved(folder: Path, spelled: str, environment: Mapping[str, str] | None = None) -> str:
    """The object id that a revision stands for. What git would take for an option is none. Raises GitError."""
    command = ["rev-parse", "--verify", "--end-of-options", spelled]
    said = run_git(folder, command, environment=environment).decode().split()
    if not said:
        raise GitError(f"`{spelled}` is no git revision")
    return said[-1]


def tree_files(
    folder: Path,
    spelled: str,
    *,
    known: MutableMapping[str, bytes] | None = None,
    environment: Mapping[str, str] | None = None,
) -> list[tuple[str, bytes]]:
    """Policies and data at a place, `commit:folder` or `commit:file`, in order of name.

    As in a directory, nothing that starts with a dot; links and submodules are passed over. `known` are contents by
    object id, as read before; it is brought up to date. Raises GitError.
    """
    found = resolved(folder, spelled, environment)
    if run_git(folder, ["cat-file", "-t", found], environment=environment).strip() == b"blob":
        name = PurePosixPath(spelled.partition(":")[2]).name
        listed = [(name, found, int(run_git(folder, ["cat-file", "-s", found], environment=environment)))]
    else:
        listed = _listed(folder, found, environment)
    _check_sizes(listed)
    contents: MutableMapping[str, bytes] = {} if known is None else known
    wanted = list(dict.fromkeys(blob for _, blob, _ in listed if blob not in contents))
    contents.update(zip(wanted, _contents(folder, wanted, environment), strict=True))
    for unused in contents.keys() - {blob for _, blob, _ in listed}:
        del contents[unused]
    return sorted((name, contents[blob]) for name, blob, _ in listed)


def _check_sizes(listed: Sequence[tuple[str, str, int]]) -> None:
    for name, _, size in listed:
        if size > _LARGEST:
            raise GitError(f"`{name}` is larger than {_LARGEST} bytes")
    if sum(size for _, _, size in listed) > _MAX_BYTES:
        raise GitError(f"the policies are larger than {_MAX_BYTES} bytes")


def _listed(folder: Path, tree: str, environment: Mapping[str, str] | None) -> list[tuple[str, str, int]]:
    """Names, object ids and sizes."""
    command = ["ls-tree", "-r", "-l", "-z", "--full-tree", tree]
    found = []
    for entry in run_git(folder, command, environment=environment).split(b"\0"):
        if not entry:
            continue
        stated, _, encoded = entry.partition(b"\t")
        mode, _, blob, size = stated.split()[:4]
        name = encoded.decode("utf-8", "surrogateescape")
        hidden = any(part.startswith(".") for part in name.split("/"))
        if mode in _REGULAR and not hidden and PurePosixPath(name).suffix in _SUFFIXES:
            found.append((name, blob.decode(), int(size)))
    return found


def _contents(folder: Path, blobs: Sequence[str], environment: Mapping[str, str] | None) -> list[bytes]:
    if not blobs:
        return []
    given = "".join(f"{blob}\n" for blob in blobs).encode()
    answer = run_git(folder, ["cat-file", "--batch"], given, environment=environment)
    contents, at = [], 0
    for _ in blobs:
        end = answer.index(b"\n", at)
        size = int(answer[at:end].split()[2])
        contents.append(answer[end + 1 : end + 1 + size])
        at = end + size + 2
    return contents


def run_git(
    folder: Path,
    arguments: Sequence[str],
    given: bytes = b"",
    *,
    environment: Mapping[str, str] | None = None,
) -> bytes:
    """What git says on standard output. Raises GitError with what it says of its failure."""
    command = ["git", "-C", str(folder), "--no-optional-locks", *arguments]
    try:
        ran = subprocess.run(  # noqa: S603
            command, input=given, capture_output=True, timeout=_SECONDS, check=False, env=environment
        )
    except FileNotFoundError:
        raise GitError("git is not installed, so no revision can be read") from None
    except subprocess.TimeoutExpired:
        raise GitError(f"git took longer than {_SECONDS} s") from None
    if ran.returncode != 0:
        said = ran.stderr.decode(errors="replace").strip().splitlines()
        raise GitError(f"git: {said[-1] if said else 'it failed'}")
    return ran.stdout
