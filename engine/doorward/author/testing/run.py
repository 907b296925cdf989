"""All tests of a policy set: found, chosen, run, and put in order."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from typing import Final

from doorward.author.testing.blocks import BlockRunner
from doorward.author.testing.files import FileError, ReadFile
from doorward.author.testing.results import TestInfo, TestResult, TestRun, in_order, place_of
from doorward.author.testing.rules import RuleRunner
from doorward.author.testing.tested import RuleTest, Tested
from doorward.engine import PolicySet
from doorward.run.budget import Limits
from doorward_dsl.capabilities import Capabilities
from doorward_dsl.compile_tests import CompiledTest
from doorward_dsl.syntax import Module, TestBlock

__all__ = ["DEFAULT_TIMEOUT_S", "Suite", "list_tests", "run_tests"]

DEFAULT_TIMEOUT_S: Final = 5.0


class Suite:
    """The tests of a policy set, ready to run. Raises PolicyError for whatever is wrong in it, test blocks included."""

    def __init__(
        self,
        policies: PolicySet,
        *,
        read: ReadFile | None = None,
        timeout_s: float = DEFAULT_TIMEOUT_S,
        capabilities: Capabilities | None = None,
    ) -> None:
        limits = Limits(wall_ms=max(1, int(timeout_s * 1000)))
        self.tested = Tested(policies, limits=limits, capabilities=capabilities)
        self.blocks = BlockRunner(self.tested, read or _no_files)
        self.rules = RuleRunner(self.tested, self.blocks.evaluator)
        self._tests: dict[str, tuple[TestInfo, CompiledTest | RuleTest]] = {}
        for test in self.tested.blocks():
            info = block_info(test.module, test.block)
            self._tests[info.id] = info, test
        for rule in self.tested.rules:
            info = _rule_info(rule)
            self._tests[info.id] = info, rule

    def tests(self, pattern: str | None = None) -> list[TestInfo]:
        """The tests whose id a regular expression is found in, in order of file and line. Raises re.error."""
        chosen = re.compile(pattern or "")
        found = [info for info, _ in self._tests.values() if chosen.search(info.id)]
        return sorted(found, key=lambda info: (info.place.file, info.place.line, info.place.column))

    def run(self, info: TestInfo) -> Iterator[TestResult]:
        """Run one test: a result for each of its cases."""
        _, test = self._tests[info.id]
        if isinstance(test, RuleTest):
            yield from self.rules.run(test, info)
        else:
            yield from self.blocks.run(test, info)


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
    capabilities: Capabilities | None = None,
    on_result: Callable[[TestResult], None] | None = None,
) -> TestRun:
    """Run the tests of a policy set.

    `run` is a regular expression that is looked for in the tests' ids; `read` gives the files that tests name; `timeout_s`
    bounds each evaluation; `fail_fast` ends the run with the first test that does not pass; `on_result` hears of each
    result as it comes. Raises PolicyError for policies or test blocks with errors, re.error.
    """
    started = time.perf_counter_ns()
    suite = Suite(policies, read=read, timeout_s=timeout_s, capabilities=capabilities)
    results: list[TestResult] = []
    for info in suite.tests(run):
        for result in suite.run(info):
            results.append(result)
            if on_result is not None:
                on_result(result)
        if fail_fast and any(result.outcome in ("failed", "error") for result in results[-1:]):
            break
    return TestRun(in_order(results), time.perf_counter_ns() - started)


def block_info(module: Module, block: TestBlock) -> TestInfo:
    """The test that a block is."""
    package = ".".join(module.package)
    return TestInfo(f"{package} › {block.name}", package, block.name, "block", place_of(block.name_span))


def _rule_info(test: RuleTest) -> TestInfo:
    package = ".".join(test.module.package)
    return TestInfo(f"data.{'.'.join(test.path)}", package, test.name, "rule", place_of(test.rule.head.span))


def _no_files(test_file: str, name: str) -> bytes:
    raise FileError(f"the file `{name}` cannot be read: these policies are in no folder")
