"""Loops that are joined by an index give what the reference evaluator gives, in order, error for error.

`DOORWARD_EXAMPLES` sets how many policies are tried.
"""

from __future__ import annotations

import os
import random

from .evaluators import Evaluators
from .joining import document, policy

_EXAMPLES = int(os.environ.get("DOORWARD_EXAMPLES", 30))
_QUERIES = ("x = data.p.r0", "x = data.p.r1")


def test_joined_loops_answer_as_plain_ones() -> None:
    """Several times, as what is indexed of the base documents is kept from one evaluation to the next."""
    for seed in range(_EXAMPLES):
        chosen = random.Random(seed)
        text, base = policy(chosen), document(chosen)
        both, asked = Evaluators(text, {"base": base}), [document(chosen), document(chosen)]
        for query in _QUERIES:
            for given in [asked[0], *asked]:
                wanted = both.query(both.reference, query, given, strict=False)
                for evaluator in (both.compiled, both.unindexed):
                    found = both.query(evaluator, query, given, strict=False)
                    assert found == wanted, f"{query} with seed {seed}:\n{text}"


def test_joined_loops_fail_as_plain_ones() -> None:
    """Strict evaluation fails where the reference does; but what need not be worked out need not fail."""
    for seed in range(_EXAMPLES):
        chosen = random.Random(-1 - seed)
        text, base, given = policy(chosen), document(chosen), document(chosen)
        both = Evaluators(text, {"base": base})
        for query in _QUERIES:
            strict = both.query(both.reference, query, given, strict=True)
            lenient = both.query(both.reference, query, given, strict=False)
            for _ in range(3):
                found = both.query(both.compiled, query, given, strict=True)
                assert found in (strict, lenient), f"{query} with seed {seed}:\n{text}"
