"""Tests in the editor: a line above each that runs it, and what came of it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from lsprotocol.types import CodeLens, Command, Diagnostic, DiagnosticSeverity, MessageType

from doorward.author.lsp.positions import Positions
from doorward.author.lsp.tree import Tree
from doorward.author.lsp.view import File
from doorward.author.testing import FileError, FilesBelow, Place, TestResult, run_tests
from doorward.author.testing.suite import block_info
from doorward.author.testing.tested import is_test_rule
from doorward_dsl.diagnostics import PolicyError
from doorward_dsl.resolve.globals import static_path
from doorward_dsl.source import Source

__all__ = ["RUN_TESTS", "TEST_SOURCE", "Failure", "Outcome", "code_lenses", "run"]

RUN_TESTS: Final = "doorward.runTests"
TEST_SOURCE: Final = "doorward test"


@dataclass(frozen=True, slots=True)
class Failure:
    """One way in which a test failed."""

    test: str
    """The test's id."""
    file: str
    """The name, in its tree, of the file with the line that failed."""
    text: str
    """What stood there then."""
    diagnostic: Diagnostic


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run of tests gave."""

    message: str
    kind: MessageType
    summary: dict[str, Any]
    """Counts by outcome, and the id and outcome of each result."""
    failures: tuple[Failure, ...] = ()


def code_lenses(file: File, positions: Positions) -> list[CodeLens]:
    """A lens for each test of a file; where there are several, one for all of them at the top."""
    module = file.module
    if module is None or not file.fresh:
        return []
    found = [(block.name_span, block_info(module, block).id) for block in module.tests]
    names: dict[str, None] = {}
    for rule in module.rules:
        if is_test_rule(rule) and not rule.default:
            name = ".".join(("data", *module.package, *static_path(rule.head.ref)))
            if name not in names:
                names[name] = None
                found.append((rule.head.ref[0].span, name))
    uri = file.view.tree.uri_of(file.name)
    lenses = [
        CodeLens(positions.of(span), Command("Run test", RUN_TESTS, arguments=[uri, [id_]]))
        for span, id_ in found
    ]
    if len(found) > 1:
        title = f"Run all {len(found)} tests of this file"
        command = Command(title, RUN_TESTS, arguments=[uri, [id_ for _, id_ in found]])
        lenses.insert(0, CodeLens(positions.of(module.package_span), command))
    return lenses


def run(tree: Tree, ids: Iterable[str], encoding: str) -> Outcome:
    """Run tests by id, with the texts as they are in the editor."""
    wanted = [re.escape(id_) + r"(#\d+)?" for id_ in ids]
    pattern = f"^(?:{'|'.join(wanted)})$"
    try:
        policies = tree.policies()
        results = run_tests(policies, run=pattern, read=FilesBelow((tree.root,))).results
    except PolicyError as error:
        first = error.diagnostics[0]
        message = f"the tests cannot run: {first.message} ({first.span})"
        return Outcome(message, MessageType.Error, {"error": message})
    except (FileError, OSError) as error:
        return Outcome(f"the tests cannot run: {error}", MessageType.Error, {"error": str(error)})
    sources = {source.name: source for source in policies.sources}
    failures = [
        Failure(
            result.test.id,
            name,
            source.text,
            _diagnostic(result, failure.place, failure.message, source, encoding),
        )
        for result in results
        for failure in result.failures
        if (source := sources.get(failure.place.file)) is not None
        and (name := _name(tree, failure.place.file)) is not None
    ]
    return Outcome(*_said(results), _summary(results), tuple(failures))


def _name(tree: Tree, path: str) -> str | None:
    return next((name for name in tree.latest.sources if tree.path_of(name).as_posix() == path), None)


def _diagnostic(result: TestResult, place: Place, message: str, source: Source, encoding: str) -> Diagnostic:
    positions = Positions(source.text, encoding)
    start = _offset(source.text, place.line, place.column)
    end = _offset(source.text, place.end_line, place.end_column)
    return Diagnostic(
        range=positions.range(start, end),
        message=f"{result.id}: {message}",
        severity=DiagnosticSeverity.Error,
        code=result.outcome,
        source=TEST_SOURCE,
    )


def _offset(text: str, line: int, column: int) -> int:
    """The character at a line and column, both from 1."""
    start = 0
    for _ in range(line - 1):
        start = text.find("\n", start) + 1
    return start + column - 1


def _said(results: Sequence[TestResult]) -> tuple[str, MessageType]:
    if not results:
        return "there is no such test", MessageType.Warning
    bad = [result for result in results if result.outcome in ("failed", "error")]
    if not bad:
        number = sum(result.outcome == "passed" for result in results)
        said = (
            f"passed: {results[0].id}"
            if number == len(results) == 1
            else f"{number} of {len(results)} passed"
        )
        return said, MessageType.Info
    first = bad[0].failures[0].message if bad[0].failures else ""
    more = f" (and {len(bad) - 1} more)" if len(bad) > 1 else ""
    return f"{bad[0].outcome}: {bad[0].id}: {first}{more}", MessageType.Error


def _summary(results: Iterable[TestResult]) -> dict[str, Any]:
    listed = [{"id": result.id, "outcome": result.outcome} for result in results]
    counts: dict[str, int] = {}
    for one in listed:
        counts[one["outcome"]] = counts.get(one["outcome"], 0) + 1
    return {**counts, "results": listed}
