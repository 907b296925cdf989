"""Tests of policies: `test` blocks and Rego's `test_` rules.

from doorward.author.testing import run_tests

run = run_tests(read_policies(Path("policies")), read=FilesBelow((Path("policies"),)))
for result in run.results:
    print(result.id, result.outcome)
"""

from __future__ import annotations

from doorward.author.testing.files import FileError, FilesBelow, ReadFile
from doorward.author.testing.results import Failure, Outcome, Place, TestInfo, TestResult, TestRun
from doorward.author.testing.run import list_tests, run_tests
from doorward.author.testing.suite import DEFAULT_TIMEOUT_S
from doorward.author.testing.tested import check_tests

__all__ = [
    "DEFAULT_TIMEOUT_S",
    "Failure",
    "FileError",
    "FilesBelow",
    "Outcome",
    "Place",
    "ReadFile",
    "TestInfo",
    "TestResult",
    "TestRun",
    "check_tests",
    "list_tests",
    "run_tests",
]
