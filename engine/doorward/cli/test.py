"""`doorward test`: the tests of policies, and how much of the policies they reach."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from doorward.cli.output import CAPABILITIES_HELP, NO, USAGE, fail, print_json, read_allowed, reported

if TYPE_CHECKING:
    from doorward.author.testing import TestRun

__all__ = ["policy_tests", "register"]

_FORMATS: Final = ("pretty", "json", "junit", "tap", "github")


def register(app: typer.Typer) -> None:
    """Adds `test`."""
    app.command(name="test")(policy_tests)


def policy_tests(
    paths: Annotated[list[Path], typer.Argument(help="Directories of policies, data and tests, or files.")],
    run: Annotated[
        str | None, typer.Option("--run", "-r", help="Only tests whose name this regular expression finds.")
    ] = None,
    timeout: Annotated[float, typer.Option(help="Seconds that one evaluation may take.")] = 5.0,
    fail_fast: Annotated[
        bool, typer.Option("--fail-fast", help="Stop at the first test that does not pass.")
    ] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Name the tests that pass, too.")] = False,
    names: Annotated[bool, typer.Option("--list", help="Name the tests and run none.")] = False,
    form: Annotated[str, typer.Option("--format", "-f", help=f"{', '.join(_FORMATS)}.")] = "pretty",
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File for the report instead of standard output.")
    ] = None,
    junit: Annotated[Path | None, typer.Option(help="File for a JUnit report beside the other.")] = None,
    allowed: Annotated[Path | None, typer.Option("--capabilities", help=CAPABILITIES_HELP)] = None,
) -> None:
    """Run the tests of policies: `test` blocks of .ward files and `test_` rules.

    Exit status 0 if all pass, 1 if one does not or the policies have errors, 2 if there is no test or the command was called
    wrongly, 3 if something is not there.
    """
    from doorward.author.testing.load import load
    from doorward.author.testing.run import list_tests

    if form not in _FORMATS:
        raise fail(f"there is no format `{form}`, only {', '.join(_FORMATS)}", USAGE)
    try:
        re.compile(run or "")
    except re.error as error:
        raise fail(f"`{run}` is not a regular expression: {error}", USAGE) from None
    with reported(as_json=form == "json"):
        if names:
            found = list_tests(load(paths), run)
            if form == "json":
                from doorward.author.testing.report.json_report import info_json

                print_json([info_json(info) for info in found])
            for info in found if form != "json" else ():
                typer.echo(f"{info.place}  {info.id}")
            return
        done = _run(paths, run, timeout, fail_fast, verbose, form, output, read_allowed(allowed))
        if junit is not None:
            from doorward.author.testing.report import write

            junit.write_text(write("junit", done), encoding="utf-8")
    if not done.results:
        raise fail("there are no tests" if run is None else f"no test is called `{run}`", USAGE)
    if not done.ok:
        raise typer.Exit(NO)


def _run(
    paths: list[Path],
    pattern: str | None,
    timeout: float,
    fail_fast: bool,
    verbose: bool,
    form: str,
    output: Path | None,
    allowed: object,
) -> TestRun:
    from rich.console import Console

    from doorward.author.testing import FilesBelow, run_tests
    from doorward.author.testing.load import load
    from doorward.author.testing.report import write
    from doorward.author.testing.report.pretty import Pretty

    stream = sys.stdout if output is None else output.open("w", encoding="utf-8")
    try:
        pretty = Pretty(Console(file=stream), verbose=verbose) if form == "pretty" else None
        done = run_tests(
            load(paths),
            run=pattern,
            read=FilesBelow(tuple(paths)),
            timeout_s=timeout,
            fail_fast=fail_fast,
            capabilities=allowed,  # type: ignore[arg-type]
            on_result=None if pretty is None else pretty.result,
        )
        if pretty is None:
            stream.write(write(form, done))
        elif done.results:
            pretty.finish(done)
    finally:
        if output is not None:
            stream.close()
    return done
