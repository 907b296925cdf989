"""Whatever a policy or a request does, it ends: in an answer or in an error of the product's own, in bounded time and memory."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from .hostile import CASES
from .hostile_builtins import WORK

_ANSWERS = {"answer", "undefined", "invalid request", "allow", "block"}
_CPU_SECONDS = 20.0
_BUILTIN_CPU_SECONDS = 8.0
"""Many of these took minutes where they were not paid for; under their budget they take parts of a second."""
_MEGABYTES = 800


@pytest.fixture(scope="module")
def ends() -> dict[str, dict[str, Any]]:
    """How every case ends; run in processes of their own, under limits that protect the machine."""
    command = [sys.executable, "-m", "tests.adversity.hostile"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900, check=True)
    said = [json.loads(line) for line in done.stdout.splitlines()]
    return {one["name"]: one for one in said}


@pytest.mark.parametrize("name", CASES)
def test_it_ends(name: str, ends: dict[str, dict[str, Any]]) -> None:
    one = ends[name]
    parts = one["end"].split()
    assert one["end"] in _ANSWERS or all(
        part in _ANSWERS or part.startswith(("eval_", "rego_")) for part in parts
    ), one
    assert "eval_internal_error" not in parts, one
    assert one["cpu_s"] < (_BUILTIN_CPU_SECONDS if name in WORK else _CPU_SECONDS), one
    assert one["rss_mb"] < _MEGABYTES, one
