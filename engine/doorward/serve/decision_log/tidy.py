"""What becomes of full files: packed, and given up when there are too many, too large or too old ones."""

from __future__ import annotations

import gzip
import os
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

import structlog

from doorward.serve.decision_log.file import sync_folder
from doorward.serve.decision_log.names import Taken
from doorward.serve.decision_log.settings import RotationSettings

__all__ = ["tidy"]

_log: Final = structlog.get_logger("doorward.serve")

_PACKED: Final = ".gz"
_DAY: Final = 86_400.0
_CHUNK: Final = 1 << 20


def tidy(taken: Taken, rotation: RotationSettings, may_go: Callable[[Path], bool]) -> None:
    """Pack and give up full files. `may_go` says of a file whether nobody needs it any more. Never raises."""
    try:
        _give_up(taken, rotation, may_go)
        if rotation.compress:
            for file in taken.full():
                if file.suffix != _PACKED:
                    _pack(file, taken.beside("packing"))
    except OSError as error:
        _log.warning("files of the decision log cannot be tidied up", file=str(taken.path), error=str(error))


def _give_up(taken: Taken, rotation: RotationSettings, may_go: Callable[[Path], bool]) -> None:
    files = taken.full()
    total = 0
    oldest = time.time() - rotation.keep_days * _DAY
    for kept, file in enumerate(reversed(files)):
        with suppress(FileNotFoundError):
            state = file.stat()
            total += state.st_size
            too_many = kept >= rotation.keep_files or total > rotation.keep_bytes or state.st_mtime < oldest
            if too_many and may_go(file):
                file.unlink()
                _log.info("a file of the decision log was given up", file=str(file))


def _pack(file: Path, meanwhile: Path) -> None:
    """Replace a file by a packed one, which is whole from the moment that it has its name."""
    packed = file.with_name(file.name + _PACKED)
    if not packed.exists():  # else a crash came between the last two steps
        with suppress(FileNotFoundError):
            meanwhile.unlink()
        descriptor = os.open(meanwhile, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            with (
                file.open("rb") as plain,
                open(descriptor, "wb") as raw,  # noqa: PTH123 - a descriptor has no path
                gzip.GzipFile(fileobj=raw, mode="wb", compresslevel=6, filename="", mtime=0) as into,
            ):
                shutil.copyfileobj(plain, into, _CHUNK)
                into.close()
                raw.flush()
                os.fsync(raw.fileno())
            state = file.stat()
            os.utime(meanwhile, ns=(state.st_atime_ns, state.st_mtime_ns))
            meanwhile.rename(packed)
            sync_folder(packed.parent)
        except OSError:
            with suppress(OSError):
                meanwhile.unlink()
            raise
    file.unlink()
