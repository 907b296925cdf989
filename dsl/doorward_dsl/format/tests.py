"""Test blocks."""

from __future__ import annotations

from collections.abc import Iterator

from doorward_dsl.format.statements import StatementPrinter, duration
from doorward_dsl.format.terms import quoted
from doorward_dsl.format.writer import Work
from doorward_dsl.source import Span
from doorward_dsl.syntax import (
    ExpectCondition,
    ExpectCredential,
    ExpectDetermining,
    ExpectError,
    ExpectMask,
    ExpectReason,
    ExpectVerdict,
    Given,
    SomeIn,
    Term,
    TestBlock,
    TestStep,
    When,
)

__all__ = ["WardPrinter"]


class WardPrinter(StatementPrinter):
    """Puts everything that a `.ward` file may hold."""

    def test(self, block: TestBlock) -> Work:
        """`test "name" { … }`, a step a line."""
        writer, layout = self.writer, self.layout
        writer.mark(block.span.start)
        writer.put(f"test {layout.word(block.name_span, 'STRING') or quoted(block.name)} {{")
        writer.newline()
        writer.level += 1
        row = 0
        for at, step in enumerate((*block.cases, *block.steps)):
            if at:
                self.writer.blank() if layout.first_row(step.span) > row + 1 else self.writer.newline()
            row = layout.last_row(step.span)
            yield self.unit(step.span, self._case(step) if isinstance(step, SomeIn) else self.step(step))
        writer.newline()
        writer.mark(block.span.end - 1)
        writer.level -= 1
        writer.put("}")

    def _case(self, case: SomeIn) -> Work:
        yield self.expression(case)

    def step(self, step: TestStep) -> Work:
        """What is given, what happens, or what is expected."""
        self.writer.mark(step.span.start)
        if isinstance(step, Given):
            self.writer.put("given ")
            yield self.term(step.target)
            self.writer.put(" := ")
            yield self.term(step.value)
        elif isinstance(step, When):
            action = "" if step.action is None else f" {step.action}"
            self.writer.put(f"when {step.kind}{action}")
            if step.operation is not None:
                self.writer.put(" ")
                yield self.term(step.operation)
        elif isinstance(step, ExpectCondition):
            self.writer.put("expect if")
            yield self.condition(step.body, self.layout.first_row(step.span))
        else:
            self.writer.put("expect no" if getattr(step, "negated", False) else "expect")
            for part in self._expected(step):
                self.writer.put(" ")
                yield part

    def _expected(
        self,
        step: ExpectVerdict | ExpectMask | ExpectCredential | ExpectReason | ExpectDetermining | ExpectError,
    ) -> Iterator[Work]:
        if isinstance(step, ExpectVerdict):
            yield self._words("approval" if step.negated else step.verdict)
            yield from self._optional(step.reason)
            if step.groups:
                yield self._words("by ", self._terms(step.groups))
            yield from self._lasting("within", step.within_ms, step.span)
        elif isinstance(step, ExpectMask):
            yield self._words("mask")
            if step.targets:
                yield self._listed([(target.span, self.target(target)) for target in step.targets])
            if step.masker is not None:
                yield self._words("with ", self.masker(step.masker))
        elif isinstance(step, ExpectCredential):
            yield self._words("credential")
            yield from self._lasting("ttl", step.ttl_ms, step.span)
            if step.single_use:
                yield self._words("single_use")
            if step.role is not None:
                yield self._words("as ", self.term(step.role))
        elif isinstance(step, ExpectReason):
            yield self._words("reason ", self.term(step.text))
        elif isinstance(step, ExpectDetermining):
            yield self._words("determining ", self._terms(step.texts))
        else:
            yield self._words("error")
            yield from self._optional(step.text)

    def _optional(self, term: Term | None) -> Iterator[Work]:
        if term is not None:
            yield self.term(term)

    def _terms(self, terms: tuple[Term, ...]) -> Work:
        return self._listed([(term.span, self.term(term)) for term in terms])

    def _lasting(self, word: str, milliseconds: int | None, span: Span) -> Iterator[Work]:
        if milliseconds is not None:
            written = self.layout.word(span, "DURATION")
            yield self._words(f"{word} {written or duration(milliseconds)}")
