"""How the user laid a file out: where lines end, and how what can be written in several ways was written.

A tree without text, such as a translation, has a `Layout` too: everything that may stand on one line does.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from functools import cached_property

from doorward_dsl.lex import Token, lex
from doorward_dsl.source import Source, Span

__all__ = ["Layout"]


class Layout:
    """The words of one source; without a source, no answer but the plainest.

    `width` is how many columns a line may have that no user has broken.
    """

    def __init__(self, source: Source | None = None, width: int | None = None) -> None:
        self.source = source
        self.width = width

    @cached_property
    def _tokens(self) -> list[Token]:
        return lex(self.source).tokens if self.source is not None else []

    @cached_property
    def _starts(self) -> list[int]:
        return [token.start for token in self._tokens]

    def row(self, offset: int) -> int:
        """The line of a place."""
        return 0 if self.source is None else self.source.position(offset)[0]

    def first_row(self, span: Span) -> int:
        """The line a node begins on."""
        return self.row(span.start)

    def last_row(self, span: Span) -> int:
        """The line a node ends on."""
        return self.row(max(span.start, span.end - 1))

    def line_end(self, offset: int) -> int:
        """Where the line of a place ends."""
        end = -1 if self.source is None else self.source.text.find("\n", offset)
        return end if end >= 0 else offset if self.source is None else len(self.source.text)

    def word(self, span: Span, kind: str) -> str | None:
        """The first word of a kind within a node, as written."""
        return next((token.text for token in self.words(span) if token.kind == kind), None)

    def words(self, span: Span) -> Iterator[Token]:
        """The words within a node."""
        at = bisect_left(self._starts, span.start)
        while at < len(self._tokens) and self._starts[at] < span.end:
            yield self._tokens[at]
            at += 1

    def before(self, offset: int) -> Token | None:
        """The last word that begins before a place."""
        at = bisect_left(self._starts, offset)
        return self._tokens[at - 1] if at else None

    def after(self, offset: int) -> Token | None:
        """The first word at a place or after it."""
        at = bisect_left(self._starts, offset)
        return self._tokens[at] if at < len(self._tokens) else None

    def closing(self, offset: int, default: int) -> int:
        """Where the bracket stands that closes a list whose last entry ends at a place."""
        word = self.after(offset)
        while word is not None and word.text == ",":
            word = self.after(word.end)
        return default if word is None else word.start

    def braces_end(self, start: int, end: int) -> int:
        """Where the brace stands that closes what is between two places; the second, if there are no braces."""
        opening, closing = self.before(start), self.after(end)
        braced = opening is not None and opening.text == "{" and closing is not None and closing.text == "}"
        return closing.start if braced and closing is not None else end

    def starts_with(self, span: Span, text: str) -> bool:
        """Whether a node, as written, begins with a text."""
        return self.source is not None and self.source.text.startswith(text, span.start, span.end)

    def begins_line(self, token: Token) -> bool:
        """Whether a word is the first of its line."""
        at = bisect_left(self._starts, token.start)
        return at == 0 or self.row(self._tokens[at - 1].end - 1) < self.row(token.start)
