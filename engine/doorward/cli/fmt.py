"""`doorward fmt`: policies in their canonical form."""

from __future__ import annotations

import difflib
import os
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from doorward.cli.output import NO, UNAVAILABLE, USAGE, diagnostic_json, fail, print_diagnostics, print_json

if TYPE_CHECKING:
    from doorward_dsl.diagnostics import Diagnostic

__all__ = ["fmt", "register"]

_SUFFIXES = (".rego", ".ward")
_MAX_BYTES = 1 << 26
_STDIN = Path("-")
_BOLD, _RED, _GREEN, _CYAN, _PLAIN = "\x1b[1m", "\x1b[31m", "\x1b[32m", "\x1b[36m", "\x1b[0m"


def register(app: typer.Typer) -> None:
    """Adds `fmt`."""
    app.command()(fmt)


@dataclass(frozen=True, slots=True)
class _Result:
    """What became of one file: its canonical text, or what is wrong with it."""

    name: str
    before: str = ""
    after: str | None = None
    diagnostics: tuple[Diagnostic, ...] = ()
    problem: str = ""
    unavailable: bool = False

    @property
    def changes(self) -> bool:
        """Whether the file is not in canonical form."""
        return self.after is not None and self.after != self.before


def fmt(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(
            help="Files, or directories of .rego and .ward files; `-` for standard input.", show_default=False
        ),
    ] = None,
    check: Annotated[
        bool,
        typer.Option(
            "--check",
            help="Write nothing; name the files that would change, and exit with 1 if there are any.",
        ),
    ] = False,
    listed: Annotated[
        bool, typer.Option("--list", "-l", help="Write nothing; name the files that would change.")
    ] = False,
    diff: Annotated[
        bool, typer.Option("--diff", "-d", help="Write nothing; print what would change.")
    ] = False,
    write: Annotated[
        bool, typer.Option("--write", "-w", help="Write the files: what is done without other options.")
    ] = False,
    stdin_filename: Annotated[
        str, typer.Option(help="What standard input is called, in messages; its suffix tells Rego from Ward.")
    ] = "stdin.ward",
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """Bring policies into their one canonical form, in place; Rego as `opa fmt` would.

    A file is replaced only by a text that was parsed again and says the same, comments and all; it keeps its
    permissions. With `-`, standard input is formatted to standard output. Exit status 1 if a file cannot be
    parsed, or with --check if one would change.
    """
    given = paths or []
    if not given:
        raise fail("name files or directories to format, or `-` for standard input", USAGE)
    if write and (check or listed or diff):
        raise fail("--write does not go together with --check, --list or --diff", USAGE)
    if _STDIN in given and (len(given) > 1 or write):
        raise fail("`-` stands alone, and is not written to", USAGE)
    results = []
    writing = not (check or listed or diff)
    for path in _files(given):
        result = _stdin(stdin_filename) if path == _STDIN else _read(path)
        if writing and result.changes and path != _STDIN:
            result = _written(path, result)
        results.append(result)
    if as_json:
        print_json(_report(results, diff=diff))
    else:
        _print(results, stdin=_STDIN in given, writing=writing, diff=diff)
    if any(result.unavailable for result in results):
        raise typer.Exit(UNAVAILABLE)
    if any(result.after is None or (check and result.changes) for result in results):
        raise typer.Exit(NO)


# --- files -----------------------------------------------------------------------------------------------------


def _files(given: Iterable[Path]) -> Iterator[Path]:
    """The files that are meant, each once; hidden ones only where they are named."""
    seen: set[Path] = set()
    for path in given:
        if path == _STDIN:
            yield path
            continue
        if not path.is_dir() and path.suffix not in _SUFFIXES:
            raise fail(f"`{path}`: neither a directory nor a .rego or .ward file", USAGE)
        for found in _below(path) if path.is_dir() else [path]:
            real = Path(os.path.realpath(found))
            if real not in seen:
                seen.add(real)
                yield found


def _below(folder: Path) -> Iterator[Path]:
    def refuse(error: OSError) -> None:
        raise fail(f"`{error.filename}`: {(error.strerror or str(error)).lower()}", UNAVAILABLE)

    for place, folders, names in os.walk(folder, onerror=refuse):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if not name.startswith(".") and name.endswith(_SUFFIXES):
                yield Path(place, name)


def _read(path: Path) -> _Result:
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_BYTES + 1)
    except OSError as error:
        return _unavailable(str(path), error)
    return _formatted(str(path), content)


def _stdin(name: str) -> _Result:
    return _formatted(name, sys.stdin.buffer.read(_MAX_BYTES + 1))


def _formatted(name: str, content: bytes) -> _Result:
    from doorward_dsl import PolicyError, Source
    from doorward_dsl.format import FormatError, format_source

    if len(content) > _MAX_BYTES:
        return _Result(name, problem=f"the file is longer than {_MAX_BYTES} bytes")
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        return _Result(name, problem=f"the file is not UTF-8: byte {error.start} is not text")
    try:
        return _Result(name, text, format_source(Source(name, text)))
    except PolicyError as error:
        return _Result(name, text, diagnostics=tuple(error.diagnostics))
    except FormatError as error:
        return _Result(name, text, problem=f"{error}; it is left as it is")


def _written(path: Path, result: _Result) -> _Result:
    """Replace a file at once, unless it is no longer what was formatted; links stay links."""
    real = path.resolve()
    new: Path | None = None
    try:
        status = real.stat()
        handle, name = tempfile.mkstemp(dir=real.parent, prefix=f".{real.name}.", suffix=".tmp")
        new = Path(name)
        with os.fdopen(handle, "wb") as file:
            file.write((result.after or "").encode())
            file.flush()
            os.fsync(file.fileno())
        with suppress(PermissionError):
            os.chown(new, status.st_uid, status.st_gid)
        new.chmod(status.st_mode & 0o7777)
        if real.read_bytes() != result.before.encode():
            return replace(result, after=None, problem="the file changed meanwhile; it is left as it is")
        new.replace(real)
    except OSError as error:
        return _unavailable(result.name, error)
    finally:
        if new is not None:
            new.unlink(missing_ok=True)
    return result


def _unavailable(name: str, error: OSError) -> _Result:
    return _Result(name, problem=(error.strerror or str(error)).lower(), unavailable=True)


# --- what is said ----------------------------------------------------------------------------------------------


def _print(results: list[_Result], *, stdin: bool, writing: bool, diff: bool) -> None:
    for result in results:
        print_diagnostics(result.diagnostics)
        if result.problem:
            typer.echo(f"doorward: `{result.name}`: {result.problem}", err=True)
        if stdin and writing and result.after is not None:
            typer.echo(result.after.encode(), nl=False)
        elif diff and result.changes:
            for line in _diff(result):
                typer.echo(_coloured(line) if sys.stdout.isatty() else line)
        elif result.changes:
            typer.echo(result.name)
    if not stdin:
        changed = sum(result.changes for result in results)
        verb = "formatted" if writing else "would change"
        typer.echo(f"{changed} of {len(results)} files {verb}", err=True)


def _diff(result: _Result) -> Iterator[str]:
    before, after = (text.removesuffix("\n").split("\n") for text in (result.before, result.after or ""))
    yield from difflib.unified_diff(before, after, result.name, f"{result.name} (formatted)", lineterm="")


def _coloured(line: str) -> str:
    if line.startswith(("---", "+++")):
        return f"{_BOLD}{line}{_PLAIN}"
    colour = {"-": _RED, "+": _GREEN, "@": _CYAN}.get(line[:1])
    return line if colour is None else f"{colour}{line}{_PLAIN}"


def _report(results: list[_Result], *, diff: bool) -> dict[str, Any]:
    files = []
    for result in results:
        file: dict[str, Any] = {"file": result.name, "changes": result.changes}
        if result.problem:
            file["problem"] = result.problem
        if diff and result.changes:
            file["diff"] = "\n".join(_diff(result))
        files.append(file)
    diagnostics = [diagnostic_json(one) for result in results for one in result.diagnostics]
    return {"files": files, "diagnostics": diagnostics}
