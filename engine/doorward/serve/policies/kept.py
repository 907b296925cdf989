"""The last good policies in a file, so that the service starts when their source is away.

The file begins with one line of JSON that says what follows, where it came from, and its digest. What follows is a bundle
as it came, or an archive of a tree's files. Whatever is torn, too old to be read or kept from another source is refused;
signatures are verified again by whoever takes what is loaded.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from doorward.bundle.archive import pack, unpack
from doorward.serve.policies.source import Arrived, Bundled, Tree
from doorward_dsl.diagnostics import DoorwardError

__all__ = ["Kept", "KeptError", "Loaded"]

_NAME: Final = "policies.kept"
_FORMAT: Final = 1
_LONGEST_HEADER: Final = 16 << 10
_MAX_BYTES: Final = (1 << 30) + _LONGEST_HEADER


class KeptError(DoorwardError):
    """What was kept cannot be used; the message is one sentence."""


class _Header(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    format: int
    source: str
    form: Literal["bundle", "tree"]
    commit: str
    kept_at: str
    sha256: str
    bytes: int


@dataclass(frozen=True, slots=True)
class Loaded:
    """What was kept."""

    arrived: Arrived
    kept_at: str
    """RFC 3339, UTC."""


class Kept:
    """One file in a folder of state, for the policies of one source. Several processes may share it."""

    def __init__(self, folder: Path, source: str) -> None:
        self.path = folder / _NAME
        self._source = source

    def keep(self, arrived: Arrived) -> None:
        """Replace what is kept; durable when this comes back. Raises OSError, ValueError."""
        if isinstance(arrived, Bundled):
            content, form, commit = arrived.content, "bundle", ""
        else:
            content, form, commit = pack(dict(arrived.files)), "tree", arrived.commit
        header = _Header.model_validate(
            {
                "format": _FORMAT,
                "source": self._source,
                "form": form,
                "commit": commit,
                "kept_at": datetime.now(UTC).isoformat(timespec="milliseconds"),
                "sha256": hashlib.sha256(content).hexdigest(),
                "bytes": len(content),
            }
        )
        folder = self.path.parent
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        half = folder / f".{_NAME}.new"
        with (folder / f".{_NAME}.lock").open("ab") as lock:
            fcntl.flock(
                lock, fcntl.LOCK_EX
            )  # other worker processes keep the same, through the same half-written file
            descriptor = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with open(descriptor, "wb") as file:  # noqa: PTH123
                file.write(header.model_dump_json().encode() + b"\n")
                file.write(content)
                file.flush()
                os.fsync(descriptor)
            half.replace(self.path)
            within = os.open(folder, os.O_RDONLY)
            try:
                os.fsync(within)
            finally:
                os.close(within)

    def load(self) -> Loaded | None:
        """What is kept; None where nothing is. Raises KeptError, BundleError, OSError."""
        try:
            with self.path.open("rb") as file:
                stated = file.readline(_LONGEST_HEADER)
                content = file.read(_MAX_BYTES)
        except FileNotFoundError:
            return None
        try:
            header = _Header.model_validate_json(stated)
        except ValidationError:
            raise KeptError(f"`{self.path}` does not hold policies that were kept") from None
        if header.format != _FORMAT:
            raise KeptError(f"`{self.path}` was kept by another version: its format is {header.format}")
        if header.source != self._source:
            raise KeptError(f"`{self.path}` was kept from `{header.source}`, not from `{self._source}`")
        if len(content) != header.bytes or hashlib.sha256(content).hexdigest() != header.sha256:
            raise KeptError(f"`{self.path}` is torn: it does not hold what was kept")
        arrived: Arrived = Bundled(content)
        if header.form == "tree":
            arrived = Tree(sorted(unpack(content).items()), header.commit)
        return Loaded(arrived, header.kept_at)
