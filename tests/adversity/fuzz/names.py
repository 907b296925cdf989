"""The names of the targets, known before anything is imported that might be instrumented."""

from __future__ import annotations

from typing import Final

__all__ = ["TARGETS"]

TARGETS: Final = ("parse", "compile", "evaluate", "decide", "sql", "wire", "grpc", "explain", "query")
