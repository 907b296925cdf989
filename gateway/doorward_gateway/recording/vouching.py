"""What seals say of a record, for whoever checks it: read in step with the log, in bounded memory."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from doorward_gateway.recording.sealing import (
    FIRST_PREV,
    MAX_RUN,
    MalformedSeal,
    Seal,
    decode_seal,
    line_digest,
)

__all__ = ["BadSeal", "Voucher"]

_MAX_LINE = MAX_RUN * 44 + 4096


class BadSeal(Exception):
    """A file of seals is not as it was written: the line, and the first record that nothing vouches for."""

    def __init__(self, file: str, line: int, seq: int, message: str) -> None:
        super().__init__(message)
        self.file = file
        self.line = line
        self.seq = seq


class Voucher:
    """One file of seals. `sealed` is the last record that it has vouched for so far."""

    def __init__(self, path: Path, keys: Mapping[str, Ed25519PublicKey]) -> None:
        """Takes the file as far as it goes now: what it speaks of is in the log by now. Raises `OSError`."""
        self.name = path.name
        self.sealed = 0
        self._keys = keys
        self._stream = path.open("rb")
        self._left = os.fstat(self._stream.fileno()).st_size
        self._line = 0
        self._prev = FIRST_PREV
        self._seal: Seal | None = None

    def close(self) -> None:
        """Closes the file."""
        self._stream.close()

    def hash_of(self, seq: int) -> str | None:
        """The hash that record was sealed with, `None` where no seal speaks of it yet. Asked for in order.

        Raises `BadSeal`.
        """
        while self._seal is None or seq > self._seal.last:
            if not self._advance():
                return None
        return self._seal.hash_of(seq)

    def _advance(self) -> bool:
        raw = self._stream.readline(min(self._left, _MAX_LINE))
        self._left -= len(raw)
        if self._left == 0 and not raw.endswith(b"\n"):
            return False  # it is being written, or was when the writer died: as good as not there
        self._line += 1
        line = raw.removesuffix(b"\n")
        try:
            seal = decode_seal(line, self._keys)
        except MalformedSeal as error:
            raise self._bad(str(error)) from None
        if seal.prev != self._prev:
            raise self._bad("does not name the seal before it")
        if seal.first != self.sealed + 1:
            raise self._bad("does not go on where the seal before it ends")
        self._seal, self._prev, self.sealed = seal, line_digest(line), seal.last
        return True

    def _bad(self, message: str) -> BadSeal:
        return BadSeal(self.name, self._line, self.sealed + 1, message)
