"""All tests of a policy set: found, chosen, run, and put in order."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing

from doorward.author.testing.files import ReadFile
from doorward.author.testing.processes import Options, in_processes
from doorward.author.testing.results import TestInfo, TestResult, TestRun, in_order
from doorward.author.testing.suite import DEFAULT_TIMEOUT_S, Suite
from doorward.bundle import PolicySet
from doorward_dsl.capabilities import Capabilities

__all__ = ["list_tests", "run_tests"]


def list_tests(policies: PolicySet, pattern: str | None = None) -> list[TestInfo]:
    """The tests of a policy set, in order of file and line. Raises PolicyError, re.error."""
    return Suite(policies).tests(pattern)


def run_tests(
    policies: PolicySet,
    *,
    run: str | None = None,
    read: ReadFile | None = None,
    timeout_s: float = DEFAULT_TIMEOUT_S,
    fail_fast: bool = False,
    jobs: int = 1,
    coverage: bool = False,
    capabilities: Capabilities | None = None,
    on_result: Callable[[TestResult], None] | None = None,
) -> TestRun:
    """Run the tests of a policy set.

    `run` is a regular expression that is looked for in the tests' ids; `read` gives the files that tests name; `timeout_s`
    bounds each evaluation; `fail_fast` ends the run with the first test that does not pass; `jobs` is the number of processes;
    `on_result` hears of each result as it comes. Whatever `jobs` is, results come in the same order. Raises PolicyError for
    policies or test blocks with errors, re.error.
    """
    started = time.perf_counter_ns()
    suite = Suite(policies, read=read, timeout_s=timeout_s, capabilities=capabilities, coverage=coverage)
    ids = [info.id for info in suite.tests(run)]
    results: list[TestResult] = []
    if jobs > 1 and len(ids) > 1:
        options = Options(policies, read, timeout_s, capabilities, coverage)
        batches = in_processes(options, ids, jobs, suite.collector)
    else:
        batches = (list(suite.run(id_)) for id_ in ids)
    with closing(batches):
        for batch in batches:
            for result in batch:
                results.append(result)
                if on_result is not None:
                    on_result(result)
                if fail_fast and result.outcome in ("failed", "error"):
                    break
            else:
                continue
            break
    found = None if suite.collector is None else suite.collector.coverage()
    return TestRun(in_order(results), time.perf_counter_ns() - started, found)
