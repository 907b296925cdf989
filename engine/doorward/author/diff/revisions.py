"""Where the policies to compare come from: a directory, a bundle, or a git revision, read without touching the work tree."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from doorward.bundle import PolicySet, policies_of, read_policies
from doorward.bundle.git_objects import GitError, resolved, run_git, tree_files
from doorward_dsl.diagnostics import DoorwardError

__all__ = ["RevisionError", "open_policies"]


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
    try:
        commit = resolved(folder, f"{revision}^{{commit}}")
        if not colon and beside and other.exists():
            path = run_git(folder, ["rev-parse", "--show-prefix"]).decode().strip().rstrip("/")
            if not at.is_dir():
                path = str(PurePosixPath(path, at.name))
        tree = f"{commit}:{path.strip('/')}"
        resolved(folder, tree)
    except GitError:
        raise RevisionError(f"`{name}` is neither a path nor a git revision with policies") from None
    try:
        return policies_of(tree_files(folder, tree), commit)
    except GitError as error:
        raise RevisionError(str(error)) from None
