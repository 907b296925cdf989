"""The example of docs/ward.md, as a reader would copy it."""

from __future__ import annotations

import re
from pathlib import Path

from doorward.author.testing import run_tests
from doorward.bundle import policies_from

DOCS = Path(__file__).parents[4] / "docs/ward.md"


def test_the_example_passes() -> None:
    blocks = re.findall(r"```ward\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)
    policy = next(block for block in blocks if block.startswith("package acme.customers\n"))
    tests = next(block for block in blocks if block.startswith("package acme.customers_test\n"))
    data = {
        "directory": {"suspended": []},
        "acme": {"people": {"contractor": {"id": "kim", "kind": "human", "groups": ["contractors"]}}},
    }
    run = run_tests(policies_from({"customers.ward": policy, "customers_test.ward": tests}, data))
    assert [(result.id, [failure.message for failure in result.failures]) for result in run.results] == [
        ("acme.customers_test › a contractor cannot drop a table", []),
        ('acme.customers_test › analysts read, masked [kind = "human"]', []),
        ('acme.customers_test › analysts read, masked [kind = "service"]', []),
    ]
