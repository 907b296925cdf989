"""Builder methods for Ward's own statements."""

from __future__ import annotations

import re
from typing import Any, TypeAlias

from doorward_dsl.lex import Token
from doorward_dsl.lex_strings import duration_ms
from doorward_dsl.parse_rules import RuleBuilder
from doorward_dsl.parse_terms import a_kind_of, kind_of
from doorward_dsl.source import Span
from doorward_dsl.suggest import near_miss
from doorward_dsl.syntax import (
    Allow,
    Approve,
    Block,
    Body,
    Call,
    ContentTarget,
    Credential,
    FieldTarget,
    JsonPathTarget,
    Literal,
    Mask,
    Masker,
    MaskTarget,
    Ref,
    Scalar,
    Template,
    Term,
    TermTarget,
    Var,
)

__all__ = ["DETECTORS", "MASKERS", "USAGE", "Governs", "WardBuilder"]

MASKERS: dict[str, tuple[type[str] | type[int], ...]] = {
    "redact": (),
    "null": (),
    "partial": (int,),
    "hash": (),
    "replace": (str,),
    "format_preserving": (),
}
"""Every masker, and the types of its arguments."""

DETECTORS = ("card_number", "email", "iban", "ip_address", "jwt", "phone", "secret_key", "ssn")
"""What `content(…)` can look for."""

USAGE = {
    "redact": "redact",
    "null": "null",
    "partial": "partial(4)",
    "hash": "hash",
    "replace": 'replace("…")',
    "format_preserving": "format_preserving",
}
"""Every masker as it is written."""
_PATH_STEP = re.compile(r'\.(\*|[A-Za-z_]\w*)|\[(?:(\d+)|(\*)|"([^"]*)")\]')
_FIELD = re.compile(r"(?:\*|\w+)(?:\.(?:\*|\w+))+")
_PATH = re.compile(rf"\$(?:{_PATH_STEP.pattern})*+")
_LONGEST_MS = 10 * 365 * 86_400_000


class Governs:
    """`governs KIND, …`."""

    __slots__ = ("kinds", "span")

    def __init__(self, kinds: tuple[str, ...], span: Span) -> None:
        self.kinds = kinds
        self.span = span


_Condition: TypeAlias = "tuple[Body | None, Body | None, int]"
"""The body after `if`, the one after `unless`, and where both end (0: there is none)."""


class WardBuilder(RuleBuilder):
    """Makes everything that a `.ward` file may hold."""

    # --- what statements share -------------------------------------------------------------------------------

    def governs(self, word: Token, kinds: list[Token]) -> Governs:
        return Governs(tuple(kind.text for kind in kinds), self.span(word.start, kinds[-1].end))

    def nothing(self) -> None:
        return None

    def always(self) -> _Condition:
        return None, None, 0

    def when(self, _if: Token, body: list[Literal]) -> _Condition:
        return tuple(body), None, self._end(body)

    def unless(self, _unless: Token, body: list[Literal]) -> _Condition:
        return None, tuple(body), self._end(body)

    def when_unless(
        self, _if: Token, when: list[Literal], _unless: Token, unless: list[Literal]
    ) -> _Condition:
        return tuple(when), tuple(unless), self._end(unless)

    def unless_when(
        self, _unless: Token, unless: list[Literal], _if: Token, when: list[Literal]
    ) -> _Condition:
        return tuple(when), tuple(unless), self._end(when)

    def block_literals(self, block: tuple[Body, int]) -> list[Literal]:
        literals, end = block
        return _Ended(literals, end)

    def _end(self, body: list[Literal]) -> int:
        return body.end if isinstance(body, _Ended) else body[-1].span.end

    def _reason(self, why: Scalar | Template | None) -> str | Term | None:
        if isinstance(why, Scalar):
            return str(why.value)
        return why

    def _statement(
        self, word: Token, why: Any, condition: _Condition, *ends: int
    ) -> tuple[Any, Any, Any, Span]:
        """The fields that all statements share; `ends` are the places where their own parts end."""
        when, unless, end = condition
        last = max(end, word.end, *ends, why.span.end if why is not None else 0)
        return self._reason(why), when, unless, Span(self.source, word.start, last)

    # --- allow, block ----------------------------------------------------------------------------------------

    def allow(self, word: Token, why: Scalar | Template | None, condition: _Condition) -> Allow:
        return Allow(*self._statement(word, why, condition))

    def block_statement(self, word: Token, why: Scalar | Template | None, condition: _Condition) -> Block:
        return Block(*self._statement(word, why, condition))

    # --- mask ------------------------------------------------------------------------------------------------

    def mask(
        self, word: Token, targets: list[MaskTarget], _with: Token, masker: Term, condition: _Condition
    ) -> Mask:
        return self._mask(word, None, targets, masker, condition)

    def mask_reason(
        self,
        word: Token,
        why: Any,
        targets: list[MaskTarget],
        _with: Token,
        masker: Term,
        condition: _Condition,
    ) -> Mask:
        return self._mask(word, why, targets, masker, condition)

    def _mask(
        self, word: Token, why: Any, targets: list[MaskTarget], masker: Term, condition: _Condition
    ) -> Mask:
        shared = self._statement(word, why, condition, masker.span.end)
        return Mask(*shared, targets=tuple(targets), masker=self._masker(masker))

    def _masker(self, term: Term) -> Masker:
        args: tuple[Term, ...] = ()
        if isinstance(term, Scalar) and term.value is None:
            name = "null"
        elif isinstance(term, Var):
            name = term.name
        elif isinstance(term, Call) and len(term.name) == 1:
            name, args = term.name[0], term.args
        else:
            hint = _all_maskers()
            if isinstance(term, Scalar) and term.value in MASKERS:
                hint = f"write `{USAGE[str(term.value)]}`, without quotes"
            raise self.refuse(f"unexpected {kind_of(term)}: expected a masker", term.span, hint)
        if name not in MASKERS:
            place = term.name_span if isinstance(term, Call) else term.span
            raise self.refuse(f"unknown masker `{name}`", place, near_miss(name, MASKERS) or _all_maskers())
        wanted = MASKERS[name]
        values: list[str | int] = []
        for arg in args:
            value = arg.value if isinstance(arg, Scalar) else None
            if isinstance(value, bool) or not isinstance(value, int | str):
                raise self.refuse(
                    f"the masker `{name}` takes literals, not {a_kind_of(arg)}",
                    arg.span,
                    f"write `{USAGE[name]}`",
                )
            values.append(value)
        if tuple(type(value) for value in values) != wanted:
            raise self.refuse(f"wrong arguments of the masker `{name}`", term.span, f"write `{USAGE[name]}`")
        if name == "partial" and values[0] not in range(65):
            raise self.refuse("`partial` keeps between 0 and 64 characters", term.span)
        return Masker(name, tuple(values), term.span)

    def target_term(self, term: Term) -> MaskTarget:
        span = term.span
        if isinstance(term, Call) and term.name == ("content",):
            if len(term.args) != 1 or not isinstance(term.args[0], Var):
                raise self.refuse(
                    "`content` takes the name of one detector", span, "write `content(card_number)`"
                )
            return self._detector(term.args[0])
        if isinstance(term, Ref) and isinstance(term.head, Var):
            dotted = span.text.replace(" ", "") == ".".join([term.head.name, *self._words(term)])
            if dotted:
                return self._field((term.head.name, *self._words(term)), span)
        if isinstance(term, Scalar) and isinstance(term.value, str):
            return self._target_text(term.value, span)
        if isinstance(term, Var | Ref | Template):
            return TermTarget(term, span)
        raise self.refuse(
            f"{a_kind_of(term)} cannot be masked",
            span,
            "expected `table.column`, `*.column`, `$.json.path`, `content(detector)` or a variable",
        )

    def _words(self, ref: Ref) -> list[str]:
        return [part.value for part in ref.path if isinstance(part, Scalar) and isinstance(part.value, str)]

    def _detector(self, name: Var) -> ContentTarget:
        if name.name not in DETECTORS:
            hint = near_miss(name.name, DETECTORS) or f"the detectors are {_listed(DETECTORS)}"
            raise self.refuse(f"unknown detector `{name.name}`", name.span, hint)
        return ContentTarget(name.name, name.span)

    def target_field(self, token: Token) -> FieldTarget:
        return self._field(tuple(token.text.split(".")), self.span(token.start, token.end))

    def _field(self, parts: tuple[str, ...], span: Span) -> FieldTarget:
        if parts[-1] == "*":
            raise self.refuse(
                "the column of a mask cannot be `*`", span, "name the column: `*.ssn` masks it in every table"
            )
        if len(parts) > 3:
            raise self.refuse("a mask target has at most three parts: `schema.table.column`", span)
        return FieldTarget(parts, span)

    def _target_text(self, text: str, span: Span) -> MaskTarget:
        """A target written as a string."""
        if _FIELD.fullmatch(text):
            return self._field(tuple(text.split(".")), span)
        if _PATH.fullmatch(text):
            return self._path_of(text, span)
        hint = 'after a reason come the targets: `mask "why" table.column with redact`'
        raise self.refuse("the string names no target", span, hint)

    def target_path(self, token: Token) -> JsonPathTarget:
        return self._path_of(token.text, self.span(token.start, token.end))

    def _path_of(self, text: str, span: Span) -> JsonPathTarget:
        steps: list[str | int] = []
        for match in _PATH_STEP.finditer(text, 1):
            name, number, star, quoted = match.groups()
            steps.append(int(number) if number is not None else (name or star or quoted or ""))
        if not steps:
            raise self.refuse("a JSON path needs at least one step", span, "write `$.user.email`")
        return JsonPathTarget(tuple(steps), span)

    # --- approve, credential ---------------------------------------------------------------------------------

    def by(self, word: Token, groups: list[Term]) -> tuple[str, Token, Any, int]:
        return "by", word, tuple(groups), groups[-1].span.end

    def within(self, word: Token, duration: Token) -> tuple[str, Token, Any, int]:
        return "within", word, self._duration(duration), duration.end

    def ttl(self, word: Token, duration: Token) -> tuple[str, Token, Any, int]:
        return "ttl", word, self._duration(duration), duration.end

    def single_use(self, word: Token) -> tuple[str, Token, Any, int]:
        return "single_use", word, True, word.end

    def role(self, word: Token, role: Term) -> tuple[str, Token, Any, int]:
        return "as", word, role, role.span.end

    def _duration(self, token: Token) -> int:
        span = self.span(token.start, token.end)
        try:
            milliseconds = duration_ms(token.text)
        except ValueError as error:
            hint = "the units are `ms`, `s`, `m`, `h` and `d`, as in `15m`"
            if any(character.isdigit() for character in token.text.lstrip("0123456789")):
                hint = "a duration is one number and one unit: `90m`, not `1h30m`"
            raise self.refuse(str(error), span, hint) from None
        if not 0 < milliseconds <= _LONGEST_MS:
            raise self.refuse("a duration lies between 1ms and ten years", span)
        return milliseconds

    def _parts(self, parts: list[tuple[str, Token, Any, int]]) -> dict[str, Any]:
        given: dict[str, Any] = {}
        for name, word, value, _end in parts:
            if name in given:
                raise self.refuse(f"`{name}` is given twice", self.span(word.start, word.end))
            given[name] = value
        return given

    def approve(
        self, word: Token, why: Any, parts: list[tuple[str, Token, Any, int]], condition: _Condition
    ) -> Approve:
        given = self._parts(parts)
        if "by" not in given:
            raise self.refuse(
                "`approve` names nobody who may approve",
                self.span(word.start, word.end),
                'write `by "group"`',
            )
        shared = self._statement(word, why, condition, *(part[3] for part in parts))
        return Approve(*shared, groups=given["by"], within_ms=given.get("within"))

    def credential(
        self, word: Token, why: Any, parts: list[tuple[str, Token, Any, int]], condition: _Condition
    ) -> Credential:
        given = self._parts(parts)
        if not given:
            raise self.refuse(
                "`credential` says nothing about the credential",
                self.span(word.start, word.end),
                'write `ttl 15m`, `single_use` or `as "role"`',
            )
        shared = self._statement(word, why, condition, *(part[3] for part in parts))
        return Credential(
            *shared, ttl_ms=given.get("ttl"), single_use=given.get("single_use", False), role=given.get("as")
        )


class _Ended(list[Literal]):
    """The literals of a braced body, and where the closing brace ends."""

    def __init__(self, literals: Body, end: int) -> None:
        super().__init__(literals)
        self.end = end


def _listed(names: Any) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _all_maskers() -> str:
    return f"the maskers are {_listed(USAGE.values())}"
