"""OPA's conformance cases on both evaluators; skipped where the cases are not there.

`exceptions.json` names the cases that come out differently on purpose, each with its reason.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from .cases import FOLDER, Case, load_cases
from .running import EVALUATORS, run

_CASES = load_cases()
_EXCEPTIONS: dict[str, str] = json.loads(Path(__file__).with_name("exceptions.json").read_text("utf-8"))

if not _CASES:
    pytest.skip(f"the conformance cases are not in {FOLDER}", allow_module_level=True)


@pytest.fixture(scope="module")
def passed() -> Iterator[Counter[str]]:
    """Counts the cases that passed on the compiled evaluator by category, and says so in the end."""
    counts: Counter[str] = Counter()
    yield counts
    totals = Counter(case.category for case in _CASES)
    print()
    for category, total in sorted(totals.items()):
        print(f"{category:40} {counts[category]:4} / {total}")
    print(f"{'all':40} {counts.total():4} / {totals.total()}")


@pytest.mark.parametrize("evaluator", EVALUATORS)
@pytest.mark.parametrize("case", _CASES, ids=lambda case: case.note.replace(" ", "_"))
def test_case(case: Case, evaluator: str, passed: Counter[str]) -> None:
    if case.note in _EXCEPTIONS:
        pytest.xfail(_EXCEPTIONS[case.note])
    run(case, evaluator)
    passed[case.category] += evaluator == "compiled"


def test_exceptions_name_cases() -> None:
    assert _EXCEPTIONS.keys() <= {case.note for case in _CASES}
