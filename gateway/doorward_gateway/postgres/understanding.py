"""What follows from a decision for any operation that it is made on: worked out once, and kept.

A session hears the same few decisions over and over; they differ in nothing but their own name. The whole of a
decision but that name is the key here, so that another revision, another mask or another fact is another key:
this saves work, never a question to the engine.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import orjson

from doorward_gateway.postgres.plan import MaskPlan, plan_of
from doorward_gateway.recording.bodies import decision_body
from doorward_gateway.recording.chain import encode_body
from doorward_proto.v1 import decision_pb2 as pb

__all__ = ["Understanding", "understand"]

_REMEMBERED: Final = 512
_MAX_KEPT: Final = 16 << 10
"""Longer decisions, in bytes, are worked out anew."""


@dataclass(frozen=True, slots=True)
class Understanding:
    """The `sql` facts, the masks' plan, and both decision and facts as the record writes them."""

    facts: Mapping[str, Any]
    plan: MaskPlan
    recorded_facts: orjson.Fragment
    recorded_decision: Mapping[str, Any]
    """All members of a `DecisionBody` but `decision_id`."""


def understand(decision: pb.Decision) -> Understanding:
    """Raises `ValueError` if the facts cannot be read."""
    nameless = pb.Decision()
    nameless.CopyFrom(decision)
    nameless.decision_id = ""
    content = nameless.SerializeToString()
    return _understand(content) if len(content) > _MAX_KEPT else _kept(content)


def _understand(content: bytes) -> Understanding:
    decision = pb.Decision.FromString(content)
    facts = orjson.loads(decision.facts) if decision.facts else {}
    sql = facts.get("sql", {}) if isinstance(facts, dict) else None
    if not isinstance(sql, dict):
        raise ValueError("the facts are not of a statement")
    body: dict[str, Any] = dict(decision_body(decision))
    del body["decision_id"]
    return Understanding(
        sql,
        plan_of(decision.masks, sql),
        orjson.Fragment(encode_body(sql)),
        {
            name: orjson.Fragment(orjson.dumps(value, option=orjson.OPT_SORT_KEYS))
            for name, value in body.items()
        },
    )


_kept = lru_cache(_REMEMBERED)(_understand)
