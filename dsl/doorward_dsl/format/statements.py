"""Ward's own statements.

    VERB ["reason"] PARTS … [if CONDITION] [unless CONDITION]

in this order, unless parts that were written in another have a comment between or behind them. A part that began a
line begins one still, indented by a tab.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from doorward_dsl.format.rules import RulePrinter
from doorward_dsl.format.terms import quoted
from doorward_dsl.format.writer import Work
from doorward_dsl.lex import KEYWORDS
from doorward_dsl.source import Span
from doorward_dsl.syntax import (
    Approve,
    Body,
    ContentTarget,
    Credential,
    FieldTarget,
    JsonPathTarget,
    Mask,
    Masker,
    MaskTarget,
    Module,
    Ref,
    Statement,
    Term,
    TermTarget,
)

__all__ = ["StatementPrinter", "duration", "path_text"]

_UNITS = (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1))
_WORD = re.compile(r"[A-Za-z_][A-Za-z_0-9]*")


@dataclass(frozen=True, slots=True)
class _Part:
    """A part of a statement: where it was written, and the task that writes it."""

    at: int | None
    work: Work
    condition: bool = False


class StatementPrinter(RulePrinter):
    """Puts `governs` and the decision statements."""

    def governs(self, module: Module) -> Work:
        """`governs KIND, …`"""
        if module.governs_span is not None:
            self.writer.mark(module.governs_span.start)
        self.writer.put(f"governs {', '.join(module.governs)}")
        return
        yield

    def statement(self, statement: Statement) -> Work:
        """A decision statement."""
        writer, layout = self.writer, self.layout
        writer.mark(statement.span.start)
        writer.put(type(statement).__name__.lower())
        level = writer.level
        self._braces = False
        parts = list(self._parts(statement))
        if writer.comment_in(statement.span.start, layout.line_end(statement.span.end)):
            parts.sort(key=lambda part: part.at or 0)
        for part in parts:
            word = None if part.at is None else layout.after(part.at)
            if word is not None and layout.begins_line(word) and not (part.condition and self._braces):
                writer.newline()
                writer.level = level + 1
                writer.mark(word.start)
            else:
                writer.put(" ")
            yield part.work
        writer.level = level

    def _parts(self, statement: Statement) -> Iterator[_Part]:
        place = _Place(self, statement.span)
        if statement.reason is not None:
            yield _Part(place.reason(), self._reason(statement.reason, place))
        if isinstance(statement, Mask):
            targets = [(target.span, self.target(target)) for target in statement.targets]
            yield _Part(place.after_reason(statement.reason), self._listed(targets))
            if statement.masker is not None:
                at = place.word_before(statement.masker.span)
                yield _Part(at, self._words("with ", self.masker(statement.masker)))
        elif isinstance(statement, Approve):
            groups = [(group.span, self.term(group)) for group in statement.groups]
            yield _Part(place.word("by"), self._words("by ", self._listed(groups)))
            if statement.within_ms is not None:
                at = place.word("within")
                yield _Part(at, self._words(f"within {self.duration(statement.within_ms, at)}"))
        elif isinstance(statement, Credential):
            if statement.ttl_ms is not None:
                at = place.word("ttl")
                yield _Part(at, self._words(f"ttl {self.duration(statement.ttl_ms, at)}"))
            if statement.single_use:
                yield _Part(place.word("single_use"), self._words("single_use"))
            if statement.role is not None:
                yield _Part(place.word("as"), self._words("as ", self.term(statement.role)))
        for word, body in (("if", statement.when), ("unless", statement.unless)):
            if body is not None:
                at = place.word_before(body[0].span)
                yield _Part(at, self._conditional(word, body, at), condition=True)

    # --- parts -----------------------------------------------------------------------------------------------

    def _words(self, words: str, rest: Work | None = None) -> Work:
        self.writer.put(words)
        if rest is not None:
            yield rest

    def _conditional(self, word: str, body: Body, at: int | None) -> Work:
        self.writer.put(word)
        yield self.condition(body, 0 if at is None else self.layout.row(at))

    def _reason(self, reason: str | Term, place: _Place) -> Work:
        if isinstance(reason, str):
            self.writer.put(place.reason_text() or quoted(reason))
        else:
            yield self.term(reason)

    def _listed(self, entries: Sequence[tuple[Span, Work]]) -> Work:
        """What commas separate, each on the line it was on, further lines indented."""
        level = self.writer.level
        row = self.layout.first_row(entries[0][0])
        for at, (span, work) in enumerate(entries):
            if at and self.layout.first_row(span) > row:
                row = self.layout.first_row(span)
                self.writer.put(",")
                self.writer.newline()
                self.writer.level = level + 1
                self.writer.mark(span.start)
            elif at:
                self.writer.put(", ")
            yield work
        self.writer.level = level

    def duration(self, milliseconds: int, at: int | None) -> str:
        """A duration after the word at a place of the source: as written, or in its largest unit."""
        written = None if at is None else self.layout.after(at + 1)
        return written.text if written is not None and written.kind == "DURATION" else duration(milliseconds)

    def target(self, target: MaskTarget) -> Work:
        """What is masked."""
        writer = self.writer
        writer.mark(target.span.start)
        if isinstance(target, TermTarget):
            yield self._bracketed(target.term)
        elif isinstance(target, FieldTarget):
            plain = all(part == "*" or _WORD.fullmatch(part) for part in target.parts)
            text = ".".join(target.parts)
            writer.put(text if plain and target.parts[0] not in KEYWORDS else quoted(text))
        elif isinstance(target, ContentTarget):
            writer.put(f"content({target.detector})")
        else:
            writer.put(self.layout.word(target.span, "JSON_PATH") or path_text(target))

    def _bracketed(self, term: Term) -> Work:
        """A term that is no `table.column`: the steps of a reference stand in brackets."""
        if not isinstance(term, Ref):
            yield self.term(term)
            return
        yield self.term(term.head)
        for part in term.path:
            self.writer.put("[")
            yield self._index(part)
            self.writer.put("]")

    def _index(self, part: Term) -> Work:
        value = getattr(part, "value", None)
        if isinstance(value, str):
            self.writer.put(quoted(value))
        else:
            yield self.term(part)

    def masker(self, masker: Masker) -> Work:
        """How it is masked."""
        self.writer.mark(masker.span.start)
        args = ", ".join(
            (self.layout.word(masker.span, "STRING") or quoted(arg)) if isinstance(arg, str) else str(arg)
            for arg in masker.args
        )
        self.writer.put(f"{masker.name}({args})" if args else masker.name)
        return
        yield


class _Place:
    """Where the words of a statement stand in the source, if there is one."""

    def __init__(self, printer: StatementPrinter, span: Span) -> None:
        self._layout = printer.layout
        self._span = span
        self._words: dict[str, int] = {}
        if self._layout.source is None:
            return
        depth = 0
        for token in self._layout.words(span):
            if depth == 0:
                self._words.setdefault(token.text, token.start)
                if token.text in ("if", "unless") and token.start > span.start:
                    break
            depth += (token.kind in ("LPAR", "LSQB", "LBRACE")) - (token.kind in ("RPAR", "RSQB", "RBRACE"))

    def word(self, text: str) -> int | None:
        """The place of one of the statement's own words."""
        return self._words.get(text)

    def word_before(self, span: Span) -> int | None:
        """The place of the word that a part begins with: the one before it, or before its opening brace."""
        word = self._layout.before(span.start)
        if word is not None and word.text == "{":
            word = self._layout.before(word.start)
        return None if word is None else word.start

    def reason(self) -> int | None:
        """The place of the reason: right after the verb."""
        word = self._layout.after(self._span.start + 1)
        return None if word is None else word.start

    def after_reason(self, reason: str | Term | None) -> int | None:
        """The place of what follows the reason, or the verb where there is none."""
        at: int | None = self._span.start + 1
        if isinstance(reason, str):
            word = self._layout.after(self._span.start + 1)
            at = None if word is None else word.end
        elif reason is not None:
            at = reason.span.end
        word = None if at is None else self._layout.after(at)
        return None if word is None else word.start

    def reason_text(self) -> str | None:
        """The reason as it was written."""
        word = self._layout.after(self._span.start + 1)
        return word.text if word is not None and word.kind == "STRING" else None


def duration(milliseconds: int) -> str:
    """A duration in the largest unit that makes it a whole number: `90000` is `90s`."""
    unit, size = next((unit, size) for unit, size in _UNITS if milliseconds % size == 0)
    return f"{milliseconds // size}{unit}"


def path_text(target: JsonPathTarget) -> str:
    """A JSON path: `$.items[*].card`."""
    text = "$"
    for step in target.steps:
        if isinstance(step, int) or step == "*":
            text += f"[{step}]"
        else:
            text += f".{step}" if _WORD.fullmatch(step) else f'["{step}"]'
    return text
