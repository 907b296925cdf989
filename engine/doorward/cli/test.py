"""`doorward test`: the tests of policies, and how much of the policies they reach."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Final

import typer

from doorward.cli.output import CAPABILITIES_HELP, NO, USAGE, fail, print_json, read_allowed, reported

if TYPE_CHECKING:
    from doorward.author.testing import TestRun

__all__ = ["TOO_LITTLE_COVERED", "policy_tests", "register"]

TOO_LITTLE_COVERED: Final = 4
"""All tests pass, but they reach less than was asked."""

_CLEAR: Final = "\x1b[2J\x1b[H"
_LOOK_EVERY_MS: Final = 200
_FORMATS: Final = ("pretty", "json", "junit", "tap", "github")


def register(app: typer.Typer) -> None:
    """Adds `test`."""
    app.command(name="test")(policy_tests)


def policy_tests(
    paths: Annotated[list[Path], typer.Argument(help="Directories of policies, data and tests, or files.")],
    run: Annotated[
        str | None, typer.Option("--run", "-r", help="Only tests whose name this regular expression finds.")
    ] = None,
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=0, help="Processes; 0 for one a processor.")] = 1,
    timeout: Annotated[float, typer.Option(min=0.001, help="Seconds that one evaluation may take.")] = 5.0,
    fail_fast: Annotated[
        bool, typer.Option("--fail-fast", help="Stop at the first test that does not pass.")
    ] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Name the tests that pass, too.")] = False,
    names: Annotated[bool, typer.Option("--list", help="Name the tests and run none.")] = False,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Run again whenever a file changes.")] = False,
    form: Annotated[str, typer.Option("--format", "-f", help=f"{', '.join(_FORMATS)}.")] = "pretty",
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File for the report instead of standard output.")
    ] = None,
    junit: Annotated[Path | None, typer.Option(help="File for a JUnit report beside the other.")] = None,
    coverage: Annotated[
        bool, typer.Option("--coverage", "-c", help="How many expressions of the policies the tests reach.")
    ] = False,
    threshold: Annotated[
        float | None,
        typer.Option(min=0, max=100, help="Per cent of expressions to be reached; implies --coverage."),
    ] = None,
    coverage_json: Annotated[Path | None, typer.Option(help="File for the coverage as JSON.")] = None,
    coverage_lcov: Annotated[Path | None, typer.Option(help="File for the coverage as LCOV.")] = None,
    coverage_html: Annotated[
        Path | None, typer.Option(help="File for a page that shows the source, coloured.")
    ] = None,
    allowed: Annotated[Path | None, typer.Option("--capabilities", help=CAPABILITIES_HELP)] = None,
) -> None:
    """Run the tests of policies: `test` blocks of .ward files and `test_` rules.

    Exit status 0 if all pass; 1 if one does not, or the policies have errors; 2 if there is no test, or the command was called
    wrongly; 3 if something is not there; 4 if all pass but reach less than --threshold.
    """
    if form not in _FORMATS:
        raise fail(f"there is no format `{form}`, only {', '.join(_FORMATS)}", USAGE)
    try:
        re.compile(run or "")
    except re.error as error:
        raise fail(f"`{run}` is not a regular expression: {error}", USAGE) from None
    if names:
        _list(paths, run, form)
        return
    files = _CoverageFiles(coverage_json, coverage_lcov, coverage_html)
    command = _Command(
        paths,
        run,
        jobs or os.cpu_count() or 1,
        timeout,
        fail_fast,
        verbose,
        form,
        output,
        junit,
        coverage or threshold is not None or files.any,
        threshold,
        files,
        allowed,
    )
    if watch:
        _watch(command)
    else:
        command.run()


def _list(paths: list[Path], pattern: str | None, form: str) -> None:
    from doorward.author.testing import list_tests
    from doorward.author.testing.load import load
    from doorward.author.testing.report.json_report import info_json

    with reported(as_json=form == "json"):
        found = list_tests(load(paths), pattern)
    if form == "json":
        print_json([info_json(info) for info in found])
    else:
        for info in found:
            typer.echo(f"{info.place}  {info.id}")


def _watch(command: _Command) -> None:
    """Run, and again after every change, until interrupted."""
    from watchfiles import watch

    changes = watch(
        *command.paths, raise_interrupt=False, step=50, rust_timeout=_LOOK_EVERY_MS, yield_on_timeout=True
    )
    next(changes, None)  # watching begins here: what changes while the tests run is not missed
    while True:
        if sys.stdout.isatty():
            typer.echo(_CLEAR, nl=False)
        with suppress(typer.Exit):  # what is wrong has been said; it may be right after the next change
            command.run()
        typer.echo("waiting for changes", err=True)
        if next(filter(None, changes), None) is None:
            return


@dataclass(frozen=True, slots=True)
class _CoverageFiles:
    json: Path | None
    lcov: Path | None
    html: Path | None

    @property
    def any(self) -> bool:
        return any((self.json, self.lcov, self.html))


@dataclass(frozen=True, slots=True)
class _Command:
    """The command as it was called."""

    paths: list[Path]
    pattern: str | None
    jobs: int
    timeout: float
    fail_fast: bool
    verbose: bool
    form: str
    output: Path | None
    junit: Path | None
    coverage: bool
    threshold: float | None
    files: _CoverageFiles
    allowed: Path | None

    def run(self) -> None:
        """Run and report. Raises typer.Exit for anything but success."""
        from doorward.author.testing.report import write

        with reported(as_json=self.form == "json"):
            done = self._tested()
            if self.junit is not None:
                self.junit.write_text(write("junit", done), encoding="utf-8")
            self._write_coverage(done)
        if not done.results:
            raise fail(
                "there are no tests" if self.pattern is None else f"no test is called `{self.pattern}`", USAGE
            )
        if not done.ok:
            raise typer.Exit(NO)
        if (
            self.threshold is not None
            and done.coverage is not None
            and done.coverage.percent < self.threshold
        ):
            self._say_what_is_missing(done)
            raise typer.Exit(TOO_LITTLE_COVERED)

    def _tested(self) -> TestRun:
        from rich.console import Console

        from doorward.author.coverage import table
        from doorward.author.testing import FilesBelow, run_tests
        from doorward.author.testing.load import load
        from doorward.author.testing.report import write
        from doorward.author.testing.report.pretty import Pretty

        policies, allowed = load(self.paths), read_allowed(self.allowed)
        with self._stream() as stream:
            pretty = Pretty(Console(file=stream), verbose=self.verbose) if self.form == "pretty" else None
            done = run_tests(
                policies,
                run=self.pattern,
                read=FilesBelow(tuple(self.paths)),
                timeout_s=self.timeout,
                fail_fast=self.fail_fast,
                jobs=self.jobs,
                coverage=self.coverage,
                capabilities=allowed,
                on_result=None if pretty is None else pretty.result,
            )
            if pretty is None:
                stream.write(write(self.form, done))
            elif done.results:
                pretty.finish(done)
                for line in table(done.coverage) if done.coverage is not None else ():
                    stream.write(f"{line}\n")
        return done

    @contextmanager
    def _stream(self) -> Iterator[IO[str]]:
        if self.output is None:
            yield sys.stdout
        else:
            with self.output.open("w", encoding="utf-8") as stream:
                yield stream

    def _write_coverage(self, done: TestRun) -> None:
        import json

        from doorward.author.coverage import html, lcov

        if done.coverage is None:
            return
        if self.files.json is not None:
            text = json.dumps(done.coverage.to_dict(), indent=2, ensure_ascii=False)
            self.files.json.write_text(f"{text}\n", encoding="utf-8")
        if self.files.lcov is not None:
            self.files.lcov.write_text(lcov(done.coverage), encoding="utf-8")
        if self.files.html is not None:
            self.files.html.write_text(html(done.coverage), encoding="utf-8")

    def _say_what_is_missing(self, done: TestRun) -> None:
        from doorward.author.coverage import missing_lines

        for line in missing_lines(done.coverage):
            typer.echo(f"not reached: {line}", err=True)
        reached = int(done.coverage.percent * 10) / 10
        typer.echo(
            f"doorward: the tests reach {reached} % of the expressions, {self.threshold:g} % are asked",
            err=True,
        )
