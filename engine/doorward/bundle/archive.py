"""Bundles as bytes: a gzipped tar archive of files, in OPA's layout.

What is written is a function of names and contents alone: members in order of name, every time and owner zero, so that
the same tree gives the same bytes anywhere. What is read is hostile: sizes and numbers are bounded before anything is
unpacked, and a member that is no plain file below the root is refused, not skipped, because a bundle that two readers
understand differently is no bundle.
"""

from __future__ import annotations

import gzip
import io
import tarfile
import zlib
from collections.abc import Mapping
from typing import Final

from doorward.bundle.errors import BundleError

__all__ = ["pack", "unpack"]

_MAX_FILES: Final = 100_000
_MAX_BYTES: Final = 1 << 30
"""Of all files together, unpacked."""
_MAX_NAME: Final = 1024


def pack(files: Mapping[str, bytes]) -> bytes:
    """The archive of files by name, `/` between folders and none at the beginning."""
    packed = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=packed, mode="wb", filename="", mtime=0) as zipped,
        tarfile.open(fileobj=zipped, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for name in sorted(files):
            member = tarfile.TarInfo("/" + name)
            member.size = len(files[name])
            member.mode = 0o600
            archive.addfile(member, io.BytesIO(files[name]))
    return packed.getvalue()


def unpack(content: bytes) -> dict[str, bytes]:
    """The files of an archive by name. Raises BundleError."""
    files: dict[str, bytes] = {}
    left = _MAX_BYTES
    try:
        with (
            gzip.GzipFile(fileobj=io.BytesIO(content)) as zipped,
            _Bounded(zipped) as bounded,
            tarfile.open(fileobj=bounded, mode="r|") as archive,
        ):
            for member in archive:
                name = _name(member)
                if name is None:
                    continue
                if name in files:
                    raise BundleError(f"the bundle holds `{name}` twice")
                if len(files) == _MAX_FILES:
                    raise BundleError(f"the bundle holds more than {_MAX_FILES} files")
                left -= member.size
                if left < 0:
                    raise BundleError(f"the bundle holds more than {_MAX_BYTES} bytes")
                taken = archive.extractfile(member)
                if taken is None:
                    raise BundleError(f"`{name}` in the bundle is not a plain file")
                files[name] = taken.read()
            while bounded.read(1 << 16):
                pass  # to the checksum at the very end
    except (OSError, EOFError, zlib.error, tarfile.TarError, ValueError) as error:
        raise BundleError(f"the file is not a bundle, that is a gzipped tar archive: {error}") from None
    return files


def _name(member: tarfile.TarInfo) -> str | None:
    """The name below the root; None for a folder."""
    if member.isdir():
        return None
    if not member.isfile():
        raise BundleError(f"`{member.name}` in the bundle is not a plain file")
    parts = [part for part in member.name.split("/") if part not in ("", ".")]
    if not parts or ".." in parts or "\0" in member.name or len(member.name) > _MAX_NAME:
        raise BundleError(f"`{member.name[:_MAX_NAME]}` is no name for a file in a bundle")
    return "/".join(parts)


class _Bounded(io.RawIOBase):
    """A stream that ends in an error when it yields more than an archive of the allowed size could be:

    A small file can unpack to a very large one.
    """

    def __init__(self, stream: gzip.GzipFile) -> None:
        self._stream = stream
        # each file has a header and is filled up to whole blocks; long names have headers of their own
        self._left = _MAX_BYTES + _MAX_FILES * 4 * 512

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        taken = self._stream.read(size)
        self._left -= len(taken)
        if self._left < 0:
            raise BundleError(f"the bundle holds more than {_MAX_BYTES} bytes")
        return taken
