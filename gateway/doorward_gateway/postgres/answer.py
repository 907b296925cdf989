"""One result as the record keeps it: the rows as the caller saw them, bounded."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from doorward_gateway.postgres.looking import CONTENT
from doorward_gateway.postgres.operation import Operation
from doorward_gateway.postgres.reports import Report
from doorward_gateway.postgres.rows import Shape, row_values
from doorward_gateway.postgres.values import readable
from doorward_gateway.recording.bodies import ResultBody

__all__ = ["Answer", "Bounds"]

_METHODS: Final = {
    CONTENT: "content",
    1: "partial",
    2: "format_preserving",
    3: "hash",
    4: "replace",
    5: "null",
}
_MAX_BYTES: Final = 256 << 10
_VALUE_OVERHEAD: Final = 6  # what a value costs in a record even when it is empty or null


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much of one answer is kept: rows, and bytes of one value."""

    rows: int
    value_bytes: int


@dataclass(slots=True)
class Answer:
    """Collects what is shown of one result. `shape` is as the client was told, if it is known."""

    operation: Operation
    bounds: Bounds
    shape: Shape | None = None
    masks: Sequence[Any] = ()
    row_count: int = 0
    _rows: list[list[str | None]] = field(default_factory=list)
    _size: int = 0
    _truncated: bool = False

    def row(self, message: bytes) -> None:
        """A DataRow message, as it is sent to the client."""
        self.row_count += 1
        if len(self._rows) >= self.bounds.rows or self._size >= _MAX_BYTES:
            self._truncated = True
            return
        self._rows.append([self._value(index, value) for index, value in enumerate(row_values(message))])

    def body(self, *, tag: str = "", error: Report | None = None) -> ResultBody:
        """The record of it."""
        body: ResultBody = {
            "op": self.operation.number,
            "row_count": self.row_count,
            "duration_us": int((time.perf_counter() - self.operation.started) * 1e6),
        }
        if tag:
            body["tag"] = tag
        if self.shape is not None:
            body["columns"] = [self._column(index) for index in range(len(self.shape))]
        if self._rows:
            body["rows"] = self._rows
        if self._truncated:
            body["truncated"] = True
        if error is not None:
            body["error"] = {"sqlstate": error.sqlstate, "message": error.message}
        return body

    def _column(self, index: int) -> dict[str, Any]:
        column: dict[str, Any] = (
            {"name": self.shape[index].name.decode(errors="replace")} if self.shape else {}
        )
        if index < len(self.masks) and self.masks[index] is not None:
            column["masked"] = _METHODS.get(self.masks[index].method, "redact")
        return column

    def _value(self, index: int, value: bytes | None) -> str | None:
        self._size += _VALUE_OVERHEAD
        if value is None:
            return None
        if len(value) > self.bounds.value_bytes:
            value = value[: self.bounds.value_bytes]
            self._truncated = True
        self._size += len(value)
        if self.shape is None or index >= len(self.shape):
            return value.decode() if value.isascii() and value.decode().isprintable() else "\\x" + value.hex()
        field_ = self.shape[index]
        return readable(field_.type_oid, value, binary=field_.format == 1)
