"""What an operation does, worked out of the operation itself: a file or a folder for each kind of request.

PostgreSQL stands apart: its analysis needs a catalogue, and says where every column of the answer comes from.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

from doorward.facts import http, kubernetes, llm, mcp, ssh
from doorward.facts.reading import Reading

__all__ = ["READERS", "Reader", "Reading"]

Reader: TypeAlias = Callable[[Mapping[str, Any]], Reading]
"""From the raw operation, total, to its facts. Never raises for what a caller sent."""

READERS: Final[Mapping[str, Reader]] = {
    "http": http.analyse,
    "kubernetes": kubernetes.analyse,
    "llm": llm.analyse,
    "mcp": mcp.analyse,
    "ssh": ssh.analyse,
}
"""By kind."""
