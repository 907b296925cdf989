"""The compiled evaluator, indexed or not, gives what the reference evaluator gives: on generated policies and requests.

`DOORWARD_EXAMPLES` sets how many are tried; the same ones each time, unless more are asked for than CI tries.
"""

from __future__ import annotations

import os
from typing import Any

from hypothesis import HealthCheck, example, given, note, settings

from .evaluators import Evaluators
from .policies import documents, governing, packages

_IN_CI = 100
_EXAMPLES = int(os.environ.get("DOORWARD_EXAMPLES", _IN_CI))

_settings = settings(
    max_examples=_EXAMPLES,
    derandomize=_EXAMPLES <= _IN_CI,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@_settings
@given(packages(), documents, documents)
@example('package p\n\nr0 contains x if { {"b": _} = data.base[x] }\n', {"x": {"a": 1}, "y": {"b": 1}}, {})
def test_documents_are_worth_the_same(text: str, base: Any, document: Any) -> None:
    note(text)
    both = Evaluators(text, {"base": base})
    for query in (
        "x = data.p",
        "data.p[x]",
        "data.p[x][y]",
        "x = data.p.r0",
        "data.p.r1[x] = y",
        "x = data.p.r2.a",
    ):
        wanted = both.query(both.reference, query, document, strict=False)
        for evaluator in (both.compiled, both.unindexed):
            assert both.query(evaluator, query, document, strict=False) == wanted, query


@_settings
@given(packages(), documents, documents)
@example('package p\n\nr0[data.base.a] := input.a * 2\n\nr0["b"] := 2\n', {}, {"a": "not a number"})
def test_errors_of_builtins_are_lost_nowhere(text: str, base: Any, document: Any) -> None:
    """Strict evaluation fails where the reference does; but what need not be worked out need not fail."""
    note(text)
    both = Evaluators(text, {"base": base})
    for query in ("x = data.p", "x = data.p.r0", "data.p.r1[x] = y"):
        strict = both.query(both.reference, query, document, strict=True)
        lenient = both.query(both.reference, query, document, strict=False)
        for evaluator in (both.compiled, both.unindexed):
            assert both.query(evaluator, query, document, strict=True) in (strict, lenient), query


@_settings
@given(governing(), documents, documents)
def test_statements_decide_the_same(text: str, base: Any, document: Any) -> None:
    note(text)
    both = Evaluators(text, {"base": base})
    wanted = both.decide(both.reference, document, strict=False)
    for evaluator in (both.compiled, both.unindexed):
        decision = both.decide(evaluator, document, strict=False)
        # a test of the request that is tried first may spare a statement the conflict of a rule it would ask for
        assert decision.held == wanted.held
        assert decision.failed <= wanted.failed


@_settings
@given(governing(), documents, documents)
def test_statements_fail_the_same(text: str, base: Any, document: Any) -> None:
    """As above: a statement may be spared an error by a test of the request that is tried first, and nothing else."""
    note(text)
    both = Evaluators(text, {"base": base})
    strict = both.decide(both.reference, document, strict=True)
    lenient = both.decide(both.reference, document, strict=False)
    for evaluator in (both.compiled, both.unindexed):
        decision = both.decide(evaluator, document, strict=True)
        assert strict.held <= decision.held <= strict.held | lenient.held
        assert decision.failed <= strict.failed
        spared = {name for name, _ in strict.failed - decision.failed}
        assert {one for one in decision.held if one[0] in spared} == {
            one for one in lenient.held if one[0] in spared
        }
