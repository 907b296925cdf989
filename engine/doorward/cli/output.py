"""How commands speak: colour on terminals only, errors on standard error, exit codes that scripts can count on."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

import typer

if TYPE_CHECKING:
    from doorward_dsl.capabilities import Capabilities
    from doorward_dsl.diagnostics import Diagnostic

__all__ = [
    "CAPABILITIES_HELP",
    "NO",
    "UNAVAILABLE",
    "USAGE",
    "diagnostic_json",
    "fail",
    "json_text",
    "print_diagnostics",
    "print_json",
    "read_allowed",
    "reported",
    "terminal_width",
]

NO: Final = 1
"""Policies with errors, or a decision other than allow."""

USAGE: Final = 2
"""The command was called wrongly."""

UNAVAILABLE: Final = 3
"""A file cannot be read, an address not be bound, a service not be reached."""


CAPABILITIES_HELP: Final = (
    "JSON document, as OPA's, of all that policies may use; `doorward capabilities` prints one to take things out of. "
    "Without it decisions use no built-in whose answer differs each time, and nothing reaches the network. "
    "With it they use what `builtins` holds, and http.send and net.lookup_ip_addr reach the hosts in `allow_net`: "
    "none where it is absent, unlike in OPA."
)


def read_allowed(path: Path | None) -> Capabilities | None:
    """The capabilities in a file, if one was named. Raises CapabilitiesError, OSError."""
    from doorward_dsl.capabilities import read_capabilities

    return None if path is None else read_capabilities(path.read_bytes())


def fail(message: str, code: int) -> typer.Exit:
    """Say what is wrong, in one line; the exit to raise."""
    typer.echo(f"doorward: {message}", err=True)
    return typer.Exit(code)


@contextmanager
def reported(*, as_json: bool = False) -> Iterator[None]:
    """Turn the errors that are expected into messages and exit codes."""
    from doorward_dsl.diagnostics import DoorwardError, PolicyError

    try:
        yield
    except PolicyError as error:
        if as_json:
            print_json({"diagnostics": [diagnostic_json(d) for d in error.diagnostics]})
        else:
            print_diagnostics(error.diagnostics)
        raise typer.Exit(NO) from None
    except DoorwardError as error:
        raise fail(str(error), NO) from None
    except OSError as error:
        place = f"`{error.filename}`: " if error.filename else ""
        raise fail(f"{place}{(error.strerror or str(error)).lower()}", UNAVAILABLE) from None


def print_diagnostics(diagnostics: Iterable[Diagnostic], stream: IO[str] | None = None) -> None:
    """Every message with the line it is about."""
    from doorward_dsl import render

    out = sys.stderr if stream is None else stream
    for diagnostic in diagnostics:
        typer.echo(render(diagnostic, color=out.isatty()), file=out)


def diagnostic_json(diagnostic: Diagnostic) -> dict[str, Any]:
    """A message for machines; lines and columns count from 1."""
    span = diagnostic.span
    end_line, end_column = span.source.position(span.end)
    return {
        "code": diagnostic.code,
        "rule": diagnostic.rule or None,
        "severity": diagnostic.severity,
        "message": diagnostic.message,
        "file": span.source.name,
        "line": span.line,
        "column": span.column,
        "end_line": end_line,
        "end_column": end_column,
        "hint": diagnostic.hint,
        "notes": [{"message": message, "place": str(place)} for message, place in diagnostic.notes],
    }


def json_text(value: Any, *, indent: bool = True) -> str:
    """JSON, indented or on one line; a number that a float cannot hold comes as the nearest one."""
    import orjson

    def nearest(item: Any) -> Any:
        if isinstance(item, Decimal):
            return float(item)
        raise TypeError

    try:
        return orjson.dumps(value, nearest, option=orjson.OPT_INDENT_2 if indent else None).decode()
    except orjson.JSONEncodeError:  # an integer of more than 64 bits
        import json

        separators = None if indent else (",", ":")
        return json.dumps(
            value, indent=2 if indent else None, separators=separators, ensure_ascii=False, default=float
        )


def print_json(value: Any) -> None:
    """Indented JSON on standard output."""
    typer.echo(json_text(value))


def terminal_width() -> int:
    """Columns to write for: those of the terminal, within reason; 100 where there is none."""
    import shutil

    return max(60, min(shutil.get_terminal_size((100, 24)).columns, 120))
