"""What a capabilities document grants to queries and to decisions."""

from __future__ import annotations

from doorward.run.effects import GRANTED_TO_QUERIES, NONDETERMINISTIC, NOTHING_GRANTED, Grants
from doorward_dsl.capabilities import Capabilities

__all__ = ["granted_to_decisions", "granted_to_queries"]


def granted_to_queries(capabilities: Capabilities | None) -> Grants:
    """Without a document: whatever is not deterministic but stays on this host."""
    return GRANTED_TO_QUERIES if capabilities is None else _stated(capabilities)


def granted_to_decisions(capabilities: Capabilities | None) -> Grants:
    """Without a document: nothing, so that a decision follows from its request, its instant and the policies."""
    return NOTHING_GRANTED if capabilities is None else _stated(capabilities)


def _stated(capabilities: Capabilities) -> Grants:
    return Grants(capabilities.builtins & NONDETERMINISTIC, capabilities.allow_net)
