"""Decisions that are given again without asking: only such as the engine says may be, and only while it is known by which
revision the engine decides.

A client that keeps decisions watches the revision. What is kept is of the revision that the watch named last; when it
names another, when an answer shows another, and when the watch breaks, all of it is dropped. An engine that dies or hangs
takes its kept decisions with it, at the latest when the keepalive of the line notices: after 15 seconds.
"""

from __future__ import annotations

from typing import Final, TypeAlias

from cachetools import LRUCache

from doorward_proto.v1 import decision_pb2 as pb

__all__ = ["DecisionCache", "Key"]

Key: TypeAlias = tuple[bytes, str, bool]
"""The document as it is sent, the catalogue, and whether facts are wanted."""

_MAX_BYTES: Final = 64 << 10
"""Larger documents and decisions are not kept."""


class DecisionCache:
    """Keeps so many decisions, the least recently used dropped first. For one event loop."""

    def __init__(self, most: int) -> None:
        self._kept: LRUCache[Key, bytes] = LRUCache(most)
        self._revision = ""

    def watched(self, revision: str) -> None:
        """The engine decides by this revision; empty: nobody knows by which."""
        if revision != self._revision:
            self._revision = revision
            self._kept.clear()

    def get(self, key: Key) -> pb.Decision | None:
        """The decision that was kept; the caller's own."""
        if not self._revision:
            return None
        kept = self._kept.get(key)
        return None if kept is None else pb.Decision.FromString(kept)

    def keep(self, key: Key, decision: pb.Decision) -> None:
        """Keep a decision, if it may be given again."""
        if decision.revision != self._revision:
            self._kept.clear()  # what was kept may be of the past; the watch will tell
            return
        if not _may_be_kept(decision) or len(key[0]) > _MAX_BYTES:
            return
        # as bytes: a part of a message keeps the whole of it alive, and whoever is given one may change it
        content = decision.SerializeToString()
        if len(content) <= _MAX_BYTES:
            self._kept[key] = content


def _may_be_kept(decision: pb.Decision) -> bool:
    return (
        decision.cacheable
        and bool(decision.revision)
        and decision.verdict in (pb.VERDICT_ALLOW, pb.VERDICT_BLOCK)
        and not decision.errors
        and not decision.approvals
        and not decision.HasField("credential")
    )
