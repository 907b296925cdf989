"""`doorward sessions`, `doorward replay`, `doorward verify`: the evidence."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from doorward_gateway.cli.shared import (
    REFUSED,
    UNAVAILABLE,
    USAGE,
    AsJson,
    TokenFile,
    call,
    console,
    fail,
    print_json,
    read_token,
)

__all__ = ["replay", "sessions", "verify"]

_Record = Annotated[Path, typer.Option("--record", help="The directory of a gateway's record.")]


def sessions(
    record: Annotated[
        Path | None, typer.Option("--record", help="From a record: every session that there was.")
    ] = None,
    gateway: Annotated[
        str | None,
        typer.Option(
            "--gateway", envvar="DOORWARD_GATEWAY", help="From a gateway: the sessions that are live."
        ),
    ] = None,
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """List sessions: those of a record, or those that are live on a gateway."""
    from doorward_gateway.recording.transcript import live_table, session_table

    if record is not None:
        from doorward_gateway.recording.sessions import list_sessions

        try:
            found = list_sessions(_existing(record))
        except OSError as error:
            fail(f"cannot read `{record}`: {error.strerror}", UNAVAILABLE)
        if as_json:
            print_json({"sessions": [session.document() for session in found]})
        else:
            console().print(session_table(found))
    elif gateway is not None:
        document = call(gateway, "GET", "/v1/sessions", read_token(token_file, gateway))
        if as_json:
            print_json(document)
        else:
            console().print(live_table(document["sessions"]))
    else:
        fail("say where: --record DIRECTORY or --gateway URL", USAGE)


def replay(
    session: Annotated[str, typer.Argument(help="The session, or the beginning of its name.")],
    record: _Record,
    as_json: AsJson = False,
) -> None:
    """Show a session as it was: who, from which step, what, decided how and why, and the answer as it was
    seen.

    Exit status: 0 shown, 1 there is no such session (or several), 3 the record cannot be read.
    """
    from doorward_gateway.recording.sessions import AmbiguousSession, read_session
    from doorward_gateway.recording.transcript import transcript

    try:
        records = read_session(_existing(record), session)
    except AmbiguousSession as error:
        fail(str(error), REFUSED)
    except OSError as error:
        fail(f"cannot read `{record}`: {error.strerror}", UNAVAILABLE)
    if not records:
        fail(f"there is no session `{session}` in `{record}`", REFUSED)
    if as_json:
        for entry in records:
            print_json(entry.document())
    else:
        out = console()
        for line in transcript(records):
            out.print(line)


def verify(
    record: Annotated[Path, typer.Argument(help="The directory of a gateway's record.")],
    key: Annotated[
        list[Path] | None,
        typer.Option(
            help="A public key (PEM) that may have sealed the record, kept elsewhere; without it, the record's own is believed."
        ),
    ] = None,
    seals: Annotated[list[Path] | None, typer.Option(help="A copy of the seals, kept elsewhere.")] = None,
    as_json: AsJson = False,
) -> None:
    """Check that nothing in a record was changed, dropped, reordered or cut off; name the first bad record.

    Needs nothing but the directory. With a key and a copy of the seals that were kept elsewhere, nobody who holds the machine
    can have written it anew. Exit status: 0 it is whole, 1 it is not, 2 wrongly called, 3 it cannot be read.
    """
    from doorward_gateway.recording.verify import verify_record

    try:
        report = verify_record(_existing(record), keys=key or (), copies=seals or ())
    except OSError as error:
        fail(f"cannot read `{error.filename or record}`: {error.strerror}", UNAVAILABLE)
    except ValueError as error:
        fail(str(error), USAGE)
    if as_json:
        print_json(report.document())
    else:
        from rich.text import Text

        style = "green" if report.problem is None else "bold red"
        console().print(Text(report.sentence(), style=style), soft_wrap=True)
    if report.problem is not None:
        raise typer.Exit(REFUSED)


def _existing(record: Path) -> Path:
    if not record.is_dir():
        fail(f"there is no directory `{record}`", UNAVAILABLE)
    return record
