"""The record: what happened, in an append-only log whose every line carries the hash of the one before.

recorder = await Recorder.open(Path("record"), node="gateway-1")
await recorder.append("operation", session_id, {"op": 1, "statement": "select 1", …})
"""

from __future__ import annotations

from doorward_gateway.recording.recorder import Recorder

__all__ = ["Recorder"]
