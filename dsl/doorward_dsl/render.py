"""Diagnostics as a terminal shows them: the place, the line with the place marked, the hint, the notes."""

from __future__ import annotations

import unicodedata

from doorward_dsl.diagnostics import Diagnostic
from doorward_dsl.source import Span

__all__ = ["render"]

_TAB = 4
_WIDEST = 160
"""Columns of a source line that are shown; a longer line is cut around the marked place."""

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
    text = span.source.line(number)
    last = min(span.end, span.start - (column - 1) + len(text))
    before, marked = (
        _columns(text[: column - 1]),
        _columns(text[column - 1 : column - 1 + max(0, last - span.start)]),
    )
    shown = "".join(_cell(character) for character in text)
    offset = len(before)
    start = 0
    if len(shown) > _WIDEST:
        start = max(0, min(offset - _WIDEST // 2, len(shown) - _WIDEST))
        shown = ("…" if start else "") + shown[start + bool(start) : start + _WIDEST] + "…"
    marks = "^" * max(1, min(_width(marked), _WIDEST))
    indent = " " * _width("".join(_cell(c) for c in text[: column - 1])[start:])
    bar = paint("|", "blue")
    return [
        f"{pad}{paint('-->', 'blue')} {_visible(str(span))}",
        f"{pad} {bar}",
        f"{paint(str(number).rjust(gutter), 'blue')} {bar} {shown}",
        f"{pad} {bar} {indent}{paint(marks, mark_color)}",
    ]


def _cell(character: str) -> str:
    """What is shown for one character of the source."""
    if character == "\t":
        return " " * _TAB
    return character if character.isprintable() else "·"


def _columns(text: str) -> str:
    return "".join(_cell(character) for character in text)


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
