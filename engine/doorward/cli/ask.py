"""Ask policies from the command line: `decide` one request, `eval` a Rego query; `schema` says how to ask."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from doorward.cli.output import CAPABILITIES_HELP, NO, USAGE, fail, print_json, read_allowed, reported

if TYPE_CHECKING:
    from doorward.decide.decision import Decision

__all__ = ["decide", "evaluate", "register", "schema"]

_VALUE = "doorward_value"
"""The variable that stands for the value of a query that is only a term."""


def register(app: typer.Typer) -> None:
    """Adds `decide`, `eval` and `schema`."""
    app.command()(decide)
    app.command(name="eval")(evaluate)
    app.command()(schema)


def decide(
    policies: Annotated[Path, typer.Argument(help="Directory of policies and data, or one file.")],
    request: Annotated[
        str, typer.Argument(help="File with the access request, JSON; - for standard input.")
    ] = "-",
    catalogue: Annotated[
        Path | None, typer.Option(help="Catalogue of the backend, as a gateway describes it.")
    ] = None,
    now_ns: Annotated[
        int | None, typer.Option(help="Decide as of this instant, in nanoseconds since 1970.")
    ] = None,
    allowed: Annotated[Path | None, typer.Option("--capabilities", help=CAPABILITIES_HELP)] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The whole decision, for machines.")] = False,
) -> None:
    """Decide one access request. Exit status 0 if it is allowed, 1 if not."""
    from doorward.decide.document import parse_document
    from doorward.engine import Engine
    from doorward.facts.postgres.catalogue import Catalogue, CatalogueError

    with reported():
        engine = Engine.from_path(policies, capabilities=read_allowed(allowed))
        document = parse_document(_read(request))
        try:
            known = Catalogue.from_json(catalogue.read_bytes()) if catalogue is not None else None
        except CatalogueError as error:
            raise fail(str(error), NO) from None
        decision = engine.decide(document, catalogue=known, now_ns=now_ns)
    if as_json:
        print_json(decision.to_dict())
    else:
        for line in _lines(decision):
            typer.echo(line)
    if decision.verdict != "allow":
        raise typer.Exit(NO)


def _lines(decision: Decision) -> list[str]:
    lines: list[str] = [decision.verdict]
    lines += [f"  {reason.text}{_place(reason.place)}" for reason in decision.reasons]
    for mask in decision.masks:
        outputs = ", ".join(
            f"column {o.column + 1} of statement {o.statement + 1}{' (whole)' if o.whole else ''}"
            for o in mask.outputs
        )
        lines.append(f"mask {mask.target} with {mask.method}: {outputs or 'no output of this operation'}")
    for approval in decision.approvals:
        within = f" within {approval.within_ms / 1000:g} s" if approval.within_ms else ""
        lines.append(f"consent of {' or '.join(approval.groups)}{within}: {approval.reason}")
    if decision.credential is not None:
        given = decision.credential
        once = ", single use" if given.single_use else ""
        role = f", as {given.role}" if given.role else ""
        lines.append(f"credential for {given.ttl_ms / 1000:g} s{once}{role}")
    lines += [f"error {error.code}: {error.message}{_place(error.place)}" for error in decision.errors]
    return lines


def _place(place: str) -> str:
    return f" ({place})" if place else ""


def evaluate(
    query: Annotated[str, typer.Argument(help="Rego query, such as data.acme.allow or data.acme.roles[x].")],
    data: Annotated[
        Path | None, typer.Option("--data", "-d", help="Directory of policies and data, or one file.")
    ] = None,
    input_file: Annotated[
        str | None, typer.Option("--input", "-i", help="File with the input, JSON; - for standard input.")
    ] = None,
    strict_builtin_errors: Annotated[
        bool, typer.Option("--strict-builtin-errors", help="A built-in that fails ends the query.")
    ] = False,
    allowed: Annotated[Path | None, typer.Option("--capabilities", help=CAPABILITIES_HELP)] = None,
    fail_undefined: Annotated[
        bool, typer.Option("--fail", help="Exit status 1 if there is no answer.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="All answers as one JSON array.")] = False,
) -> None:
    """Evaluate a Rego query and print its answers.

    Unlike decisions, queries may use random numbers and the like without being told so; never the network.
    """
    from doorward.engine import Engine
    from doorward.run.exact import loads_exactly
    from doorward.run.values import UNDEFINED

    with reported():
        limits = read_allowed(allowed)
        if data is None:
            engine = Engine.from_sources({}, capabilities=limits)
        else:
            engine = Engine.from_path(data, capabilities=limits)
        document: Any = UNDEFINED
        if input_file is not None:
            try:
                document = loads_exactly(_read(input_file))
            except (ValueError, ArithmeticError) as error:
                raise fail(f"the input is not JSON: {error}", USAGE) from None
        whole = f"{_VALUE} = {query}" if _is_term(query) else query
        answers = engine.query(whole, document, strict_builtin_errors=strict_builtin_errors)
    plain = [answer[_VALUE] if set(answer) == {_VALUE} else _bindings(answer) for answer in answers]
    if as_json:
        print_json(plain)
    elif not plain:
        typer.echo("undefined", err=True)
    else:
        for answer in plain:
            print_json(answer)
    if fail_undefined and not plain:
        raise typer.Exit(NO)


def _bindings(answer: dict[str, Any]) -> dict[str, Any]:
    return {("value" if name == _VALUE else name): value for name, value in answer.items()}


def _is_term(query: str) -> bool:
    """Whether the query is one term, so that its value is the answer."""
    from doorward_dsl import parse_query
    from doorward_dsl.syntax import ExprTerm

    body = parse_query(query)
    return len(body) == 1 and isinstance(body[0].expr, ExprTerm) and not body[0].withs


def schema(
    kind: Annotated[str, typer.Argument(help="A kind of request, such as postgres; or decision.")],
    request: Annotated[
        bool, typer.Option("--request", help="What a caller sends, rather than what a policy sees.")
    ] = False,
) -> None:
    """Print the JSON Schema of the requests of a kind, or of decisions."""
    from doorward.decide.decision import decision_schema
    from doorward.decide.request import REQUESTS, document_schemas

    if kind == "decision":
        print_json(decision_schema())
    elif kind not in REQUESTS:
        raise fail(f"there is no kind `{kind}`, only {', '.join(REQUESTS)}; and decision", USAGE)
    else:
        print_json(REQUESTS[kind].model_json_schema() if request else document_schemas()[kind])


def _read(name: str) -> bytes:
    return sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
