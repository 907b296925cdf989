"""Ask policies for a decision: `decide` one request; `schema` says how to ask."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from doorward.cli.catalogue import CATALOGUE_HELP, read_catalogue
from doorward.cli.output import CAPABILITIES_HELP, NO, USAGE, fail, print_json, read_allowed, reported

if TYPE_CHECKING:
    from doorward.decide.decision import Decision

__all__ = ["decide", "register", "schema"]


def register(app: typer.Typer) -> None:
    """Adds `decide` and `schema`."""
    app.command()(decide)
    app.command()(schema)


def decide(
    policies: Annotated[Path, typer.Argument(help="Directory of policies and data, or one file.")],
    request: Annotated[
        str, typer.Argument(help="File with the access request, JSON; - for standard input.")
    ] = "-",
    catalogue: Annotated[Path | None, typer.Option(help=CATALOGUE_HELP)] = None,
    now_ns: Annotated[
        int | None, typer.Option(help="Decide as of this instant, in nanoseconds since 1970.")
    ] = None,
    allowed: Annotated[Path | None, typer.Option("--capabilities", help=CAPABILITIES_HELP)] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The whole decision, for machines.")] = False,
    document_only: Annotated[
        bool,
        typer.Option(
            "--document", help="Print the complete document that policies see, facts and all, instead."
        ),
    ] = False,
) -> None:
    """Decide one access request. Exit status 0 if it is allowed, 1 if not."""
    from doorward.author.export import whole_document
    from doorward.decide.document import parse_document
    from doorward.engine import Engine
    from doorward.facts.postgres.catalogue import CatalogueError

    with reported():
        engine = Engine.from_path(policies, capabilities=read_allowed(allowed))
        document = parse_document(_read(request))
        try:
            known = read_catalogue(catalogue)
        except CatalogueError as error:
            raise fail(str(error), NO) from None
        instant = time.time_ns() if now_ns is None else now_ns
        decision = engine.decide(document, catalogue=known, now_ns=instant)
        if document_only:
            print_json(whole_document(engine, document, decision, instant))
            return
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
