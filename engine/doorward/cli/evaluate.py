"""`doorward eval`: a Rego query and its answers."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from doorward.cli.output import (
    CAPABILITIES_HELP,
    NO,
    USAGE,
    fail,
    json_text,
    print_json,
    read_allowed,
    reported,
    terminal_width,
)

if TYPE_CHECKING:
    from doorward.author.profile import Line, Metrics, Profile
    from doorward.author.repl import Answer
    from doorward.engine import Engine
    from doorward_dsl.capabilities import Capabilities

__all__ = ["evaluate", "register"]


class _Format(StrEnum):
    pretty = "pretty"
    json = "json"
    values = "values"
    bindings = "bindings"
    raw = "raw"


_FORMAT_HELP = (
    "pretty: the value of a query that is one term, else the variables, as indented JSON, one answer after the other; "
    "json: one document, as OPA's; values: for each answer the array of its expressions' values; bindings: for each "
    "answer its variables; raw: values on one line for scripts, strings bare."
)


def register(app: typer.Typer) -> None:
    """Adds `eval`."""
    app.command(name="eval")(evaluate)


def evaluate(
    query: Annotated[
        str | None, typer.Argument(help="Rego query, such as data.acme.allow or data.acme.roles[x].")
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            "--data", "-d", "--bundle", "-b", help="Directory of policies and data, a bundle, or one file."
        ),
    ] = None,
    input_file: Annotated[
        str | None, typer.Option("--input", "-i", help="File with the input, JSON; - for standard input.")
    ] = None,
    stdin_input: Annotated[
        bool, typer.Option("--stdin-input", "-I", help="Read the input from standard input.")
    ] = False,
    stdin: Annotated[bool, typer.Option("--stdin", help="Read the query from standard input.")] = False,
    package: Annotated[
        str, typer.Option(help="Package in which the query stands: its rules have their short names.")
    ] = "",
    imports: Annotated[
        list[str] | None,
        typer.Option(
            "--import", help="Import for the query: data.acme.roles, or 'data.acme as a'. Repeatable."
        ),
    ] = None,
    form: Annotated[_Format, typer.Option("--format", "-f", help=_FORMAT_HELP)] = _Format.pretty,
    profile: Annotated[
        bool, typer.Option("--profile", help="Say how often each line of policy ran, and for how long.")
    ] = False,
    profile_limit: Annotated[int, typer.Option(help="Lines of the profile; 0 for all.", min=0)] = 10,
    profile_sort: Annotated[
        list[str] | None,
        typer.Option(help="Order of the profile: total_time_ns, num_eval, file, line. Repeatable."),
    ] = None,
    metrics: Annotated[bool, typer.Option("--metrics", help="Say how long each phase took.")] = False,
    explain: Annotated[
        bool, typer.Option("--explain", help="Where there is no answer, say what failed and what it saw.")
    ] = False,
    strict: Annotated[bool, typer.Option("--strict", "-S", help="Warnings are errors.")] = False,
    strict_builtin_errors: Annotated[
        bool, typer.Option("--strict-builtin-errors", help="A built-in that fails ends the query.")
    ] = False,
    now_ns: Annotated[
        int | None, typer.Option(help="Evaluate as of this instant, in nanoseconds since 1970.")
    ] = None,
    allowed: Annotated[Path | None, typer.Option("--capabilities", help=CAPABILITIES_HELP)] = None,
    fail_undefined: Annotated[
        bool, typer.Option("--fail", help="Exit status 1 if there is no answer.")
    ] = False,
    fail_defined: Annotated[
        bool, typer.Option("--fail-defined", help="Exit status 1 if there is an answer.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="All answers as one JSON array.")] = False,
) -> None:
    """Evaluate a Rego query and print its answers.

    Unlike decisions, queries may use random numbers and the like without being told so; never the network. Exit status
    0, also if there is no answer (see --fail); 1 for errors in policies or query.
    """
    from doorward.author.profile import SORTS, Metrics
    from doorward.author.repl import ask, why_not

    unknown = [name for name in profile_sort or () if name not in SORTS]
    if unknown:
        raise fail(f"--profile-sort: `{unknown[0]}` is none of {', '.join(SORTS)}", USAGE)
    if stdin:
        if query is not None or input_file == "-" or stdin_input:
            raise fail("--stdin reads the query, and nothing else can be read there", USAGE)
        query = sys.stdin.read()
    if query is None:
        raise fail("there is no query: give one, or --stdin", USAGE)
    timers = Metrics()
    with reported():
        engine = _engine(data, read_allowed(allowed), timers, strict=strict)
        given = _input("-" if stdin_input else input_file)
        within = _within(package, imports or ())
        with timers.timed("query_compile"):
            engine.prepare(query, strict_builtin_errors=strict_builtin_errors, within=within)

        def run() -> list[Answer]:
            return ask(
                engine,
                query,
                given,
                within=within,
                strict_builtin_errors=strict_builtin_errors,
                now_ns=now_ns,
            )

        answers, lines = _run(run, engine, timers, profile=profile)
        if as_json:
            print_json([answer.plain for answer in answers])
        elif form is _Format.json:
            print_json(_document(answers, timers if metrics else None, lines, profile_sort, profile_limit))
        else:
            _print(answers, form)
        if explain and not any(answer.plain is not False for answer in answers):
            from doorward.decide.explain import render_condition

            failed = why_not(engine, query, given, within=within, now_ns=now_ns)
            if failed is not None:
                told = render_condition(failed, color=sys.stderr.isatty(), width=terminal_width())
                typer.echo(told, err=True)
    if form is not _Format.json or as_json:
        _print_tables(timers if metrics else None, lines, profile_sort, profile_limit)
    if (fail_undefined and not answers) or (fail_defined and answers):
        raise typer.Exit(NO)


def _engine(data: Path | None, capabilities: Capabilities | None, timers: Metrics, *, strict: bool) -> Engine:
    from doorward.bundle import policies_from, read_policies
    from doorward.engine import Engine, ModuleCache

    with timers.timed("load_files"):
        policies = policies_from({}) if data is None else read_policies(data)
    modules = ModuleCache()
    with timers.timed("module_parse"):
        modules.parse(policies.sources)
    with timers.timed("module_compile"):
        return Engine(policies, strict=strict, modules=modules, capabilities=capabilities)


def _input(name: str | None) -> Any:
    from doorward.run.exact import loads_exactly
    from doorward.run.values import UNDEFINED

    if name is None:
        return UNDEFINED
    try:
        return loads_exactly(sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes())
    except (ValueError, ArithmeticError) as error:
        raise fail(f"the input is not JSON: {error}", USAGE) from None


def _within(package: str, imports: Sequence[str]) -> str:
    """The head of the module that the query would stand in."""
    if not package and not imports:
        return ""
    return "\n".join((f"package {package or '_'}", *(f"import {one}" for one in imports)))


def _run(
    run: Callable[[], list[Answer]], engine: Engine, timers: Metrics, *, profile: bool
) -> tuple[list[Answer], Profile | None]:
    if not profile:
        with timers.timed("query_eval"):
            return run(), None
    from doorward.author.profile import profiled

    with timers.timed("query_eval"):
        return profiled(run, engine.policies.sources)


def _document(
    answers: Sequence[Answer],
    timers: Metrics | None,
    lines: Profile | None,
    sort: list[str] | None,
    limit: int,
) -> dict[str, Any]:
    document: dict[str, Any] = {}
    if answers:
        document["result"] = [answer.to_dict() for answer in answers]
    if timers is not None:
        document["metrics"] = timers.to_dict()
    if lines is not None:
        chosen = _sorted(lines, sort)
        document["profile"] = [line.to_dict() for line in (chosen[:limit] if limit else chosen)]
    return document


def _print(answers: Sequence[Answer], form: _Format) -> None:
    if not answers and form is _Format.pretty:
        typer.echo("undefined", err=True)
    for answer in answers:
        match form:
            case _Format.values:
                print_json([one.value for one in answer.expressions])
            case _Format.bindings:
                print_json(answer.bindings)
            case _Format.raw:
                typer.echo(" ".join(_bare(one.value) for one in answer.expressions))
            case _:
                print_json(answer.plain)


def _bare(value: Any) -> str:
    return value if isinstance(value, str) else json_text(value, indent=False)


def _print_tables(timers: Metrics | None, lines: Profile | None, sort: list[str] | None, limit: int) -> None:
    """On standard error: standard output is the answers'."""
    from doorward.author.profile import render_metrics, render_profile

    if timers is not None:
        typer.echo(render_metrics(timers), err=True)
    if lines is not None:
        typer.echo(render_profile(_sorted(lines, sort), limit), err=True)


def _sorted(lines: Profile, sort: list[str] | None) -> list[Line]:
    return lines.sorted(sort or ("total_time_ns",))
