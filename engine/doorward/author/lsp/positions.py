"""Places as the language server protocol counts them: lines from 0, and columns in the code units that the client chose."""

from __future__ import annotations

import re
from bisect import bisect_right
from typing import Final

from lsprotocol.types import Position, PositionEncodingKind, Range

from doorward_dsl.source import Span

__all__ = ["UTF16", "Positions"]

UTF16: Final = PositionEncodingKind.Utf16.value
"""The encoding of clients that choose none."""

_CODECS: Final = {
    PositionEncodingKind.Utf8.value: ("utf-8", 1),
    PositionEncodingKind.Utf16.value: ("utf-16-le", 2),
    PositionEncodingKind.Utf32.value: ("utf-32-le", 4),
}
_LINE_END: Final = re.compile(r"\r\n|\n|\r")
"""What ends a line in the protocol; Python's own idea of lines has more."""


class Positions:
    """Offsets in one text, and the protocol's positions. Whatever a client sends lands inside of the text."""

    def __init__(self, text: str, encoding: str = UTF16) -> None:
        self._text = text
        self._codec, self._unit = _CODECS.get(encoding, _CODECS[UTF16])
        ends = list(_LINE_END.finditer(text))
        self._starts = [0, *(end.end() for end in ends)]
        self._ends = [*(end.start() for end in ends), len(text)]

    def position(self, offset: int) -> Position:
        """The position of a character."""
        offset = max(0, min(offset, len(self._text)))
        line = bisect_right(self._starts, offset) - 1
        return Position(line, self._units(self._text[self._starts[line] : offset]))

    def range(self, start: int, end: int) -> Range:
        """The range of the characters from `start` on, before `end`."""
        return Range(self.position(start), self.position(end))

    def of(self, span: Span) -> Range:
        """The range of a span of this text."""
        return self.range(span.start, span.end)

    def offset(self, position: Position) -> int:
        """The character at a position; the end of the line, or of the text, for one beyond it."""
        if position.line < 0:
            return 0
        if position.line >= len(self._starts):
            return len(self._text)
        start, end = self._starts[position.line], self._ends[position.line]
        line = self._text[start:end]
        if line.isascii():
            return start + max(0, min(position.character, end - start))
        before = self._encoded(line)[: max(0, position.character) * self._unit]
        return start + len(before.decode(self._codec, "ignore"))

    def _units(self, text: str) -> int:
        return len(text) if text.isascii() else len(self._encoded(text)) // self._unit

    def _encoded(self, text: str) -> bytes:
        return text.encode(self._codec, "surrogatepass")
