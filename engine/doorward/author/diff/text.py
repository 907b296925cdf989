"""A report as a terminal shows it."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import Any, Final

from doorward.author.diff.report import Change, Group, Report

__all__ = ["render"]

_ESCAPES: Final = {"loses": "\x1b[1;31m", "gains": "\x1b[1;32m", "dim": "\x1b[2m", "heading": "\x1b[1m"}
_PLAIN: Final = "\x1b[0m"
_HEADINGS: Final = {
    "loses": "lose",
    "gains": "gain",
    "approvals": "need other consent",
    "masks": "see other values",
    "credential": "get another credential",
    "errors": "meet other errors",
}


def render(report: Report, *, color: bool = False, width: int = 100) -> str:
    """The report, without a line end."""
    return "\n".join(_lines(report, color, width))


def _lines(report: Report, color: bool, width: int) -> Iterator[str]:
    def paint(text: str, style: str) -> str:
        return f"{_ESCAPES[style]}{text}{_PLAIN}" if color and style in _ESCAPES else text

    yield f"{_requests(report.requests)}, {report.changed or 'none'} decided otherwise"
    if report.unlike:
        yield paint(
            f"{report.unlike} were decided otherwise than the old policies would: not by them?", "dim"
        )
    if report.refused:
        yield paint(f"{report.refused} are no access request; the first: {report.first_refused}", "dim")
    if report.masked:
        yield paint(f"{report.masked} were decided without what the log masks", "dim")
    if report.withheld:
        yield paint(f"{report.withheld} cannot be decided again: the log masks too much of them", "dim")
    heading = ""
    for group in report.groups:
        if group.difference.kind != heading:
            heading = group.difference.kind
            yield ""
            yield paint(_HEADINGS[heading], heading if heading in _ESCAPES else "heading")
        yield f"  {paint(group.difference.what, 'heading')}: {_requests(group.requests)} of {_who(group)}"
        for line in group.difference.because:
            yield from textwrap.wrap(line, width - 4, initial_indent="    ", subsequent_indent="      ")
        yield from (paint(line, "dim") for line in _example(group.example, width))


def _requests(number: int) -> str:
    return f"{number} request{'s' if number != 1 else ''}"


def _who(group: Group) -> str:
    most = [name or "(nobody)" for name, _ in group.principals.most_common(3)]
    more = len(group.principals) - len(most)
    return ", ".join(most) + (f" and {more} more" if more > 0 else "")


def _example(change: Change, width: int) -> Iterator[str]:
    logged = change.logged
    name = f" {logged.id}" if logged.id else ""
    told = f"for example {logged.place}{name}: {_told(logged.request)}"
    flat = " ".join(told.split())
    room = 2 * width
    yield from textwrap.wrap(
        flat if len(flat) <= room else flat[: room - 1] + "…",
        width - 4,
        initial_indent="    ",
        subsequent_indent="      ",
    )


def _told(request: dict[str, Any]) -> str:
    def of(section: str, name: str) -> str:
        part = request.get(section)
        return str(part.get(name) or "") if isinstance(part, dict) else ""

    groups = request["principal"].get("groups") if isinstance(request.get("principal"), dict) else None
    in_groups = f" ({', '.join(map(str, groups))})" if isinstance(groups, list) and groups else ""
    resource = of("resource", "name") or of("resource", "kind")
    where = f" on {resource}" + (
        f" ({of('resource', 'environment')})" if of("resource", "environment") else ""
    )
    kind = of("resource", "kind")
    operation = request.get(kind)
    asked = ""
    if isinstance(operation, dict):
        asked = next((f": {value}" for value in operation.values() if isinstance(value, str) and value), "")
    return f"{of('principal', 'id') or 'somebody'}{in_groups}, {of('action', 'name') or 'an action'}{where}{asked}"
