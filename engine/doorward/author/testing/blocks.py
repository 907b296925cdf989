"""Carrying out a test block: give, ask, compare, once for each of its cases."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from doorward.author.coverage.collect import replaced_world
from doorward.author.testing.expectations import difference, summary
from doorward.author.testing.failed import failed_line, shown
from doorward.author.testing.files import ReadFile
from doorward.author.testing.results import Failure, Outcome, TestInfo, TestResult, place_of
from doorward.author.testing.situation import GivenError, Situation
from doorward.author.testing.tested import DEFAULT_NOW_NS, Tested
from doorward.author.testing.watch import Watch
from doorward.compile import Replacements
from doorward.decide.decision import Decision
from doorward.decide.document import InvalidRequest
from doorward.facts.postgres import Catalogue
from doorward.run.errors import EvaluationError
from doorward.run.reference.evaluator import Evaluator
from doorward.run.reference.literals import literal
from doorward.run.reference.tree import make_tree
from doorward.run.reference.world import World
from doorward.run.values import UNDEFINED, Value
from doorward_dsl.compile_tests import DECISION, CompiledTest
from doorward_dsl.program import Path
from doorward_dsl.source import Span
from doorward_dsl.syntax import Expectation, ExpectCondition, ExpectError, Given, Term, When

__all__ = ["BlockRunner"]

_MAX_CASES: Final = 10_000
_MOST_ERRORS: Final = 3


@dataclass(slots=True)
class _Asked:
    """A request that was decided."""

    when: When
    request: dict[str, Any]
    document: dict[str, Any]
    decision: Decision
    catalogue: Catalogue | None
    now_ns: int
    replacements: Replacements
    shared: Mapping[str, Value]
    expects_error: bool = False
    explained: bool = False
    """One failure has told how the decision came about: those after it need not."""


class _Stopped(Exception):
    """The test cannot go on; the failure says why."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


@dataclass(slots=True)
class BlockRunner:
    """Runs the test blocks of one policy set."""

    tested: Tested
    read: ReadFile
    watch: Watch | None = None
    _evaluator: Evaluator | None = field(default=None, init=False)

    def run(self, test: CompiledTest, info: TestInfo) -> Iterator[TestResult]:
        """The result of each case of a test; of one without cases the one."""
        started = time.perf_counter_ns()
        try:
            cases = self._cases(test)
        except _Stopped as stopped:
            yield TestResult(info, "", "error", time.perf_counter_ns() - started, (stopped.failure,))
            return
        for case in cases:
            label = ", ".join(f"{name} = {shown(value)}" for name, value in case.items())
            failures, error = self._run_case(test, case)
            outcome: Outcome = "error" if error else "failed" if failures else "passed"
            now = time.perf_counter_ns()
            yield TestResult(info, label, outcome, now - started, tuple(failures))
            started = now

    def _cases(self, test: CompiledTest) -> list[dict[str, Value]]:
        if test.cases is None:
            return [{}]
        span = test.block.cases[0].span
        try:
            found = self.tested.rule_value(test.cases, DEFAULT_NOW_NS, {})
        except EvaluationError as error:
            raise _Stopped(_broken(f"the cases cannot be worked out: {error.message}", span)) from None
        if not isinstance(found, list | tuple) or not found:
            raise _Stopped(_broken("there is no case to run this test for", span))
        if len(found) > _MAX_CASES:
            raise _Stopped(_broken(f"there are more than {_MAX_CASES} cases", span))
        return [dict(case) for case in found]

    def _run_case(self, test: CompiledTest, case: dict[str, Value]) -> tuple[list[Failure], bool]:
        situation = Situation(self.read, self.tested.kinds)
        failures: list[Failure] = []
        asked: _Asked | None = None
        try:
            for given in test.module.givens:
                self._give(test, given, situation, case)
            for step in test.block.steps:
                if isinstance(step, Given):
                    self._give(test, step, situation, case)
                elif isinstance(step, When):
                    failures += self._unexpected_errors(asked, failures)
                    asked = self._ask(test, step, situation, case)
                elif asked is not None:
                    asked.expects_error |= isinstance(step, ExpectError)
                    failure = self._expect(test, step, asked)
                    if failure is not None:
                        failures.append(failure)
            failures += self._unexpected_errors(asked, failures)
        except _Stopped as stopped:
            return [*failures, stopped.failure], True
        return failures, False

    # --- lines -----------------------------------------------------------------------------------------------

    def _give(
        self, test: CompiledTest, given: Given, situation: Situation, case: Mapping[str, Value]
    ) -> None:
        setting = test.settings[given]
        try:
            value: Value = None
            if setting.file is None and setting.function is None:
                value = self._value(test, setting.value, situation.now_ns, case)
            situation.give(setting, value)
        except GivenError as error:
            raise _Stopped(_broken(str(error), given.span)) from None

    def _ask(self, test: CompiledTest, when: When, situation: Situation, case: Mapping[str, Value]) -> _Asked:
        now_ns = situation.now_ns
        operation: Value = None
        if when.operation is not None:
            operation = self._value(test, when.operation, now_ns, case)
        replacements = situation.replacements()
        try:
            request = situation.ask(when, operation)
            decision = self.tested.decider(replacements).decide(request, situation.catalogue, now_ns)
            document = self.tested.document(request, decision.facts, now_ns)
        except (GivenError, InvalidRequest) as error:
            raise _Stopped(_broken(str(error), when.span)) from None
        if self.watch is not None:
            self.watch.decided(when.kind, document, now_ns, replacements)
        shared = {**case, DECISION: decision.to_dict()}
        return _Asked(when, request, document, decision, situation.catalogue, now_ns, replacements, shared)

    def _expect(self, test: CompiledTest, expected: Expectation, asked: _Asked) -> Failure | None:
        if isinstance(expected, ExpectCondition):
            return self._condition(test, expected, asked)

        def text(term: Term) -> str:
            value = self._value(test, term, asked.now_ns, asked.shared)
            if not isinstance(value, str):
                raise _Stopped(_broken(f"expected a string, not {shown(value)}", term.span))
            return value

        found = difference(expected, asked.decision, text)
        if found is None:
            return None
        message, wanted, actual = found
        return Failure(
            message,
            place_of(expected.span),
            expected.span.text,
            expected=wanted,
            actual=actual,
            decision=asked.decision.to_dict(),
            explanation=self._explanation(asked, search=wanted.startswith("allow")),
        )

    def _condition(self, test: CompiledTest, expected: ExpectCondition, asked: _Asked) -> Failure | None:
        path = test.conditions[expected]
        try:
            if self._holds(path, asked):
                return None
            message = "the condition does not hold"
        except EvaluationError as error:
            message = f"the condition cannot be evaluated: {error.message}"
        world = replaced_world(
            World(
                self.tested.context(asked.now_ns, asked.shared, asked.document),
                asked.document,
                self.tested.data(asked.shared),
            ),
            asked.replacements,
        )
        line = failed_line(self.evaluator, self.tested.tests.program.rules[path][0].body, world)
        span = expected.span if line is None else line.span
        return Failure(
            message,
            place_of(span),
            span.text,
            () if line is None else line.values,
            decision=asked.decision.to_dict(),
            explanation=self._explanation(asked, search=False),
        )

    def _holds(self, path: Path, asked: _Asked) -> bool:
        value = self.tested.rule_value(path, asked.now_ns, asked.shared, asked.document, asked.replacements)
        return value is True

    def _explanation(self, asked: _Asked, *, search: bool) -> str:
        if asked.explained:
            return ""
        asked.explained = True
        told = self.tested.explain(
            asked.request, asked.catalogue, asked.now_ns, asked.replacements, search=search
        )
        return told or summary(asked.decision)

    def _unexpected_errors(self, asked: _Asked | None, known: list[Failure]) -> list[Failure]:
        """What failed in a decision and no line expects: a policy that fails where nobody looks is no passed test."""
        if asked is None or asked.expects_error:
            return []
        said = {failure.actual for failure in known}
        found = []
        for error in asked.decision.errors:
            text = f"{error.code}: {error.message}" + (f" ({error.place})" if error.place else "")
            if text not in said:
                found.append(
                    Failure(
                        "an evaluation failed, which no `expect error` foresees",
                        place_of(asked.when.span),
                        asked.when.span.text,
                        expected="no error",
                        actual=text,
                        decision=asked.decision.to_dict(),
                    )
                )
        return found[:_MOST_ERRORS]

    @property
    def evaluator(self) -> Evaluator:
        """The reference evaluator over the test program, which tells why a condition failed."""
        if self._evaluator is None:
            self._evaluator = Evaluator(make_tree(self.tested.tests.program))
        return self._evaluator

    def _value(self, test: CompiledTest, term: Term, now_ns: int, shared: Mapping[str, Value]) -> Value:
        path = test.values.get(term)
        value = literal(term) if path is None else UNDEFINED
        if value is not UNDEFINED:
            return value
        try:
            if path is not None:
                value = self.tested.rule_value(path, now_ns, shared)
            else:
                value = self.tested.value(term, now_ns, shared)
        except EvaluationError as error:
            raise _Stopped(_broken(f"this cannot be worked out: {error.message}", term.span)) from None
        if value is UNDEFINED:
            raise _Stopped(_broken("this is undefined", term.span))
        return value


def _broken(message: str, span: Span) -> Failure:
    return Failure(message, place_of(span), span.text)
