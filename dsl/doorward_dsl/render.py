"""Diagnostics as a terminal shows them: the place, the line with the place marked, the hint, the notes."""

from __future__ import annotations

import unicodedata

from doorward_dsl.diagnostics import Diagnostic
from doorward_dsl.source import Span

__all__ = ["render"]

_TAB = 4
_WIDEST = 160
"""Characters of a source line that are shown; a longer line is cut around the marked place."""

_COLORS = {
    "error": "\x1b[1;31m",
    "warning": "\x1b[1;33m",
    "bold": "\x1b[1m",
    "blue": "\x1b[1;34m",
    "cyan": "\x1b[36m",
}
_PLAIN = "\x1b[0m"


def render(diagnostic: Diagnostic, *, color: bool = False) -> str:
    """The diagnostic as text of several lines, without a line end.

    `color` adds ANSI escapes; control characters of the policy itself are always shown as `·`.
    """
    paint = _painted if color else _unpainted
    severity = paint(f"{diagnostic.severity}[{diagnostic.code}]", diagnostic.severity)
    lines = [f"{severity}: {paint(_visible(diagnostic.message), 'bold')}"]
    spans = [diagnostic.span, *(span for _, span in diagnostic.notes)]
    gutter = max(len(str(span.line)) for span in spans)
    lines += _excerpt(diagnostic.span, gutter, diagnostic.severity, color)
    if diagnostic.hint:
        lines.append(
            f"{' ' * gutter} {paint('=', 'blue')} {paint('hint', 'cyan')}: {_visible(diagnostic.hint)}"
        )
    for text, span in diagnostic.notes:
        lines.append(f"{' ' * gutter} {paint('=', 'blue')} {paint('note', 'bold')}: {_visible(text)}")
        lines += _excerpt(span, gutter, "blue", color)
    return "\n".join(lines)


def _excerpt(span: Span, gutter: int, mark_color: str, color: bool) -> list[str]:
    """`--> file:line:column`, the line, and the marks below it."""
    paint = _painted if color else _unpainted
    pad = " " * gutter
    number, column = span.source.position(span.start)
    line = span.source.line(number)
    at = column - 1
    first = max(0, at - _WIDEST // 2) if len(line) > _WIDEST else 0
    text = line[first : first + _WIDEST]
    before, rest = text[: at - first], text[at - first :]
    marked = rest[: max(0, span.end - span.start)]
    opening = "…" if first else ""
    ending = "…" if len(line) > first + _WIDEST else ""
    marks = "^" * max(1, _width(_shown(marked)))
    bar = paint("|", "blue")
    return [
        f"{pad}{paint('-->', 'blue')} {_visible(str(span))}",
        f"{pad} {bar}",
        f"{paint(str(number).rjust(gutter), 'blue')} {bar} {opening}{_shown(text)}{ending}",
        f"{pad} {bar} {' ' * _width(opening + _shown(before))}{paint(marks, mark_color)}",
    ]


def _shown(text: str) -> str:
    """What stands on the terminal for the text: tabs as spaces, what cannot be printed as a dot."""
    return "".join(" " * _TAB if character == "\t" else _visible(character) for character in text)


def _width(text: str) -> int:
    """Columns a terminal needs: wide characters take two, combining ones none."""
    width = 0
    for character in text:
        if unicodedata.combining(character):
            continue
        width += 2 if unicodedata.east_asian_width(character) in "WF" else 1
    return width


def _visible(text: str) -> str:
    return "".join(character if character.isprintable() else "·" for character in text)


def _painted(text: str, name: str) -> str:
    return f"{_COLORS[name]}{text}{_PLAIN}"


def _unpainted(text: str, _name: str) -> str:
    return text
