"""Where the policies to compare come from: a directory, a bundle, or a git revision, read without touching the work tree."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Final

from doorward.bundle import PolicySet, policies_of, read_policies
from doorward_dsl.diagnostics import DoorwardError

__all__ = ["RevisionError", "open_policies"]

_SUFFIXES: Final = frozenset({".rego", ".ward", ".json", ".yaml", ".yml"})
_SECONDS: Final = 60
_LARGEST: Final = 64 << 20
_REGULAR: Final = frozenset({b"100644", b"100755"})


class RevisionError(DoorwardError):
    """What was named is neither a path nor a revision with policies in it."""


def open_policies(name: str, beside: str = "") -> PolicySet:
    """The policies that a name stands for.

    What exists as a path is read as `serve` reads it: a directory, a file, or a bundle. Otherwise it is a git revision of
    the repository around: `HEAD~1:policies` names the folder (or file), `main` alone takes the folder that `beside`, the
    other side of a comparison, is in the repository; the whole tree where that is none. Raises RevisionError, PolicyError,
    OSError.
    """
    if Path(name).exists():
        return read_policies(Path(name))
    other = Path(beside)
    at = other if beside and other.exists() else Path()
    folder = at if at.is_dir() else at.parent
    revision, colon, path = name.partition(":")
    commit = _resolved(folder, f"{revision}^{{commit}}", name)
    if not colon and beside and other.exists():
        path = _git(folder, ["rev-parse", "--show-prefix"]).decode().strip().rstrip("/")
        if not at.is_dir():
            path = str(PurePosixPath(path, at.name))
    path = path.strip("/")
    tree = _resolved(folder, f"{commit}:{path}", name)
    if _git(folder, ["cat-file", "-t", tree]).strip() == b"blob":
        return policies_of([(PurePosixPath(path).name, _content(folder, [tree])[0])], commit)
    files = list(_files(folder, tree))
    contents = _content(folder, [blob for _, blob in files])
    return policies_of(
        sorted((name, content) for (name, _), content in zip(files, contents, strict=True)), commit
    )


def _resolved(folder: Path, spelled: str, name: str) -> str:
    """The object id. What git would take for an option is none."""
    command = ["rev-parse", "--verify", "--quiet", "--end-of-options", spelled]
    try:
        return _git(folder, command).decode().split()[-1]
    except (RevisionError, IndexError):
        raise RevisionError(f"`{name}` is neither a path nor a git revision with policies") from None


def _files(folder: Path, tree: str) -> Iterator[tuple[str, str]]:
    """Names, below the tree, and object ids of policies and data; as in a directory, not of what starts with a dot."""
    for entry in _git(folder, ["ls-tree", "-r", "-z", "--full-tree", tree]).split(b"\0"):
        if not entry:
            continue
        stated, _, encoded = entry.partition(b"\t")
        mode, _, blob = stated.split(b" ")[:3]
        name = encoded.decode("utf-8", "surrogateescape")
        hidden = any(part.startswith(".") for part in name.split("/"))
        if mode in _REGULAR and not hidden and PurePosixPath(name).suffix in _SUFFIXES:
            yield name, blob.decode()


def _content(folder: Path, blobs: Sequence[str]) -> list[bytes]:
    if not blobs:
        return []
    answer = _git(folder, ["cat-file", "--batch"], "".join(f"{blob}\n" for blob in blobs).encode())
    contents, at = [], 0
    for blob in blobs:
        end = answer.index(b"\n", at)
        size = int(answer[at:end].split()[2])
        if size > _LARGEST:
            raise RevisionError(f"the object {blob} is larger than {_LARGEST} bytes")
        contents.append(answer[end + 1 : end + 1 + size])
        at = end + size + 2
    return contents


def _git(folder: Path, arguments: Sequence[str], given: bytes = b"") -> bytes:
    # only reads objects: neither the index nor the work tree is looked at, and no hook or filter runs
    command = ["git", "-C", str(folder), "--no-optional-locks", *arguments]
    try:
        ran = subprocess.run(command, input=given, capture_output=True, timeout=_SECONDS, check=False)  # noqa: S603
    except FileNotFoundError:
        raise RevisionError("git is not installed, so no revision can be read") from None
    except subprocess.TimeoutExpired:
        raise RevisionError(f"git took longer than {_SECONDS} s") from None
    if ran.returncode != 0:
        said = ran.stderr.decode(errors="replace").strip().splitlines()
        raise RevisionError(f"git: {said[-1] if said else 'it failed'}")
    return ran.stdout
