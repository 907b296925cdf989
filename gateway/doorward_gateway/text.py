"""Text of callers, made fit to be shown to people."""

from __future__ import annotations

__all__ = ["one_line", "printable"]


def printable(text: str) -> str:
    """`text` with everything that could steer a terminal or turn the reading direction written out as
    `\\x1b`.

    Line ends stay; tabs become spaces.
    """
    if text.isprintable():
        return text
    return "".join(
        c if c.isprintable() or c == "\n" else "    " if c == "\t" else c.encode("unicode_escape").decode()
        for c in text
    )


def one_line(text: str, width: int = 80) -> str:
    """`text`, printable, its white space folded, cut to `width` characters."""
    line = " ".join(printable(text).split())
    return line if len(line) <= width else line[: width - 1] + "…"
