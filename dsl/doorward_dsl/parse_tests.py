"""Builder methods for `test` blocks: what is given, what happens, what is expected of the decision."""

from __future__ import annotations

from typing import Any, Final, TypeAlias

from doorward_dsl.lex import Token
from doorward_dsl.parse_terms import a_kind_of
from doorward_dsl.parse_ward import WardBuilder
from doorward_dsl.source import Span
from doorward_dsl.suggest import near_miss
from doorward_dsl.syntax import (
    ExpectCondition,
    ExpectCredential,
    ExpectDetermining,
    ExpectError,
    ExpectMask,
    ExpectReason,
    ExpectVerdict,
    Given,
    Literal,
    MaskTarget,
    Ref,
    Scalar,
    SomeDecl,
    SomeIn,
    Template,
    Term,
    TestBlock,
    TestStep,
    Var,
    When,
)

__all__ = ["TestBuilder"]

_Word: TypeAlias = "Term | Token"

_VERDICTS: Final = ("allow", "block", "approve")
_EXPECTED: Final = (*_VERDICTS, "mask", "credential", "reason", "determining", "error", "approval")
_FOREIGN: Final = {
    "deny": "block",
    "denied": "block",
    "refuse": "block",
    "reject": "block",
    "blocked": "block",
    "allowed": "allow",
    "permit": "allow",
    "approved": "approve",
    "masked": "mask",
    "reasons": "determining",
}
_FORMS: Final = {
    "allow": '`expect allow "reason"`',
    "block": '`expect block "reason"`',
    "approve": '`expect approve "reason" by "group" within 15m`',
    "approval": "`expect no approval`",
    "mask": "`expect mask table.column with redact` or `expect no mask`",
    "credential": '`expect credential ttl 15m single_use as "role"` or `expect no credential`',
    "reason": '`expect reason "text"` or `expect no reason "text"`',
    "determining": '`expect determining "text", "text"`',
    "error": '`expect error "eval_builtin_error"` or `expect no error`',
}


class TestBuilder(WardBuilder):
    """Makes test blocks and the statements that belong to them."""

    __test__ = False

    def ward_test(
        self, word: Token, name: Token, _brace: Token, items: list[TestStep | SomeIn], closing: Token
    ) -> TestBlock:
        """`test "name" { … }`"""
        cases = tuple(item for item in items if isinstance(item, SomeIn))
        steps = tuple(item for item in items if not isinstance(item, SomeIn))
        late = next((case for case in items[len(cases) :] if isinstance(case, SomeIn)), None)
        if late is not None:
            raise self.refuse("the cases of a test come before all else in it", late.span)
        named = self.string(name)
        return TestBlock(str(named.value), named.span, cases, steps, self.span(word.start, closing.end))

    def cases(self, word: Token, items: list[Term]) -> SomeIn:
        """`some role in {"a", "b"}`"""
        some = self.some(word, items)
        if isinstance(some, SomeDecl):
            raise self.refuse(
                "a test's `some` names the values it runs for", some.span, "write `some x in xs`"
            )
        return some

    def given(self, word: Token, target: Term, _mark: Token, value: Term) -> Given:
        """`given principal.groups := ["dba"]`"""
        head = target.head if isinstance(target, Ref) else target
        if not isinstance(head, Var):
            raise self.refuse(
                f"{a_kind_of(target)} cannot be given", target.span, "write `given principal.id := …`"
            )
        return Given(target, value, self.span(word.start, value.span.end))

    # --- when ------------------------------------------------------------------------------------------------

    def operation(self, word: Token, kind: Token) -> When:
        """`when postgres`"""
        return self._when(word, kind, None, None)

    def operation_action(self, word: Token, kind: Token, action: Token) -> When:
        """`when postgres connect`"""
        return self._when(word, kind, action, None)

    def operation_of(self, word: Token, kind: Token, operation: Term) -> When:
        """`when postgres `select 1``"""
        return self._when(word, kind, None, operation)

    def operation_action_of(self, word: Token, kind: Token, action: Token, operation: Term) -> When:
        """`when ssh exec `uptime``"""
        return self._when(word, kind, action, operation)

    def _when(self, word: Token, kind: Token, action: Token | None, operation: Term | None) -> When:
        end = max(kind.end, action.end if action else 0, operation.span.end if operation else 0)
        place = self.span(kind.start, kind.end)
        return When(kind.text, place, action.text if action else None, operation, self.span(word.start, end))

    # --- expect ----------------------------------------------------------------------------------------------

    def expect_condition(self, word: Token, _if: Token, body: list[Literal]) -> ExpectCondition:
        """`expect if { … }`"""
        return ExpectCondition(tuple(body), self.span(word.start, self._end(body)))

    def word_term(self, term: Term) -> Term:
        """One word of an expectation."""
        return term

    def word_text(self, token: Token) -> Token:
        """A word of an expectation that is no term."""
        return token

    def expect(self, word: Token, words: list[_Word]) -> TestStep:
        """`expect block "reason"`"""
        return _Expected(self, word, words).read()

    def masked(self, word: _Word) -> MaskTarget:
        """What an expectation says is masked."""
        if not isinstance(word, Token):
            return self.target_term(word)
        return self.target_path(word) if word.kind == "JSON_PATH" else self.target_field(word)

    def masker(self, term: Term) -> Any:
        """The masker that is expected."""
        return self._masker(term)

    def duration(self, token: Token) -> int:
        """A duration in milliseconds."""
        return self._duration(token)


class _Expected:
    """The words after one `expect`, read from left to right."""

    def __init__(self, builder: TestBuilder, start: Token, words: list[_Word]) -> None:
        self.builder = builder
        self.words = words
        self.at = 0
        self.span = builder.span(start.start, _end(words[-1]))
        self.what = ""

    def read(self) -> TestStep:
        negated = self.takes("no")
        first = self.words[self.at] if self.at < len(self.words) else self.words[-1]
        self.what = first.name if isinstance(first, Var) else ""
        if self.what not in _EXPECTED:
            raise self.unknown(first)
        self.at += 1
        if negated and self.what in ("determining", *_VERDICTS):
            raise self.builder.refuse(
                f"`no {self.what}` says nothing about the verdict"
                if self.what in _VERDICTS
                else "what determines a decision is always something",
                self.span,
                f"write {_FORMS['block' if self.what == 'allow' else self.what]}",
            )
        if self.what == "approval" and not negated:
            raise self.builder.refuse("an approval is a verdict", self.span, f"write {_FORMS['approve']}")
        made = self.make(negated)
        if self.at < len(self.words):
            raise self.wrong(self.words[self.at])
        return made

    def make(self, negated: bool) -> TestStep:
        match self.what:
            case "mask":
                return self.mask(negated)
            case "credential":
                return self.credential(negated)
            case "reason":
                text = self.text()
                if text is None:
                    raise self.wrong(None)
                return ExpectReason(text, negated, self.span)
            case "determining":
                texts = tuple(self.texts())
                return ExpectDetermining(texts, self.span)
            case "error":
                return ExpectError(self.text(), negated, self.span)
            case "approval":
                return ExpectVerdict("approve", None, (), None, True, self.span)
        return self.verdict()

    def verdict(self) -> ExpectVerdict:
        reason = self.text()
        groups: tuple[Term, ...] = ()
        within: int | None = None
        while self.what == "approve" and self.at < len(self.words):
            if self.takes("by"):
                groups = tuple(self.texts())
            elif self.takes("within"):
                within = self.duration()
            else:
                break
        return ExpectVerdict(self.what, reason, groups, within, False, self.span)

    def mask(self, negated: bool) -> ExpectMask:
        targets: list[MaskTarget] = []
        while self.at < len(self.words) and not self.is_word("with"):
            targets.append(self.builder.masked(self.words[self.at]))
            self.at += 1
            if not self.comma():
                break
        if not targets and not negated:
            raise self.wrong(None)
        masker = None
        if self.takes("with"):
            word = self.words[self.at] if self.at < len(self.words) else None
            if word is None or isinstance(word, Token):
                raise self.wrong(word)
            masker = self.builder.masker(word)
            self.at += 1
        return ExpectMask(tuple(targets), masker, negated, self.span)

    def credential(self, negated: bool) -> ExpectCredential:
        ttl: int | None = None
        single_use = False
        role: Term | None = None
        while self.at < len(self.words) and not negated:
            if self.takes("ttl"):
                ttl = self.duration()
            elif self.takes("single_use"):
                single_use = True
            elif self.takes("as"):
                role = self.text()
                if role is None:
                    raise self.wrong(None)
            else:
                break
        return ExpectCredential(ttl, single_use, role, negated, self.span)

    # --- words -----------------------------------------------------------------------------------------------

    def is_word(self, name: str) -> bool:
        word = self.words[self.at] if self.at < len(self.words) else None
        return isinstance(word, Var) and word.name == name

    def takes(self, name: str) -> bool:
        found = self.is_word(name)
        self.at += found
        return found

    def comma(self) -> bool:
        word = self.words[self.at] if self.at < len(self.words) else None
        found = isinstance(word, Token) and word.kind == "COMMA"
        self.at += found
        return found

    def text(self) -> Term | None:
        """A text, a template, or a reference; None where something else stands, or nothing."""
        word = self.words[self.at] if self.at < len(self.words) else None
        if (
            isinstance(word, Token)
            or word is None
            or (isinstance(word, Var) and word.name in ("by", "within"))
        ):
            return None
        if isinstance(word, Scalar) and not isinstance(word.value, str):
            raise self.builder.refuse(f"expected a string, not {a_kind_of(word)}", word.span)
        if not isinstance(word, Scalar | Template | Var | Ref):
            return None
        self.at += 1
        return word

    def texts(self) -> list[Term]:
        found: list[Term] = []
        while (text := self.text()) is not None:
            found.append(text)
            if not self.comma():
                break
        if not found:
            raise self.wrong(None)
        return found

    def duration(self) -> int:
        word = self.words[self.at] if self.at < len(self.words) else None
        if not isinstance(word, Token) or word.kind != "DURATION":
            raise self.wrong(word)
        self.at += 1
        return self.builder.duration(word)

    # --- errors ----------------------------------------------------------------------------------------------

    def unknown(self, word: _Word) -> Exception:
        span = self.place(word)
        hint = None
        if self.what:
            meant = _FOREIGN.get(self.what)
            hint = f"did you mean `{meant}`?" if meant else near_miss(self.what, _EXPECTED)
        known = ", ".join(f"`{name}`" for name in _EXPECTED if name != "approval")
        shown = f"`{self.what}`" if self.what else "this"
        return self.builder.refuse(
            f"{shown} is nothing to expect of a decision", span, hint or f"expected {known} or `if`"
        )

    def wrong(self, word: _Word | None) -> Exception:
        span = self.span if word is None else self.place(word)
        return self.builder.refuse(
            f"`expect {self.what}` is not complete" if word is None else "unexpected word in an expectation",
            span,
            f"write {_FORMS[self.what]}",
        )

    def place(self, word: _Word) -> Span:
        return self.builder.span(word.start, word.end) if isinstance(word, Token) else word.span


def _end(word: _Word) -> int:
    return word.end if isinstance(word, Token) else word.span.end
