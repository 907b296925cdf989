"""Lines, indentation, blank lines, and the comments between them.

A `Writer` is told what to put and where that stands in the source (`mark`); comments that stand before that place are
written first, each where a comment can stand: at the end of a line, or on a line of its own.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from doorward_dsl.syntax import Comment

__all__ = ["Work", "Writer", "run"]

Work: TypeAlias = "Generator[Work, None, None]"
"""A printing task: it puts text, and yields the tasks that are to be done before it goes on."""


def run(work: Work) -> None:
    """Do a task and all it yields, without recursion: text may be nested as deeply as the parser lets it."""
    stack = [work]
    while stack:
        inner = next(stack[-1], None)
        if inner is None:
            stack.pop()
        else:
            stack.append(inner)


@dataclass(frozen=True, slots=True)
class _Mark:
    """Where a writer was."""

    lines: int
    pieces: tuple[str, ...]
    ends: int
    waiting: Comment | None
    at: int
    level: int


class Writer:
    """Text in the making."""

    def __init__(self, comments: Sequence[Comment] = ()) -> None:
        self.level = 0
        """How many tabs the next line begins with."""
        self.awkward = False
        """A comment was met where none can be written; whoever set this back must write the place as it was."""
        self._comments = comments
        self._starts = [comment.span.start for comment in comments]
        self._at = 0
        """How many comments are written."""
        self._lines: list[str] = []
        self._pieces: list[str] = []
        self._ends = 0
        """What is due before the next text: 0 nothing, 1 a new line, 2 an empty line as well."""
        self._waiting: Comment | None = None
        """A comment for the end of the present line."""

    def text(self) -> str:
        """All that was written, with the comments that are left."""
        if self._at < len(self._comments):
            self.blank()
            self._flush(len(self._comments), None)
        self._end()
        while self._lines and not self._lines[-1]:
            self._lines.pop()
        return "".join(f"{line}\n" for line in self._lines)

    # --- text ------------------------------------------------------------------------------------------------

    def put(self, text: str) -> None:
        """Text on the present line."""
        if not text:
            return
        if self._ends:
            self._end()
        if not self._pieces:
            self._pieces.append("\t" * self.level)
        self._pieces.append(text)

    @property
    def rows(self) -> int:
        """How many lines are begun."""
        return len(self._lines) + bool(self._pieces) + self._ends - bool(self._ends)

    @property
    def column(self) -> int:
        """How many characters the present line has; a tab counts as four."""
        if self._ends or not self._pieces:
            return 4 * self.level
        return sum(len(piece) for piece in self._pieces) + 3 * len(self._pieces[0])

    def newline(self) -> None:
        """What comes next stands on a new line."""
        if self._pieces:
            self._ends = max(self._ends, 1)

    def blank(self) -> None:
        """What comes next stands on a new line, after an empty one."""
        if self._pieces or self._lines:
            self._ends = 2

    def _end(self) -> None:
        if self._waiting is not None:
            self._pieces.append(f" #{self._waiting.text.rstrip()}")
            self._waiting = None
        if self._pieces:
            self._lines.append("".join(self._pieces))
            self._pieces = []
        if self._ends == 2 and self._lines and self._lines[-1]:
            self._lines.append("")
        self._ends = 0

    # --- comments --------------------------------------------------------------------------------------------

    def mark(self, offset: int) -> None:
        """What comes next stands at `offset` of the source: write the comments before it."""
        last = bisect_left(self._starts, offset, self._at)
        if last > self._at:
            self._flush(last, offset)

    def skip(self, offset: int) -> None:
        """Comments before `offset` have been written already."""
        self._at = bisect_left(self._starts, offset, self._at)

    def comment_in(self, start: int, end: int) -> bool:
        """Whether a comment that is not written yet stands between two places."""
        at = bisect_left(self._starts, start, self._at)
        return at < len(self._starts) and self._starts[at] < end

    def settle(self, offset: int) -> None:
        """A node is complete, and the next word stands at `offset`: only one comment can stand behind the node."""
        behind = self._at < len(self._starts) and self._starts[self._at] < offset
        if self._waiting is not None and behind and _trails(self._comments[self._at]):
            self.awkward = True

    def _flush(self, last: int, offset: int | None) -> None:
        due = list(self._comments[self._at : last])
        self._at = last
        if self._pieces and not self._ends:
            if len(due) > 1 or self._waiting is not None or not _trails(due[0]):
                self.awkward = True
            self._waiting = due[0]
            return
        if self._pieces and _trails(due[0]):
            if self._waiting is not None:
                self.awkward = True
            self._waiting = due.pop(0)
        if not due:
            return
        self._end()
        before = 0
        described = False
        for comment in due:
            row = comment.span.line
            described = described and row == before + 1
            heads = comment.text.strip() == "METADATA"
            if before and (row > before + 1 or (heads and described)):
                self.blank()
            described = described or heads
            self.put(f"#{comment.text.rstrip()}")
            self.newline()
            before = row
        if offset is not None and comment.span.source.position(offset)[0] > before + 1:
            self.blank()

    # --- going back ------------------------------------------------------------------------------------------

    def save(self) -> _Mark:
        """Where the writer is now."""
        return _Mark(len(self._lines), tuple(self._pieces), self._ends, self._waiting, self._at, self.level)

    def restore(self, mark: _Mark) -> None:
        """Forget what was written since."""
        del self._lines[mark.lines :]
        self._pieces = list(mark.pieces)
        self._ends = mark.ends
        self._waiting = mark.waiting
        self._at = mark.at
        self.level = mark.level
        self.awkward = False


def _trails(comment: Comment) -> bool:
    """Whether something stands before the comment on its line."""
    span = comment.span
    text = span.source.text
    return bool(text[text.rfind("\n", 0, span.start) + 1 : span.start].strip(" \t\r\ufeff"))
