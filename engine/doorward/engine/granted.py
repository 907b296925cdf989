"""What a capabilities document grants to queries and to decisions, and that it is part of what is in force."""

from __future__ import annotations

import hashlib
import json

from doorward.run.effects import GRANTED_TO_QUERIES, NETWORK, NONDETERMINISTIC, NOTHING_GRANTED, Grants
from doorward_dsl.capabilities import Capabilities

__all__ = ["granted_to_decisions", "granted_to_queries", "may_wait", "revision_under"]


def granted_to_queries(capabilities: Capabilities | None) -> Grants:
    """Without a document: whatever is not deterministic but stays on this host."""
    return GRANTED_TO_QUERIES if capabilities is None else _stated(capabilities)


def granted_to_decisions(capabilities: Capabilities | None) -> Grants:
    """Without a document: nothing, so that a decision follows from its request, its instant and the policies."""
    return NOTHING_GRANTED if capabilities is None else _stated(capabilities)


def _stated(capabilities: Capabilities) -> Grants:
    return Grants(capabilities.builtins & NONDETERMINISTIC, capabilities.allow_net)


def may_wait(grants: Grants) -> bool:
    """Whether what they are granted to may have to wait for another host."""
    return bool(grants.hosts and grants.builtins & NETWORK)


def revision_under(revision: str, capabilities: Capabilities | None) -> str:
    """The revision of policies under a capabilities document: the same policies may decide otherwise under another."""
    if capabilities is None:
        return revision
    stated = (
        capabilities.builtins,
        capabilities.features,
        capabilities.future_keywords,
        capabilities.allow_net,
    )
    document = json.dumps([revision, *map(sorted, stated)])
    return hashlib.sha256(document.encode()).hexdigest()
