"""From bytes in pieces of any size to whole messages, and no further than a limit."""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct
from typing import Final

from doorward_gateway.postgres.protocol import Backend, Frontend, ProtocolViolation

__all__ = ["BACKEND_KINDS", "FRONTEND_KINDS", "Framer"]

FRONTEND_KINDS: Final = frozenset(int(kind) for kind in Frontend)
"""What a client may begin a message with."""

BACKEND_KINDS: Final = frozenset(int(kind) for kind in Backend)
"""What a server may begin a message with."""

_HEADER: Final = Struct("!BI")


class Framer:
    """Cuts a byte stream into messages (`kind`, length, payload): bytes in, whole messages out.

    `kinds` are the first bytes that may occur, `limit` the greatest length of one message in bytes, its
    length field included. A message that breaks either is a `ProtocolViolation` as soon as its header is
    there: nothing of it is kept in memory.
    """

    __slots__ = ("_buffer", "_kinds", "limit")

    def __init__(self, kinds: frozenset[int], limit: int) -> None:
        self._buffer = bytearray()
        self._kinds = kinds
        self.limit = limit

    def __len__(self) -> int:
        """How many bytes are waiting for the rest of their message."""
        return len(self._buffer)

    def feed(self, data: bytes) -> None:
        """Adds what has arrived."""
        self._buffer += data

    def take(self, count: int) -> bytes | None:
        """Exactly `count` bytes, for the first packet, which has no kind; `None` while they are not all
        there.
        """
        if len(self._buffer) < count:
            return None
        taken = bytes(self._buffer[:count])
        del self._buffer[:count]
        return taken

    def messages(self) -> Iterator[bytes]:
        """Every message that is complete, each with its header. Raises `ProtocolViolation`."""
        buffer = self._buffer
        view = memoryview(buffer)
        start, size = 0, len(buffer)
        try:
            while size - start >= 5:
                kind, length = _HEADER.unpack_from(buffer, start)
                if kind not in self._kinds:
                    raise ProtocolViolation(f"a message of the unknown type {kind:#04x}")
                if length < 4 or length > self.limit:
                    raise ProtocolViolation(
                        f"a message of type {chr(kind)!r} with the invalid length {length}"
                    )
                end = start + 1 + length
                if end > size:
                    break
                message = bytes(view[start:end])
                start = end
                yield message
        finally:
            view.release()
            del buffer[:start]
