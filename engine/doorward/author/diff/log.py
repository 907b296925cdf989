"""The decision log: requests as they were decided, to be decided again.

A log is UTF-8 text, one JSON object a line:

    {"id": "…", "time": "2026-11-20T18:46:58.123456789Z", "revision": "…",
     "request": {…}, "decision": {…}, "catalogue": "…"}

- `id`: the decision's; `time`: the instant of the decision, RFC 3339 in UTC with up to nine digits of a second: the
  clock that the policies saw; `revision`: of the policies that decided;
- `request`: the access request as it was sent; `decision`: the answer, as `Decision.to_dict()` has it. Its `effects`,
  if any, are answered again;
- `catalogue`: the content hash of what the operation was read against, or the catalogue's document itself; absent
  where there was none. Documents stand in lines of their own, before the decisions that name them:
  `{"kind": "catalogue", "catalogue": "<hash>", "document": {…}}`;
- `kind`: `decision`, or absent, for a decision. Lines of kinds that a reader does not know, and members that it does
  not know, are passed over;
- `erased`, `masked`: JSON pointers into the line, to what was taken out before it was written, and to what was written
  over.

Only `request` must be there, unless it was erased. A request that stands alone, as in a file of its own, is decided as of
now. A last line that is cut short is passed over: somebody may be writing it.
"""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import orjson

from doorward.facts.postgres import Catalogue
from doorward.facts.postgres.catalogue import CatalogueError
from doorward.run.effects import Effect
from doorward.run.exact import loads_exactly
from doorward_dsl.diagnostics import DoorwardError

__all__ = ["LogError", "Logged", "read_log"]

_LONGEST: Final = 64 << 20
"""Bytes of one line."""

_INSTANT: Final = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)")

_PACKED: Final = ".jsonl.gz"
_ENDINGS: Final = (".json", ".jsonl", _PACKED)

_BEGINNING: Final = b'{"kind":'
"""So begins the first line that the service writes."""

_NEEDED: Final = ("/request", "/decision/effects")
"""Where in a line that stands from which a decision follows."""


class LogError(DoorwardError):
    """What was given as a log is none. The message names the file and the line."""


@dataclass(slots=True)
class Logged:
    """One request, and what is known of how it was decided."""

    place: str
    """`file:line`, or the file."""
    id: str
    request: dict[str, Any]
    now_ns: int | None
    """The instant of the decision; None where none is recorded."""
    catalogue: Catalogue | None = None
    effects: tuple[Effect, ...] = ()
    verdict: str = ""
    """What was decided then; empty where that is not recorded."""
    revision: str = ""
    withheld: bool = False
    """Not all of the request is there, for some of it was masked."""


@dataclass(slots=True)
class _Catalogues:
    given: Catalogue | None
    known: dict[str, Catalogue] = field(default_factory=dict)

    def learn(self, name: str, document: Any, place: str) -> None:
        if name not in self.known:  # every file of a log has it
            self.known[name] = _catalogue(orjson.dumps(document), place)

    def of(self, stated: Any, place: str) -> Catalogue | None:
        if stated is None or stated == "":
            return self.given
        if isinstance(stated, dict):
            text = orjson.dumps(stated)
            name = f"document {hash(text)}"
            if name not in self.known:
                self.known[name] = _catalogue(text, place)
            return self.known[name]
        if isinstance(stated, str) and stated in self.known:
            return self.known[stated]
        if self.given is not None:
            return self.given
        raise LogError(f"{place}: the catalogue `{str(stated)[:80]}` is neither in the log nor given")


def read_log(path: Path, catalogue: Catalogue | None = None) -> Iterator[Logged]:
    """Every request of a log file, in order, or of a folder of files: `*.jsonl` and `*.jsonl.gz` are logs, `*.json` one
    request each.

    `catalogue` stands in for one that is not in the log. Raises LogError, OSError.
    """
    catalogues = _Catalogues(catalogue)
    if not path.is_dir():
        yield from _file(path, path.name, catalogues)
        return
    files = {file for file in path.rglob("*") if file.name.endswith(_ENDINGS) and file.is_file()}
    for file in sorted(files):
        if file.name.endswith(_PACKED) and file.with_suffix("") in files:
            continue  # being packed just now
        yield from _file(file, file.relative_to(path).as_posix(), catalogues)


def _file(path: Path, name: str, catalogues: _Catalogues) -> Iterator[Logged]:
    if path.suffix == ".json":
        yield _logged(_loaded(path.read_bytes(), name), name, catalogues)
        return
    with gzip.open(path) if path.name.endswith(".gz") else path.open("rb") as lines:
        for number, line in enumerate(_bounded(lines, name), 1):
            if not line.strip():
                continue
            place = f"{name}:{number}"
            try:
                entry = _loaded(line, place)
            except LogError:
                if line.endswith(b"\n") or (number == 1 and not line.startswith(_BEGINNING)):
                    raise
                return
            kind = entry.get("kind", "decision")
            if kind == "catalogue":
                catalogues.learn(str(entry.get("catalogue")), entry.get("document"), place)
            elif kind == "decision" or "request" in entry:
                yield _logged(entry, place, catalogues)


def _bounded(lines: Any, name: str) -> Iterator[bytes]:
    number = 0
    try:
        while line := lines.readline(_LONGEST + 1):
            number += 1
            if len(line) > _LONGEST:
                raise LogError(f"{name}:{number}: the line is longer than {_LONGEST} bytes")
            yield line
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise LogError(f"{name}: not a whole gzip file: {error}") from None


def _loaded(text: bytes, place: str) -> dict[str, Any]:
    try:
        entry = loads_exactly(text)
    except (ValueError, ArithmeticError, RecursionError) as error:
        raise LogError(f"{place}: not JSON: {error}") from None
    if not isinstance(entry, dict):
        raise LogError(f"{place}: not a JSON object")
    return entry


def _logged(entry: Mapping[str, Any], place: str, catalogues: _Catalogues) -> Logged:
    if "request" not in entry and "resource" in entry:
        return Logged(place, "", dict(entry), None, catalogues.given)
    request, decision = entry.get("request"), entry.get("decision")
    withheld = any(
        isinstance(place, str) and place.startswith(_NEEDED)
        for part in ("erased", "masked")
        for place in entry.get(part) or ()
    )
    if withheld and not isinstance(request, dict):
        request = {}
    if not isinstance(request, dict):
        raise LogError(f"{place}: there is no `request`")
    decision = decision if isinstance(decision, dict) else {}
    return Logged(
        place=place,
        id=str(entry.get("id") or decision.get("decision_id") or ""),
        request=request,
        now_ns=_instant(entry.get("time"), place),
        catalogue=catalogues.of(entry.get("catalogue"), place),
        effects=_effects(decision.get("effects") or (), place),
        verdict=str(decision.get("verdict") or ""),
        revision=str(entry.get("revision") or decision.get("revision") or ""),
        withheld=withheld,
    )


def _instant(text: Any, place: str) -> int | None:
    """Nanoseconds since 1970."""
    if text is None or text == "":
        return None
    found = _INSTANT.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        raise LogError(f"{place}: `time` is not RFC 3339: `{str(text)[:40]}`")
    try:
        seconds = datetime.fromisoformat(found[1] + found[3].replace("Z", "+00:00")).astimezone(UTC)
    except ValueError as error:
        raise LogError(f"{place}: `time` is no instant: {error}") from None
    return int(seconds.timestamp()) * 1_000_000_000 + int((found[2] or "0").ljust(9, "0"))


def _effects(stated: Iterable[Any], place: str) -> tuple[Effect, ...]:
    try:
        return tuple(Effect(**one) for one in stated)
    except TypeError:
        raise LogError(f"{place}: the decision's `effects` are not as they were recorded") from None


def _catalogue(text: bytes, place: str) -> Catalogue:
    try:
        return Catalogue.from_json(text)
    except CatalogueError as error:
        raise LogError(f"{place}: {error}") from None
