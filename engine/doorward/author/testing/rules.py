"""Carrying out Rego's own tests: rules whose name starts with `test_`.

A definition passes when its value is `true`. Where the name goes on (`test_roles[name] if { some name, case in …; … }`), each
value of what comes after is a case, reported by itself: one that the body reaches and does not come through has failed.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from doorward.author.testing.failed import failed_line, shown
from doorward.author.testing.results import Failure, Outcome, TestInfo, TestResult, place_of
from doorward.author.testing.tested import DEFAULT_NOW_NS, RuleTest, Tested, is_skipped
from doorward.author.testing.watch import Watch
from doorward.run.errors import EvaluationError
from doorward.run.reference.evaluator import Evaluator
from doorward.run.reference.solver import Env
from doorward.run.reference.world import World
from doorward.run.values import UNDEFINED, Value, key, unkey
from doorward_dsl.source import Span
from doorward_dsl.syntax import Assign, Body, Literal, Rule, Term, Unify, Var
from doorward_dsl.walk import body_terms, open_vars, rule_chain

__all__ = ["RuleRunner"]

_MAX_CASES: Final = 10_000


@dataclass(slots=True)
class RuleRunner:
    """Runs the test rules of one policy set."""

    tested: Tested
    evaluator: Evaluator
    watch: Watch | None = None

    def run(self, test: RuleTest, info: TestInfo) -> Iterator[TestResult]:
        """The result of each case of a test; of one without cases the one."""
        started = time.perf_counter_ns()
        if is_skipped(test.name.rpartition(".")[2]):
            yield TestResult(info, "", "skipped", 0)
            return
        error: Failure | None = None
        value: Value = UNDEFINED
        try:
            value = self._value(test)
        except EvaluationError as problem:
            span = problem.span or test.rule.span
            error = Failure(f"{problem.code}: {problem.message}", place_of(span), _first_line(span))
        if self.watch is not None:
            self.watch.queried(test.path, DEFAULT_NOW_NS)
        rule = self._resolved(test)
        if error is not None or rule is None or not _suffix(rule, test):
            outcome: Outcome = "error" if error is not None else "passed" if value is True else "failed"
            failures = (
                (error,) if error is not None else () if value is True else (self._why(test, rule, value),)
            )
            yield TestResult(info, "", outcome, time.perf_counter_ns() - started, failures)
            return
        passed = dict(_leaves(value))
        reached = self._reached(rule, _suffix(rule, test))
        cases = dict.fromkeys([*reached, *passed])
        taken = time.perf_counter_ns() - started
        if not cases:
            yield TestResult(info, "", "passed", taken)
        for case in cases:
            holds = passed.get(case, UNDEFINED) is True
            label = "/".join(_label(unkey(part)) for part in case)
            why = () if holds else (self._why(test, rule, passed.get(case, UNDEFINED), reached.get(case)),)
            yield TestResult(info, label, "passed" if holds else "failed", taken // len(cases), why)

    def _value(self, test: RuleTest) -> Value:
        return self.tested.rule_value(test.path, DEFAULT_NOW_NS, {})

    def _resolved(self, test: RuleTest) -> Rule | None:
        """The rule as the test program has it: what is below its path belongs to its cases."""
        for path, rules in self.tested.tests.program.rules.items():
            if path[: len(test.path)] == test.path:
                return rules[0]
        return None

    # --- cases -----------------------------------------------------------------------------------------------

    def _reached(self, rule: Rule, suffix: tuple[Term, ...]) -> dict[tuple[Any, ...], Env]:
        """Every case that the body comes to, whether it holds or not, with the variables it had then."""
        found: dict[tuple[Any, ...], Env] = {}
        body = _keys_first(rule.body, open_vars(*suffix))
        wanted = open_vars(*suffix)
        try:
            for at in range(len(body) + 1):
                for env in self.evaluator.solve(body[:at], {}, self._world()):
                    if not wanted <= env.keys():
                        break
                    for case, _ in self._keys(suffix, env):
                        found.setdefault(case, env)
                        if len(found) >= _MAX_CASES:
                            return found
                if found:
                    break
        except EvaluationError:
            pass  # the production answer stands: these are only the names of what failed
        return found

    def _keys(self, suffix: tuple[Term, ...], env: Env) -> Iterator[tuple[tuple[Any, ...], Env]]:
        world = self._world()

        def walk(left: tuple[Term, ...], now: Env) -> Iterator[tuple[tuple[Any, ...], Env]]:
            if not left:
                yield (), now
                return
            for value, later in self.evaluator.values(left[0], now, world):
                for rest, last in walk(left[1:], later):
                    yield (key(value), *rest), last

        return walk(suffix, env)

    def _world(self) -> World:
        return World(self.tested.context(DEFAULT_NOW_NS, {}), UNDEFINED, self.tested.data({}))

    # --- failures --------------------------------------------------------------------------------------------

    def _why(self, test: RuleTest, rule: Rule | None, value: Value, env: Env | None = None) -> Failure:
        span = test.rule.head.span
        if value is not UNDEFINED:
            return Failure(
                "the test has another value than `true`",
                place_of(span),
                _first_line(test.rule.span),
                expected="true",
                actual=shown(value),
            )
        for link in () if rule is None else rule_chain(rule):
            known: Mapping[str, Value] = {} if env is None else env
            line = failed_line(self.evaluator, link.body, self._world(), known)
            if line is not None:
                message = line.error or "the expression does not hold"
                return Failure(message, place_of(line.span), line.span.text, line.values)
        return Failure("the test does not hold", place_of(span), _first_line(test.rule.span))


def _suffix(rule: Rule, test: RuleTest) -> tuple[Term, ...]:
    """What comes after a test's name and makes its cases."""
    return rule.head.ref[1 + len(test.path) :] if rule.head.key is None else ()


def _keys_first(body: Body, wanted: set[str]) -> Body:
    """A body in which a key that is worked out (`test_x[concat("", …)]`) is known as soon as it can be."""
    lines = list(body)
    for literal in body:
        expr = literal.expr
        if not isinstance(expr, Assign | Unify):
            continue
        target, value = (expr.target, expr.value) if isinstance(expr, Assign) else (expr.left, expr.right)
        if not isinstance(target, Var) or target.name not in wanted or not target.name.startswith("$"):
            continue
        needed = open_vars(value) - {"data", "input"}
        lines.remove(literal)
        at = next((i for i in range(len(lines) + 1) if needed <= _bound(lines[:i])), len(lines))
        lines.insert(at, literal)
    return tuple(lines)


def _bound(lines: list[Literal]) -> set[str]:
    return {term.name for term in body_terms(tuple(lines)) if isinstance(term, Var)}


def _leaves(value: Value) -> Iterator[tuple[tuple[Any, ...], Value]]:
    """The paths of an object of results, and what is there."""
    if not isinstance(value, dict):
        return
    for name, item in value.items():
        if isinstance(item, dict) and item:
            for path, leaf in _leaves(item):
                yield (name, *path), leaf
        else:
            yield (name,), item


def _label(value: Value) -> str:
    return value if isinstance(value, str) else shown(value)


def _first_line(span: Span) -> str:
    return span.text.splitlines()[0] if span.text else ""
