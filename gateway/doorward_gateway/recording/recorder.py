"""Writing the record: one append-only, hash-chained log per node."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from doorward_gateway.clock import Clock, system_clock

__all__ = ["Recorder"]


class Recorder:
    """The writer of one directory. `append` returns when the record is durable; many share one `fsync`."""

    @classmethod
    async def open(
        cls,
        directory: Path,
        *,
        node: str,
        durable: bool = True,
        segment_bytes: int = 64 << 20,
        clock: Clock = system_clock,
    ) -> Recorder:
        """Takes the directory (made if absent) for this process alone; goes on where the last writer stopped.

        What a crash left half-written is set aside and noted in the chain. Raises `RecordingUnavailable`:
        another process writes here, the disk fails, or what is there does not verify.
        """
        raise NotImplementedError

    async def append(self, kind: str, session_id: str, body: Mapping[str, Any]) -> int:
        """Writes one record; returns its number once it is durable (with `durable` off: once the system has it).

        Kinds and bodies: see `bodies`. `session_id` is empty for what belongs to no session. Raises
        `RecordingUnavailable`, and then what the record describes must not happen. Later appends are tried
        anew.
        """
        raise NotImplementedError

    @property
    def failure(self) -> str | None:
        """Why the last batch could not be written; `None` when all is well."""
        raise NotImplementedError

    async def close(self) -> None:
        """Writes what is waiting and gives the directory up."""
        raise NotImplementedError
