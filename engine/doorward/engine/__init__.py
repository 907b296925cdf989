"""The engine as one object: an immutable revision of policies and data, ready to decide."""

from __future__ import annotations

from doorward.bundle import PolicySet, TreeCache, fingerprint, policies_from, read_policies
from doorward.engine.engine import Engine, compile_policies
from doorward.engine.modules import ModuleCache

__all__ = [
    "Engine",
    "ModuleCache",
    "PolicySet",
    "TreeCache",
    "compile_policies",
    "fingerprint",
    "policies_from",
    "read_policies",
]
