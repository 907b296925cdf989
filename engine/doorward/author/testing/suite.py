"""The tests of a policy set, each by its name."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from doorward.author.coverage.collect import Collector
from doorward.author.testing.blocks import BlockRunner
from doorward.author.testing.files import FileError, ReadFile
from doorward.author.testing.results import TestInfo, TestResult, place_of
from doorward.author.testing.rules import RuleRunner
from doorward.author.testing.tested import SEED, RuleTest, Tested
from doorward.bundle import PolicySet
from doorward.run.budget import Limits
from doorward_dsl.capabilities import Capabilities
from doorward_dsl.compile_tests import CompiledTest
from doorward_dsl.syntax import Module, TestBlock

__all__ = ["DEFAULT_TIMEOUT_S", "Suite", "block_info"]

DEFAULT_TIMEOUT_S: Final = 5.0


class Suite:
    """The tests of a policy set, ready to run. Raises PolicyError for whatever is wrong in it, test blocks included.

    With `coverage`, whatever the tests ask is also watched.
    """

    def __init__(
        self,
        policies: PolicySet,
        *,
        read: ReadFile | None = None,
        timeout_s: float = DEFAULT_TIMEOUT_S,
        capabilities: Capabilities | None = None,
        coverage: bool = False,
    ) -> None:
        limits = Limits(wall_ms=max(1, int(timeout_s * 1000)))
        self.tested = Tested(policies, limits=limits, capabilities=capabilities)
        self.collector: Collector | None = None
        if coverage:
            self.collector = Collector(
                self.tested.tests.program,
                self.tested.program,
                policies.data,
                limits=limits,
                capabilities=capabilities,
                seed=SEED,
            )
        self.blocks = BlockRunner(self.tested, read or _no_files, self.collector)
        self.rules = RuleRunner(self.tested, self.blocks.evaluator, self.collector)
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

    def run(self, id_: str) -> Iterator[TestResult]:
        """Run one test: a result for each of its cases."""
        info, test = self._tests[id_]
        if isinstance(test, RuleTest):
            yield from self.rules.run(test, info)
        else:
            yield from self.blocks.run(test, info)


def block_info(module: Module, block: TestBlock) -> TestInfo:
    """The test that a block is."""
    package = ".".join(module.package)
    return TestInfo(f"{package} › {block.name}", package, block.name, "block", place_of(block.name_span))


def _rule_info(test: RuleTest) -> TestInfo:
    package = ".".join(test.module.package)
    return TestInfo(f"data.{'.'.join(test.path)}", package, test.name, "rule", place_of(test.rule.head.span))


def _no_files(test_file: str, name: str) -> bytes:
    raise FileError(f"the file `{name}` cannot be read: these policies are in no folder")
