"""The truth about one request: what every statement made of it, and what would have had to differ for an allow.

The verdict and the outcomes are those of the real decision, taken by the same compiled code. Why a statement did not
hold is traced with the reference evaluator; the nearest allow is decided by the compiled policies before it is named.
"""

from __future__ import annotations

from doorward.decide.explain.changes import Change
from doorward.decide.explain.explainer import Explainer
from doorward.decide.explain.explanation import Explanation
from doorward.decide.explain.failure import why_not
from doorward.decide.explain.parts import Condition, Nearest, RuleOutcome, Seen, StatementOutcome
from doorward.decide.explain.text import render_condition

__all__ = [
    "Change",
    "Condition",
    "Explainer",
    "Explanation",
    "Nearest",
    "RuleOutcome",
    "Seen",
    "StatementOutcome",
    "render_condition",
    "why_not",
]
